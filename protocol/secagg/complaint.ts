/**
 * @module A complaint: a receiver whose entry does not open or does not match proves it to everybody, before any upload counts.
 * It reveals the secret of the key pair that the entry was made for; everybody derives the keys, compares them with Register,
 * opens the entry that the accused signed, and sees who lied. The attempt then ends, so what was revealed protects nothing
 * more: one share of each secret, and no upload under these masks is ever opened.
 *
 * `sealed`: the shares do not open; c, the secret of the sealing keys, is revealed. `pair`: the wrapped pair key is not the
 * committed one; the ML-KEM seed of the masking key is revealed, and X25519 still protects the masks.
 */
import { compareBytes, equalBytes, sha256 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { findIndex, type Cohort, type Id } from './cohort.ts';
import { deriveKeys } from './keys.ts';
import { unwrapPairKey } from './pairs.ts';
import { KEY_BYTES, MLKEM_SEED_BYTES } from './primitives/index.ts';
import { parseEntry, unsealShares, type ShareEntry } from './shares.ts';

export type ComplaintKind = 'sealed' | 'pair';

export interface Complaint {
  /** Who received the entry. */
  readonly complainer: Id;
  /** Who made it. */
  readonly accused: Id;
  readonly kind: ComplaintKind;
  readonly entry: Uint8Array;
  /** c (32 bytes) for `sealed`, the seed of the masking key's ML-KEM half (64 bytes) for `pair`. */
  readonly secret: Uint8Array;
}

/**
 * `author`: the entry is bad, its author lied. `complainer`: the entry is good. `invalid`: this proves nothing about the
 * accused: not the entry it signed, or not the secret of the registered keys; the complainer signed nonsense.
 */
export type Verdict = 'author' | 'complainer' | 'invalid';

/**
 * Who lied, by what everybody can check.
 * @param committed SHA-256 of the entry as the accused's signed share record has it for the complainer
 */
export const judgeComplaint = async (
  context: Uint8Array,
  cohort: Cohort,
  { complainer, accused, kind, entry, secret }: Complaint,
  committed: Uint8Array,
): Promise<Verdict> => {
  const to = findIndex(cohort, complainer);
  const from = findIndex(cohort, accused);
  if (to === undefined || from === undefined || to === from) return 'invalid';
  if (!equalBytes(sha256(entry), committed)) return 'invalid';
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
  if (secret.length !== KEY_BYTES) return 'invalid';
  const seal = deriveKeys(secret, 'seal', primitives);
  const { x25519, mlkem } = recipient.seal.raw;
  if (!equalBytes(seal.public.x25519, x25519) || !equalBytes(seal.public.mlkem, mlkem))
    return 'invalid';
  const point = seal.point.agree(author.seal.point());
  const opened = await unsealShares({
    seal,
    point,
    context,
    cohort,
    author: accused,
    recipient: complainer,
    entry: parsed,
  });
  return opened === undefined ? 'author' : 'complainer';
};
