/**
 * @module Records of other versions of Floe. What a signature covers begins with the version, so
 * the signature tells it, whatever the fields of that version are.
 */
import * as v from 'valibot';
import { ownBytes } from '../bytes.ts';
import { decodeCbor, fixedBytes } from '../wire/cbor.ts';
import { outdated } from '../wire/versioned.ts';
import { openCose, verifyCose } from './cose.ts';
import { MAX_RECORD_BYTES, RECORD_VERSION, recordContext } from './records.ts';
import { ENTRY_PREFIX } from './transcript.ts';

/** Versions after the own one that are looked for. */
const AHEAD = 8;
const BUDGET = { elements: 1 << 16, depth: 32 };
const authorSchema = v.object({ author: fixedBytes(32) });

/** The version that the author has signed, where the bytes are a record of any. */
const versionOf = (bytes: Uint8Array): number | undefined => {
  try {
    const cose = openCose(bytes, 'record_malformed');
    const { author } = decodeCbor(
      authorSchema,
      cose.payload,
      'record_malformed',
      MAX_RECORD_BYTES,
      BUDGET,
    );
    return Array.from({ length: RECORD_VERSION + AHEAD }, (_, i) => i + 1).find((version) =>
      verifyCose(cose, recordContext(version), author),
    );
  } catch {
    return undefined;
  }
};

/**
 * Whether the first record of a transcript is of the version that is read here; anything else that
 * is wrong with a transcript is for `decodeTranscript` to say.
 *
 * @throws FloeError `run_outdated`
 */
export const requireRecordVersion = (transcript: Uint8Array): void => {
  if (transcript.length < ENTRY_PREFIX) return;
  const { buffer, byteOffset } = transcript;
  const length = new DataView(buffer, byteOffset).getUint32(0, true);
  if (length > MAX_RECORD_BYTES) return;
  const found = versionOf(ownBytes(transcript.subarray(ENTRY_PREFIX, ENTRY_PREFIX + length)));
  if (found !== undefined && found !== RECORD_VERSION)
    throw outdated("the run's transcript", found, RECORD_VERSION);
};
