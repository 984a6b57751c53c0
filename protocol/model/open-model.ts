/**
 * @module The file of a model version, in clear and encrypted: the tensors of the model, and behind
 * them what the run's strategy carries from round to round (algorithm/state.ts). An encrypted one
 * is opened by decrypting it, reading it as safetensors, and comparing the hashes of parameters and
 * state.
 */
import type { AccessGate } from '../ports/access-gate.ts';
import { hashState, NO_STATE, STATE_PREFIX } from '../algorithm/state.ts';
import { equalBytes } from '../bytes.ts';
import { decryptBlob } from './envelope.ts';
import { FloeError } from '../errors.ts';
import type { ModelRef } from '../records/records.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  hashModel,
  matchManifest,
  parameterCount,
  type Manifest,
  type TensorSpec,
} from './index.ts';

/** A model version in clear. */
export interface ModelContent {
  /** Flat, in the order of the manifest. */
  readonly weights: Float32Array;
  /** The vectors of the strategy's state, one after the other; empty where it has none. */
  readonly state: Float32Array;
}

interface SealedModel {
  readonly run: Uint8Array;
  readonly model: ModelRef;
  readonly cipher: Uint8Array;
  /**
   * Tensors of the state that the run's strategy carries. Left out by readers of the parameters
   * alone, who need not know the strategy: then a state is compared with its hash only.
   */
  readonly stateTensors?: readonly TensorSpec[];
}

const purposeOf = ({ run, model }: SealedModel) =>
  ({ run, attempt: model.version, role: 'model' }) as const;

/**
 * The file of a version: that of the model alone where there is no state.
 *
 * @param stateTensors of the strategy
 */
export const encodeVersion = (
  manifest: Manifest,
  stateTensors: readonly TensorSpec[],
  { weights, state }: ModelContent,
): Uint8Array => {
  const { tensors } = manifest;
  if (stateTensors.length === 0) return encodeSafetensors({ tensors }, weights);
  const flat = new Float32Array(weights.length + state.length);
  flat.set(weights);
  flat.set(state, weights.length);
  return encodeSafetensors({ tensors: [...tensors, ...stateTensors] }, flat);
};

const isState = ({ name, dtype }: TensorSpec): boolean =>
  name.startsWith(STATE_PREFIX) && dtype === 'float32';

/** The content of a version's file, held to the hashes of its reference. @throws FloeError */
const decodeVersion = (
  file: Uint8Array,
  manifest: Manifest,
  { model, stateTensors }: SealedModel,
): ModelContent => {
  const { manifest: found, flat } = decodeSafetensors(file);
  const count = manifest.tensors.length;
  const extra = found.tensors.slice(count);
  if (!extra.every(isState) || extra.length > 0 !== (model.state !== undefined))
    throw new FloeError(
      'tensor_mismatch',
      `expected ${count} tensors${model.state === undefined ? '' : ' and a state'}, got ${found.tensors.length}`,
    );
  matchManifest({ tensors: manifest.tensors }, { tensors: found.tensors.slice(0, count) });
  if (stateTensors !== undefined) matchManifest({ tensors: stateTensors }, { tensors: extra });
  const size = parameterCount(manifest);
  // Of a file with a state a view would keep both in memory.
  const weights = extra.length === 0 ? flat : flat.slice(0, size);
  const state = extra.length === 0 ? NO_STATE : flat.slice(size);
  const isNamed =
    equalBytes(hashModel(manifest, weights), model.hash) &&
    (model.state === undefined || equalBytes(hashState(extra, state), model.state));
  if (!isNamed)
    throw new FloeError(
      'verification_failed',
      'the model in the blob is not the one that the record names',
    );
  return { weights, state };
};

/**
 * With the key of the blob. @throws FloeError `decryption_failed`, `tensor_mismatch`,
 * `verification_failed`...
 */
export const decryptModel = async (
  input: SealedModel & { readonly key: Uint8Array },
  manifest: Manifest,
): Promise<ModelContent> => {
  if (input.key.length !== 32)
    throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${input.key.length}`);
  const file = await decryptBlob(input.key, purposeOf(input), input.cipher);
  return decodeVersion(file, manifest, input);
};

/**
 * Opens an encrypted version and checks that it is the one that its hashes name.
 * @throws FloeError
 */
export const openVersion = async (
  input: SealedModel,
  manifest: Manifest,
  gate: AccessGate,
): Promise<ModelContent> => {
  const key = await gate.unwrap(input.model.envelope, purposeOf(input));
  return decryptModel({ ...input, key }, manifest);
};

/** The same for whoever wants the parameters alone. @throws FloeError */
export const openModel = async (
  input: SealedModel,
  manifest: Manifest,
  gate: AccessGate,
): Promise<Float32Array> => (await openVersion(input, manifest, gate)).weights;
