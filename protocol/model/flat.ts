/**
 * @module Named tensors <-> one flat float32 vector, in the manifest's order, without gaps.
 */
import { FloeError } from '../errors.ts';
import { fromBfloat16, toBfloat16 } from './floats.ts';
import { elementCount, parameterCount, type Manifest } from './manifest.ts';

/** Values by name, as a map or a plain object. */
export type NamedTensors =
  ReadonlyMap<string, Float32Array> | Readonly<Record<string, Float32Array>>;

const isMap = (tensors: NamedTensors): tensors is ReadonlyMap<string, Float32Array> =>
  tensors instanceof Map;

/** @throws FloeError `tensor_mismatch` unless `flat` has the manifest's number of elements. */
export const checkLength = (manifest: Manifest, flat: Float32Array): void => {
  const want = parameterCount(manifest);
  if (flat.length !== want)
    throw new FloeError('tensor_mismatch', `expected ${want} elements, got ${flat.length}`);
};

/**
 * Copies the tensors into one vector of `parameterCount(manifest)` elements.
 *
 * @throws FloeError `tensor_mismatch` when one is missing, one is unknown, or a length differs from
 * its shape.
 */
export const flatten = (manifest: Manifest, tensors: NamedTensors): Float32Array => {
  const given = isMap(tensors) ? tensors : new Map(Object.entries(tensors));
  const flat = new Float32Array(parameterCount(manifest));
  let offset = 0;
  for (const { name, shape } of manifest.tensors) {
    const values = given.get(name);
    const want = elementCount(shape);
    if (values?.length !== want)
      throw new FloeError(
        'tensor_mismatch',
        `tensor ${JSON.stringify(name)}: expected ${want} elements, got ${values?.length ?? 'none'}`,
      );
    flat.set(values, offset);
    offset += want;
  }
  if (given.size !== manifest.tensors.length)
    throw new FloeError(
      'tensor_mismatch',
      `expected ${manifest.tensors.length} tensors, got ${given.size}`,
    );
  return flat;
};

/**
 * Views into `flat` by name: no copy, so writing to one writes to the other.
 *
 * @throws FloeError `tensor_mismatch` when `flat` has another length than the manifest says.
 */
export const unflatten = (manifest: Manifest, flat: Float32Array): Map<string, Float32Array> => {
  checkLength(manifest, flat);
  const tensors = new Map<string, Float32Array>();
  let offset = 0;
  for (const { name, shape } of manifest.tensors) {
    const end = offset + elementCount(shape);
    tensors.set(name, flat.subarray(offset, end));
    offset = end;
  }
  return tensors;
};

/**
 * Single values as {@link roundToTypes} rounds them.
 *
 * @param at the element that each of `values` belongs to, ascending; beyond the last one: any type
 */
export const roundValues = (
  manifest: Manifest,
  at: Int32Array,
  values: Float32Array,
): Float32Array => {
  if (manifest.tensors.every(({ dtype }) => dtype === 'float32')) return values;
  const rounded = fromBfloat16(toBfloat16(values));
  let end = 0;
  let k = 0;
  for (const { shape, dtype } of manifest.tensors) {
    end += elementCount(shape);
    for (; k < at.length && at[k]! < end; k += 1) if (dtype === 'float32') rounded[k] = values[k]!;
  }
  return rounded;
};

/**
 * The values as the manifest's types hold them: bfloat16 tensors rounded to nearest, ties to even.
 * What a file of the model gives back, so that its hash is the same before and after. `flat` itself
 * where nothing is to be rounded.
 *
 * @throws FloeError `tensor_mismatch` when `flat` has another length than the manifest says.
 */
export const roundToTypes = (manifest: Manifest, flat: Float32Array): Float32Array => {
  checkLength(manifest, flat);
  if (manifest.tensors.every(({ dtype }) => dtype === 'float32')) return flat;
  const rounded = flat.slice();
  let offset = 0;
  for (const { shape, dtype } of manifest.tensors) {
    const values = rounded.subarray(offset, offset + elementCount(shape));
    if (dtype === 'bfloat16') fromBfloat16(toBfloat16(values), values);
    offset += values.length;
  }
  return rounded;
};
