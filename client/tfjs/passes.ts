/**
 * @module The passes over a participant's examples in a round: as many as the epochs, or as many as
 * a given number of local steps needs. The last one may then end early.
 */
import { permutation, randomStream } from '../random.ts';
import type { TrainRequest } from '../trainer.ts';

export interface Passes {
  readonly epochs: number;
  /** Examples that the last pass takes. */
  readonly last: number;
  /** The examples of a pass in the order in which it takes them: a function of seed and round. */
  readonly order: (epoch: number) => Uint32Array;
}

/** @param size the participant's examples, at least 1 */
export const passesOf = (
  {
    epochs,
    batchSize,
    steps,
    seed,
    round,
  }: Pick<TrainRequest, 'epochs' | 'batchSize' | 'steps' | 'seed' | 'round'>,
  size: number,
): Passes => {
  const batches = Math.ceil(size / batchSize);
  const passes = steps === undefined ? epochs : Math.ceil(steps / batches);
  const rest = steps === undefined ? batches : steps - (passes - 1) * batches;
  const last = Math.min(size, rest * batchSize);
  return {
    epochs: passes,
    last,
    order: (epoch) => {
      const all = permutation(size, randomStream(seed, `shuffle/${round}/${epoch}`));
      return epoch === passes - 1 ? all.subarray(0, last) : all;
    },
  };
};
