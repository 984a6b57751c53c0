/**
 * @module The whole model that a run over a frozen base has trained: base, adapters and heads put
 * together as a plain model, for predictions and exports.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { requireBase } from '../../protocol/model/base.ts';
import { elementCount, matchManifest } from '../../protocol/model/manifest.ts';
import { storedAs } from '../../protocol/model/precision.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { modelOfSpec } from '../spec-model.ts';
import { requireLength } from '../trainer.ts';
import { loadBase, travellingManifest, type BaseWeights } from './base.ts';
import { mergeAdapters } from './with-adapters.ts';

/**
 * @param weights of a version, flat, as `pull` gives them
 * @param base this reader's copy of the frozen weights
 * @returns a model without adapters; the caller disposes it
 * @throws FloeError `base_mismatch` for another base than the specification names,
 * `tensor_mismatch`
 */
export const mergedModel = async (
  tf: typeof Tfjs,
  spec: RunSpec,
  weights: Float32Array,
  base: BaseWeights,
): Promise<Tfjs.LayersModel> => {
  const model = await modelOfSpec(spec)(tf);
  try {
    requireBase(spec.model.base, loadBase(tf, model, base));
    const manifest = travellingManifest(model);
    matchManifest(spec.model, storedAs(spec.model, manifest));
    requireLength(manifest, weights);
    let at = 0;
    for (const weight of model.trainableWeights) {
      const { shape } = weight.read();
      const end = at + elementCount(shape);
      const values = weights.slice(at, end);
      tf.tidy(() => {
        weight.write(tf.tensor(values, shape, 'float32'));
      });
      at = end;
    }
    return await mergeAdapters(tf, model);
  } finally {
    model.dispose();
  }
};
