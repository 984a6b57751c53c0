/**
 * @module The first model of a run, drawn from the public seed of its specification, so that nobody
 * chooses its weights: a crafted first layer takes training examples out of a masked sum (Fowl et
 * al. 2022, "Robbing the Fed"). Coordinator, participants and verifiers compute the same bits: the
 * numbers come from SHA-256 in counter mode, and are scaled with the operations that IEEE 754
 * rounds exactly (+ - * / sqrt). Initialiser: Glorot and Bengio 2010, uniform.
 */
import { sha256, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import {
  canonicalManifest,
  elementCount,
  hashModel,
  parameterCount,
  roundToTypes,
  type TensorSpec,
} from './index.ts';

const TAG = utf8('floe/first-model/v1');
const SEED_TAG = utf8('floe/first-model-seed/v1');
/** Hashes that are remembered: a process may host many participants of one run. */
const REMEMBERED = 16;

/** The part of a specification that the first model follows from. */
export interface FirstModel {
  readonly tensors: readonly TensorSpec[];
  /** 32 bytes. */
  readonly seed?: Uint8Array | undefined;
}

/** The seed of a run that names none: it follows from the id (16 bytes). */
export const seedOfId = (id: Uint8Array): Uint8Array => sha256(SEED_TAG, id);

/**
 * Inputs and outputs of one unit. The last two sizes are channels in and out, the sizes before them
 * a kernel's window: [in, out] of a dense layer, [height, width, in, out] of a convolution.
 */
const fans = (shape: readonly number[]): { readonly in: number; readonly out: number } => {
  const window = elementCount(shape.slice(0, -2));
  return { in: window * (shape.at(-2) ?? 1), out: window * (shape.at(-1) ?? 1) };
};

/**
 * Fills with numbers from (-limit, limit): 24 bits each, symmetric about zero, which none of them
 * is.
 */
export const fillUniform = (out: Float32Array, limit: number, key: Uint8Array): void => {
  const counter = new Uint8Array(8);
  const view = new DataView(counter.buffer);
  for (let at = 0; at < out.length; at += 8) {
    view.setUint32(0, Math.floor(at / 8), true);
    const block = sha256(key, counter);
    const words = new DataView(block.buffer, block.byteOffset, 32);
    const end = Math.min(8, out.length - at);
    for (let i = 0; i < end; i += 1) {
      const number = words.getUint32(4 * i, true) >>> 8;
      out[at + i] = limit * ((2 * number + 1) / 2 ** 24 - 1);
    }
  }
};

const fill = (out: Float32Array, { name, shape }: TensorSpec, key: Uint8Array): void => {
  // The second factor of an adapter: at first the model is its base.
  if (/(?:^|[/._])lora_b$/u.test(name)) return;
  if (shape.length < 2) {
    if (/(?:^|[/._])(?:gamma|moving_variance)$/u.test(name)) out.fill(1);
    return;
  }
  const fan = fans(shape);
  fillUniform(out, Math.sqrt(6 / (fan.in + fan.out)), key);
};

/**
 * The first model, flat, in the order of the tensors, rounded to their types. Tensors of rank 2 and
 * more are Glorot uniform: from (-l, l) with l = sqrt(6 / (fan in + fan out)). Those of rank 0 and
 * 1 are ones where the name ends in `gamma` or `moving_variance`, else zeros (`bias`, `beta`,
 * `moving_mean` and whatever else). Each tensor has its own stream.
 *
 * @throws FloeError `spec_invalid` where the specification has no seed, since it names a parent
 */
export const initialModel = ({ tensors, seed }: FirstModel): Float32Array => {
  if (seed === undefined)
    throw new FloeError(
      'spec_invalid',
      'model.seed: expected 32 bytes; the run begins with a parent',
    );
  const flat = new Float32Array(parameterCount({ tensors }));
  const index = new Uint8Array(4);
  let at = 0;
  for (const [i, tensor] of tensors.entries()) {
    new DataView(index.buffer).setUint32(0, i, true);
    const end = at + elementCount(tensor.shape);
    fill(flat.subarray(at, end), tensor, sha256(TAG, seed, index));
    at = end;
  }
  return roundToTypes({ tensors }, flat);
};

const remembered = new Map<string, Uint8Array>();

/**
 * Hash of the first model: what version 0 must have. @throws FloeError `spec_invalid` as
 * {@link initialModel}
 */
export const initialModelHash = (model: FirstModel): Uint8Array => {
  const { tensors, seed = new Uint8Array(0) } = model;
  const key = toHex(sha256(TAG, seed, utf8(canonicalManifest({ tensors }))));
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const hash = hashModel({ tensors }, initialModel(model));
  if (remembered.size >= REMEMBERED) remembered.clear();
  remembered.set(key, hash);
  return hash;
};
