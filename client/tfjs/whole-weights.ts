/**
 * @module All weights of a model in one vector, for engines with a separate memory: the trained
 * weights first, a frozen base after them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import type { Manifest } from '../../protocol/model/manifest.ts';

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

/**
 * What a vector over the manifest's weights has for each trainable weight of the model, in their
 * order: views. Empty without a vector.
 */
export const partsOfTrained = (
  model: Tfjs.LayersModel,
  { tensors }: Manifest,
  flat: Float32Array | undefined,
): readonly Float32Array[] => {
  if (flat === undefined) return [];
  const starts: number[] = [];
  let at = 0;
  for (const { shape } of model.weights.slice(0, tensors.length)) {
    starts.push(at);
    at += sizeOf(shape);
  }
  return model.trainableWeights.map((weight) => {
    const start = starts[model.weights.indexOf(weight)];
    if (start === undefined)
      throw new FloeError('internal', `${weight.name} trains and is not in the manifest`);
    return flat.subarray(start, start + sizeOf(weight.shape));
  });
};
