/**
 * @module The hash that names a model in records, contexts and transcripts.
 */
import { sha256, utf8 } from '../bytes.ts';
import { checkLength } from './flat.ts';
import { float32ToBytes } from './floats.ts';
import { canonicalManifest, type Manifest } from './manifest.ts';

/** Domain tag; the zero byte ends it. */
const MODEL_TAG = utf8('floe/model/v1\0');

/**
 * SHA-256 over tag || u32le length of the manifest || canonical manifest || little-endian float32
 * values. The length makes the input unambiguous. Values count by their bits: 0 and -0 differ.
 *
 * @returns 32 bytes
 * @throws FloeError `tensor_mismatch` when `flat` has another length than the manifest says
 */
export const hashModel = (manifest: Manifest, flat: Float32Array): Uint8Array => {
  checkLength(manifest, flat);
  const text = utf8(canonicalManifest(manifest));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return sha256(MODEL_TAG, length, text, float32ToBytes(flat));
};
