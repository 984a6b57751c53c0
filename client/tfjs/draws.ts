/**
 * @module The noise of dropout layers in recorded steps: the numbers that tfjs would draw itself.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { RandomStream } from '../random.ts';

/**
 * Of one step. Each dropout layer draws a seed, whether it is used or not.
 *
 * @param dropouts how many such layers the model has
 * @param wanted how many numbers of [0, 1) for which of them
 */
export const drawsOf = (
  tf: typeof Tfjs,
  dropouts: number,
  wanted: readonly { readonly layer: number; readonly size: number }[],
  stream: RandomStream,
): readonly Float32Array[] => {
  // tfjs takes 0 for no seed.
  const seeds = Array.from({ length: dropouts }, () => stream.below(2 ** 31 - 1) + 1);
  return wanted.map(({ layer, size }) => {
    const drawn = tf.randomUniform([size], 0, 1, 'float32', seeds[layer] ?? 1);
    // Not out of tf.tidy, which looks for tensors among the numbers of an array, one by one.
    const values = drawn.dataSync<'float32'>();
    drawn.dispose();
    return values;
  });
};
