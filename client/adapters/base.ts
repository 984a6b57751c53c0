/**
 * @module The base of an adapted model: the weights that no participant trains and that never
 * travel. A run specification names them by their hash, each site brings its own copy, and a copy
 * that has another hash is refused before the first round.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import type { BaseRef } from '../../protocol/model/base.ts';
import { hashModel } from '../../protocol/model/hash.ts';
import { elementCount, type Manifest } from '../../protocol/model/manifest.ts';
import { manifestOf } from '../tfjs/topology.ts';

type Tf = typeof Tfjs;

/** Tensors by name, as a safetensors file holds them. Tensors that the model lacks are ignored. */
export interface BaseWeights {
  readonly manifest: Manifest;
  /** All tensors, flat, in the manifest's order. */
  readonly flat: Float32Array;
  /** In words, for those who look for a copy: `sentence-transformers/all-MiniLM-L6-v2`. */
  readonly name?: string;
}

/** The weights of a model that do not train, in its order. */
const frozenWeights = (model: Tfjs.LayersModel) => {
  const trained = new Set(model.trainableWeights.map(({ id }) => id));
  return model.weights.filter(({ id }) => !trained.has(id));
};

/** The tensors of an adapted model that its participants train: all that travels. */
export const travellingManifest = (model: Tfjs.LayersModel): Manifest =>
  manifestOf(model, model.trainableWeights);

/** The parts of the model that identify its base. Whether a tensor is trained is not among them. */
const baseManifest = (model: Tfjs.LayersModel): Manifest => ({
  tensors: manifestOf(model, frozenWeights(model)).tensors.map(({ name, shape, dtype }) => ({
    name,
    shape,
    dtype,
  })),
});

/** The base as it is in a model now: for files, and for hashes. */
export const baseOf = (model: Tfjs.LayersModel): BaseWeights => {
  const weights = frozenWeights(model);
  const manifest = baseManifest(model);
  const sizes = manifest.tensors.map(({ shape }) => elementCount(shape));
  const flat = new Float32Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [i, weight] of weights.entries()) {
    flat.set(weight.read().dataSync<'float32'>(), at);
    at += sizes[i] ?? 0;
  }
  return { manifest, flat };
};

/** The hash that a specification names a base by. */
export const hashBase = ({ manifest, flat }: BaseWeights): Uint8Array => hashModel(manifest, flat);

/**
 * The tensors of `base` that `wanted` names, in that order.
 * @throws FloeError `base_mismatch` with the first tensor that is missing or has another shape
 */
export const selectBase = (wanted: Manifest, base: BaseWeights): BaseWeights => {
  const places = new Map<string, { at: number; shape: readonly number[] }>();
  let at = 0;
  for (const { name, shape } of base.manifest.tensors) {
    places.set(name, { at, shape });
    at += elementCount(shape);
  }
  const sizes = wanted.tensors.map(({ shape }) => elementCount(shape));
  const flat = new Float32Array(sizes.reduce((sum, size) => sum + size, 0));
  let to = 0;
  for (const [i, { name, shape }] of wanted.tensors.entries()) {
    const place = places.get(name);
    if (place === undefined || place.shape.join() !== shape.join())
      throw new FloeError(
        'base_mismatch',
        `the base: expected ${name} of shape [${shape.join(', ')}], got ` +
          (place === undefined ? 'no such tensor' : `[${place.shape.join(', ')}]`),
      );
    const size = sizes[i] ?? 0;
    flat.set(base.flat.subarray(place.at, place.at + size), to);
    to += size;
  }
  return { ...base, manifest: { tensors: wanted.tensors }, flat };
};

/**
 * Writes a base into the weights that do not train. Returns what names it.
 * @throws FloeError `base_mismatch`
 */
export const loadBase = (tf: Tf, model: Tfjs.LayersModel, base: BaseWeights): BaseRef => {
  const weights = frozenWeights(model);
  if (weights.length === 0)
    throw new FloeError('base_mismatch', 'the model has no frozen weights that a base could hold');
  const chosen = selectBase(baseManifest(model), base);
  let at = 0;
  for (const weight of weights) {
    const shape = weight.read().shape;
    const end = at + elementCount(shape);
    const values = chosen.flat.subarray(at, end);
    tf.tidy(() => {
      weight.write(tf.tensor(values, shape, 'float32'));
    });
    at = end;
  }
  const { name } = base;
  return { hash: hashBase(chosen), ...(name === undefined ? {} : { name }) };
};
