/**
 * @module The local AccessGate: the key in one libsodium sealed box per reader. No server, no
 * chain; who is not on the list finds no box that opens.
 */
import { concatBytes, equalBytes, toHex } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import { sealTo, type Identity } from './identity.ts';
import { purposeHash, type AccessGate } from './access-gate.ts';
import { boxesSchema, MAX_ENVELOPE_BYTES, MAX_READERS } from '../model/key-envelopes.ts';

/** Each once, in the order given: one identity may be reader for two reasons. */
const distinct = (readers: readonly Uint8Array[]): readonly Uint8Array[] => [
  ...new Map(readers.map((reader) => [toHex(reader), reader])).values(),
];

export const sealedBoxGate = (identity: Identity): AccessGate => ({
  kind: 'sealed-box',
  policies: false,
  reader: identity.publicKey,
  wrap: async (key, purpose, wanted) => {
    const readers = distinct(wanted);
    if (key.length !== 32)
      throw new FloeError('key_invalid', `expected a key of 32 bytes, got ${key.length}`);
    if (readers.length > MAX_READERS)
      throw new FloeError(
        'envelope_malformed',
        `expected at most ${MAX_READERS} readers, got ${readers.length}`,
      );
    // A sealed box has no associated data, so the purpose travels inside, next to the key.
    const plain = concatBytes(key, purposeHash(purpose));
    return encodeCbor({
      v: 1,
      boxes: readers.map((reader) => ({ reader, box: sealTo(reader, plain) })),
    });
  },
  unwrap: async (envelope, purpose) => {
    const { boxes } = decodeCbor(boxesSchema, envelope, 'envelope_malformed', MAX_ENVELOPE_BYTES);
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
        `the key was not wrapped as ${purpose.role} of attempt ${purpose.attempt}`,
      );
    return plain.slice(0, 32);
  },
});
