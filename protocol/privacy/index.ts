/**
 * @module Differential privacy for programs outside: the accountants, the sampler and the plan.
 */
export {
  deltaOfGaussian,
  epsilonOfGaussian,
  multiplierOfGaussian,
} from './accounting/analytic-gaussian.ts';
export type { LossPair } from './accounting/loss-distribution.ts';
export { composeGaussians, deltaOfLoss, epsilonOfLoss } from './accounting/pld.ts';
export {
  composeRdp,
  epsilonOfRdp,
  gaussianRdp,
  INTEGER_ORDERS,
  RDP_ORDERS,
  skellamRdp,
  type RdpCurve,
  type RdpGuarantee,
  type SampledGaussian,
  type Skellam,
} from './accounting/rdp.ts';
export { bandedInverse, MAX_BANDS, type BandedInverse } from './banded-inverse.ts';
export {
  correlatedNoise,
  releasedBy,
  shiftsOf,
  type CorrelatedMechanism,
  type CorrelatedSegment,
  type Shifts,
} from './correlated.ts';
export {
  ftrlMultiplier,
  ftrlSensitivity,
  squareRootCoefficients,
  type Participation,
} from './ftrl.ts';
export { planCorrelated, type CorrelatedPlan } from './plan-correlated.ts';
export { planPrivacy, type PlanInput, type PrivacyPlan } from './plan.ts';
export { integerSensitivity, roundedNorm, type Sensitivity } from './sensitivity.ts';
export { skellamSampler, type SkellamSampler } from './skellam.ts';
