/**
 * @module The precision of the models that a run commits. With bfloat16 a committed model is what
 * its blob of two bytes a parameter holds: everybody trains on the same bits, and there is no finer
 * copy anywhere. Rounded to nearest, steps below half a unit in the last place would be lost in
 * every round anew. So each step is rounded by chance, from public randomness of the attempt: on
 * average over rounds nothing is lost (Gupta et al. 2015, "Deep Learning with Limited Numerical
 * Precision", section 3), and whoever recomputes the round finds the same bits.
 */
import { sha256, utf8 } from '../bytes.ts';
import { expand } from '../encoding/expand.ts';
import { roundToTypes, roundValues } from './flat.ts';
import { fromBfloat16, toBfloat16ByChance } from './floats.ts';
import { elementCount, type Manifest, type TensorSpec } from './manifest.ts';

export const MODEL_PRECISIONS = ['float32', 'bfloat16'] as const;
export type ModelPrecision = (typeof MODEL_PRECISIONS)[number];

const DRAWS_TAG = utf8('floe/model-rounding/v1\0');
/** Elements of the flat model whose draws are made together. */
const DRAWN_AT_ONCE = 2 ** 12;
const DRAW_BYTES = 2;

/** Statistics of layers are few, and variances are not to be rounded. */
const isRounded = ({ role }: Pick<TensorSpec, 'role'>): boolean =>
  role !== 'statistic' && role !== 'variance';

/** The types of the tensors at a precision: statistics stay float32. */
export const tensorsAt = <Tensor extends Pick<TensorSpec, 'role' | 'dtype'>>(
  precision: ModelPrecision | undefined,
  tensors: readonly Tensor[],
): Tensor[] =>
  tensors.map((tensor) =>
    precision === 'bfloat16' && isRounded(tensor) ? { ...tensor, dtype: 'bfloat16' } : tensor,
  );

/** Whether the tensors have the types of {@link tensorsAt}. */
export const areAt = (
  precision: ModelPrecision | undefined,
  tensors: readonly Pick<TensorSpec, 'role' | 'dtype'>[],
): boolean =>
  precision !== 'bfloat16' ||
  tensors.every((tensor) => !isRounded(tensor) || tensor.dtype === 'bfloat16');

/** A manifest with the types of another one: how tensors are stored is no property of a trainer. */
export const storedAs = (like: Manifest, { tensors }: Manifest): Manifest => ({
  tensors: tensors.map((tensor, i) => ({
    ...tensor,
    dtype: like.tensors[i]?.dtype ?? tensor.dtype,
  })),
});

/** The draws of single elements of the flat vector. @param at ascending */
const drawsAt = (at: Int32Array, seed: Uint8Array): Uint16Array => {
  const draws = new Uint16Array(at.length);
  const index = new Uint8Array(4);
  let chunk = -1;
  let view: DataView = new DataView(index.buffer);
  for (let k = 0; k < at.length; k += 1) {
    const of = Math.floor(at[k]! / DRAWN_AT_ONCE);
    if (of !== chunk) {
      chunk = of;
      new DataView(index.buffer).setUint32(0, chunk, true);
      const bytes = expand(DRAWS_TAG, sha256(seed, index), DRAW_BYTES * DRAWN_AT_ONCE);
      view = new DataView(bytes.buffer);
    }
    draws[k] = view.getUint16(DRAW_BYTES * (at[k]! % DRAWN_AT_ONCE), true);
  }
  return draws;
};

/** How the values of a committed model are rounded. */
export interface StepRounding {
  readonly precision: ModelPrecision | undefined;
  /** Public randomness of the attempt, 32 bytes; used with bfloat16 alone. */
  readonly seed: Uint8Array;
}

/**
 * Single values after a step, as the model's types hold them.
 *
 * @param at the element that each of `values` belongs to, ascending; beyond the last one: any type
 */
export const roundStepAt = (
  manifest: Manifest,
  at: Int32Array,
  values: Float32Array,
  { precision, seed }: StepRounding,
): Float32Array => {
  if (precision !== 'bfloat16') return roundValues(manifest, at, values);
  const rounded = fromBfloat16(toBfloat16ByChance(values, drawsAt(at, seed)));
  let end = 0;
  let k = 0;
  for (const { shape, dtype } of manifest.tensors) {
    end += elementCount(shape);
    for (; k < at.length && at[k]! < end; k += 1) if (dtype === 'float32') rounded[k] = values[k]!;
  }
  return rounded;
};

/** The whole flat model after a step, as {@link roundStepAt} rounds its elements. */
export const roundStep = (
  manifest: Manifest,
  flat: Float32Array,
  rounding: StepRounding,
): Float32Array => {
  if (rounding.precision !== 'bfloat16') return roundToTypes(manifest, flat);
  const rounded = new Float32Array(flat.length);
  for (let from = 0; from < flat.length; from += DRAWN_AT_ONCE) {
    const values = flat.subarray(from, from + DRAWN_AT_ONCE);
    const at = Int32Array.from(values, (_, i) => from + i);
    rounded.set(roundStepAt(manifest, at, values, rounding), from);
  }
  return rounded;
};
