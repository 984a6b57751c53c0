/**
 * @module A complaint: a receiver whose entry does not open or does not match proves it to
 * everybody, before any upload counts. It reveals half of the keys that the entry was made for;
 * everybody compares it with Register, opens the entry that the accused signed, and sees which
 * member lied. The attempt then ends.
 *
 * `sealed`: the shares do not open; the ML-KEM seed of the sealing keys is revealed, and what their
 * X25519 half and that of the accused agree on, with a proof (shown-point.ts). `pair`: the wrapped
 * pair key is not the committed one; the ML-KEM seed of the masking key is revealed. The other
 * entries and masks stay behind X25519. They have to: the author of one bad entry may have made
 * many, and if each complaint opened all entries of its author, t of them would open the updates of
 * everybody who has uploaded meanwhile. A coordinator that keeps all and has a quantum computer
 * later can still open them.
 */
import { compareBytes, concatBytes, equalBytes } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { findIndex, type Cohort, type Id } from './cohort.ts';
import { showsEntry, type SignedEntries } from './entry-tree.ts';
import { placeOf } from './graph.ts';
import { kemSeed, pointSecret, type PublicKeys } from './keys.ts';
import { unwrapPairKey } from './pairs.ts';
import { MLKEM_SEED_BYTES, platformPrimitives, type Primitives } from './primitives/index.ts';
import { entryHash, parseEntry, unsealShares, type ShareEntry } from './shares.ts';
import { canBeShown, readShownPoint, SHOWN_POINT_BYTES, showPoint } from './shown-point.ts';

export type ComplaintKind = 'sealed' | 'pair';

export interface Complaint {
  /** The member that received the entry. */
  readonly complainer: Id;
  /** The member that made it. */
  readonly accused: Id;
  readonly kind: ComplaintKind;
  readonly entry: Uint8Array;
  /** From the entry to the root that the accused signed, see entry-tree.ts. */
  readonly path: Uint8Array;
  /** From {@link complaintSecret}: 160 bytes for `sealed`, 64 for `pair`. */
  readonly secret: Uint8Array;
}

/**
 * `author`: the entry is bad, its author lied. `complainer`: the entry is good. `invalid`: this
 * proves nothing about the accused: not the entry it signed, or not the secret of the registered
 * keys; the complainer signed nonsense.
 */
export type Verdict = 'author' | 'complainer' | 'invalid';

/** Bytes of what a complaint over sealed shares reveals. */
export const SEALED_SECRET_BYTES = MLKEM_SEED_BYTES + SHOWN_POINT_BYTES;

/**
 * What a complaint reveals.
 * @param own secrets of this attempt @param seal the accused's public sealing keys
 */
export const complaintSecret = (
  kind: ComplaintKind,
  own: { readonly sigma: Uint8Array; readonly seal: Uint8Array },
  { x25519 }: PublicKeys,
  primitives: Primitives = platformPrimitives,
): Uint8Array => {
  if (kind === 'pair') return kemSeed(own.sigma, 'mask', primitives);
  const scalar = pointSecret(own.seal, 'seal', primitives);
  const { publicKey } = primitives.pointPair(scalar);
  // With a key that no secret gives, the accused has lied already.
  const shown = showPoint(scalar, publicKey, x25519) ?? new Uint8Array(SHOWN_POINT_BYTES);
  return concatBytes(kemSeed(own.seal, 'seal', primitives), shown);
};

/**
 * Returns the member that lied, from publicly checkable evidence.
 * @param signed what the accused's share record says of its entries
 */
export const judgeComplaint = async (
  context: Uint8Array,
  cohort: Cohort,
  { complainer, accused, kind, entry, path, secret }: Complaint,
  signed: SignedEntries,
): Promise<Verdict> => {
  const to = findIndex(cohort, complainer);
  const from = findIndex(cohort, accused);
  if (to === undefined || from === undefined || to === from) return 'invalid';
  const place = placeOf(cohort.topology, from, to);
  if (place === undefined || signed.size !== cohort.topology.holders[from]!.length)
    return 'invalid';
  if (!showsEntry({ context, author: accused }, signed, place, entryHash(entry), path))
    return 'invalid';
  const [recipient, author] = [cohort.members[to]!, cohort.members[from]!];
  const { primitives } = cohort;
  let parsed: ShareEntry;
  try {
    parsed = parseEntry(accused, complainer, entry);
  } catch (thrown) {
    // The accused signed the hash of something that is no entry.
    if (thrown instanceof FloeError && thrown.code === 'share_invalid') return 'author';
    throw thrown;
  }
  if (kind === 'pair') {
    if (secret.length !== MLKEM_SEED_BYTES || compareBytes(accused, complainer) >= 0)
      return 'invalid';
    const kem = primitives.kemPair(secret);
    if (!equalBytes(kem.publicKey, recipient.mask.raw.mlkem)) return 'invalid';
    const { wrapped } = parsed;
    if (wrapped === undefined) return 'invalid';
    const key = unwrapPairKey(wrapped, kem, context, accused, complainer, primitives);
    return key === undefined ? 'author' : 'complainer';
  }
  if (secret.length !== SEALED_SECRET_BYTES) return 'invalid';
  const kem = primitives.kemPair(secret.subarray(0, MLKEM_SEED_BYTES));
  const { x25519, mlkem } = recipient.seal.raw;
  if (!equalBytes(kem.publicKey, mlkem)) return 'invalid';
  if (!canBeShown(author.seal.raw.x25519)) return 'author';
  const shown = secret.subarray(MLKEM_SEED_BYTES);
  const point = readShownPoint(shown, x25519, author.seal.raw.x25519);
  if (point === undefined) return 'invalid';
  const opened = await unsealShares({
    seal: { kem, primitives },
    point,
    context,
    cohort,
    author: accused,
    recipient: complainer,
    entry: parsed,
  });
  return opened === undefined ? 'author' : 'complainer';
};
