/**
 * @module Per-layer clipping (McMahan, Ramage, Talwar, Zhang 2018, "Learning Differentially Private
 * Recurrent Language Models", section 3): each of the m tensors of an update is shortened to C /
 * sqrt(m). The whole then has norm C at most, which is all that others check and that the noise is
 * sized for.
 */
import { elementCount } from '../../../protocol/model/manifest.ts';
import { localTensors } from '../../../protocol/model/parts.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';

/** Coordinates of each tensor of an update, in order: trainable, and not kept at the site. */
const layersOf = ({ model: { tensors }, training }: RunSpec): readonly number[] => {
  const staying = new Set(localTensors(tensors, training));
  return tensors
    .filter((tensor) => (tensor.role ?? 'trainable') === 'trainable' && !staying.has(tensor))
    .map(({ shape }) => elementCount(shape));
};

export interface ClippedLayers {
  readonly values: Float32Array;
  /** Whether any of them was shortened. */
  readonly clipped: boolean;
}

/**
 * The update with every layer within its part of the clip norm; the update itself where the run
 * clips it whole.
 *
 * @param spec of the attempt @param delta not changed
 */
export const clipLayers = (spec: RunSpec, delta: Float32Array): ClippedLayers => {
  const { clipUnit, clipNorm } = spec.encoding;
  if (clipUnit !== 'layer') return { values: delta, clipped: false };
  const layers = layersOf(spec);
  const most = clipNorm / Math.sqrt(layers.length);
  const values = delta.slice();
  let clipped = false;
  let start = 0;
  for (const size of layers) {
    const layer = values.subarray(start, start + size);
    start += size;
    let energy = 0;
    for (const value of layer) energy += value * value;
    const norm = Math.sqrt(energy);
    if (!(norm > most)) continue;
    clipped = true;
    for (let i = 0; i < layer.length; i += 1) layer[i] = layer[i]! * (most / norm);
  }
  return { values, clipped };
};
