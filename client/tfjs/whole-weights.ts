/**
 * @module All weights of a model in one vector, for engines with a separate memory: the trained
 * weights first, a frozen base after them.
 */
import type * as Tfjs from '@tensorflow/tfjs';

/** Elements of a weight. */
export const sizeOf = (shape: readonly (number | null)[]): number =>
  shape.reduce<number>((product, size) => product * (size ?? 1), 1);

/** As the model has them now, in its own order. */
export const wholeWeights = (model: Tfjs.LayersModel): Float32Array => {
  const flat = new Float32Array(model.weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  let at = 0;
  for (const weight of model.weights) {
    flat.set(weight.read().dataSync<'float32'>(), at);
    at += sizeOf(weight.shape);
  }
  return flat;
};
