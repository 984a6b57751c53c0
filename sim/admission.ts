/**
 * @module The requirements of simulated participants. One operator runs all of them, so the
 * scenario's settings of masks, cohorts, norms, batch and honest members are accepted. The
 * other requirements keep their defaults.
 */
import { ADMISSION_DEFAULTS, type AdmissionInput } from '../client/admission.ts';
import { clipNormsOf } from '../protocol/privacy/adaptive-clipping.ts';
import { strategyNorm } from '../client/admission-measures.ts';
import { leastSummed } from '../protocol/robust/groups.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';

const including = (
  { min, max }: { readonly min: number; readonly max: number },
  ...values: readonly number[]
): { min: number; max: number } => ({
  min: Math.min(min, ...values),
  max: Math.max(max, ...values),
});

export const requirementsOf = (spec: RunSpec): AdmissionInput => ({
  masked: spec.secagg === 'masked',
  minimum: Math.min(ADMISSION_DEFAULTS.minimum, leastSummed(spec)),
  known: spec.members.type === 'closed' ? ADMISSION_DEFAULTS.known : 0,
  steps: 1,
  clipNorm: including(ADMISSION_DEFAULTS.clipNorm, ...clipNormsOf(spec.encoding)),
  strategyNorm: Math.max(ADMISSION_DEFAULTS.strategyNorm, strategyNorm(spec)),
  batchSize: including(ADMISSION_DEFAULTS.batchSize, spec.training.batchSize),
  honest: Math.max(
    ADMISSION_DEFAULTS.honest,
    spec.privacy === undefined || spec.privacy.type === 'central' ? 0 : spec.privacy.honest,
  ),
  central: spec.privacy?.type === 'central',
});
