/**
 * @module The local AccessGate: the key in one libsodium sealed box per reader. No server, no chain; who is not on the list
 * finds no box that opens.
 */
import * as v from 'valibot';
import { concatBytes, equalBytes } from '../bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes } from '../cbor.ts';
import { FloeError } from '../errors.ts';
import { sealTo, type Identity } from '../identity.ts';
import { purposeHash, type AccessGate } from './access-gate.ts';

const MAX_READERS = 4096;
const envelopeSchema = v.strictObject({
  v: v.literal(1),
  boxes: v.pipe(
    v.array(v.strictObject({ reader: fixedBytes(32), box: bytesUpTo(128) })),
    v.maxLength(MAX_READERS),
  ),
});
const MAX_ENVELOPE_BYTES = 1 << 20;

export const sealedBoxGate = (identity: Identity): AccessGate => ({
  kind: 'sealed-box',
  policies: false,
  wrap: async (key, purpose, readers) => {
    if (key.length !== 32)
      throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${key.length}`);
    if (readers.length > MAX_READERS)
      throw new FloeError(
        'envelope_malformed',
        `expected at most ${MAX_READERS} readers, got ${readers.length}`,
      );
    // A sealed box has no associated data, so the purpose travels inside, beside the key.
    const plain = concatBytes(key, purposeHash(purpose));
    return encodeCbor({
      v: 1,
      boxes: readers.map((reader) => ({ reader, box: sealTo(reader, plain) })),
    });
  },
  unwrap: async (envelope, purpose) => {
    const { boxes } = decodeCbor(
      envelopeSchema,
      envelope,
      'envelope_malformed',
      MAX_ENVELOPE_BYTES,
    );
    const own = boxes.find((entry) => equalBytes(entry.reader, identity.publicKey));
    if (own === undefined)
      throw new FloeError(
        'access_denied',
        `${identity.address} is not among the ${boxes.length} readers`,
      );
    const plain = identity.openSealed(own.box);
    if (plain.length !== 64 || !equalBytes(plain.subarray(32), purposeHash(purpose)))
      throw new FloeError(
        'envelope_malformed',
        `the key was not wrapped as ${purpose.role} of round ${purpose.round}`,
      );
    return plain.slice(0, 32);
  },
});
