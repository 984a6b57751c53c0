/**
 * @module The specification of a closed run with differential privacy of twenty members, ten in a
 * round.
 */
import { makeRunSpec, type RunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';

/** Of the members. */
export const keys = Array.from({ length: 20 }, (_, i) => new Uint8Array(32).fill(i + 1));

/** Epsilon 4 for `participations`, if a fraction `honest` of a cohort adds its noise. */
export const privateSpec = (
  rounds: number,
  participations: number,
  honest: number,
  changes: Partial<RunSpecInput> = {},
): RunSpec =>
  makeRunSpec({
    id: new Uint8Array(16),
    coordinator: new Uint8Array(32).fill(99),
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [100], dtype: 'float32' }] },
    rounds,
    cohort: { size: 10 },
    members: { type: 'closed', keys },
    privacy: {
      type: 'skellam',
      epsilon: 4,
      delta: 1e-5,
      participations,
      honest,
      noiseMultiplier: 0,
    },
    ...changes,
  });
