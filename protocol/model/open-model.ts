/**
 * @module Opening an encrypted model: the blob is decrypted, read as safetensors, and held against the hash of its parameters.
 */
import type { AccessGate } from '../ports/access-gate.ts';
import { equalBytes } from '../bytes.ts';
import { decryptBlob } from './envelope.ts';
import { FloeError } from '../errors.ts';
import type { ModelRef } from '../records/records.ts';
import { decodeSafetensors, hashModel, matchManifest } from './index.ts';

interface SealedModel {
  readonly run: Uint8Array;
  readonly model: ModelRef;
  readonly cipher: Uint8Array;
}

type Manifest = Parameters<typeof hashModel>[0];

const purposeOf = ({ run, model }: SealedModel) =>
  ({ run, round: model.version, role: 'model' }) as const;

/** With the key of the blob. @throws FloeError `decryption_failed`, `tensor_mismatch`, `verification_failed`... */
export const decryptModel = async (
  input: SealedModel & { readonly key: Uint8Array },
  manifest: Manifest,
): Promise<Float32Array> => {
  if (input.key.length !== 32)
    throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${input.key.length}`);
  const file = decodeSafetensors(await decryptBlob(input.key, purposeOf(input), input.cipher));
  matchManifest({ tensors: manifest.tensors }, file.manifest);
  if (!equalBytes(hashModel(manifest, file.flat), input.model.hash))
    throw new FloeError(
      'verification_failed',
      'the model in the blob is not the one that the record names',
    );
  return file.flat;
};

/** Opens an encrypted model and checks that it is the one its hash names. @throws FloeError */
export const openModel = async (
  input: SealedModel,
  manifest: Manifest,
  gate: AccessGate,
): Promise<Float32Array> => {
  const key = await gate.unwrap(input.model.envelope, purposeOf(input));
  return decryptModel({ ...input, key }, manifest);
};
