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
export {
  ftrlMultiplier,
  ftrlSensitivity,
  inverseCoefficients,
  squareRootCoefficients,
  type Participation,
} from './ftrl.ts';
export { planPrivacy, type PlanInput, type PrivacyPlan } from './plan.ts';
export { integerSensitivity, roundedNorm, type Sensitivity } from './sensitivity.ts';
export { skellamSampler, type SkellamSampler } from './skellam.ts';
