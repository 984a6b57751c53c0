/**
 * @module The Share message (Bonawitz et al. 2017, round 1): a participant splits its two secrets
 * over the cohort, commits to the self-mask secret and to every share by hash, and seals each
 * member's two shares to it with AES-256-GCM. A share that does not open or does not match names
 * the one who made it.
 *
 * The nonce is zero. That is sound because a sealing key encrypts one plaintext only: it is bound
 * to (author, recipient, context) and to the hashes of the very two shares it seals, so a
 * participant that restarts and shares afresh under the same sigma gets other keys, never the same
 * key with another plaintext.
 */
import { concatBytes, equalBytes, sha256, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { RandomSource } from '../random.ts';
import { HASH_BYTES, indexOf, memberOf, requireBytes } from './cohort.ts';
import type { Cohort, Id } from './cohort.ts';
import { agree, decapsulate, encapsulate, hkdf, MLKEM_CIPHERTEXT_BYTES } from './keys.ts';
import type { RoundKeys } from './keys.ts';
import { sealingKey } from './pairs.ts';
import { SECRET_BYTES, SHARE_BYTES, split } from './shamir.ts';

/**
 * `self`: a share of b, the self-mask secret. `key`: a share of sigma, from which the keys and pair
 * masks derive.
 */
export type ShareKind = 'self' | 'key';

/** What a recipient holds of one author, 33 bytes each. Never reveal both. */
export interface SharePair {
  readonly self: Uint8Array;
  readonly key: Uint8Array;
}

/**
 * What travels: the commitment to b goes into the signed record, with the SHA-256 of every entry.
 */
export interface ShareMessage {
  readonly author: Id;
  /** {@link commitSecret} of b, 32 bytes. */
  readonly commitment: Uint8Array;
  /**
   * One for each member, in cohort order: {@link ENTRY_BYTES}, for the author itself {@link
   * OWN_ENTRY_BYTES}.
   */
  readonly entries: readonly Uint8Array[];
}

/** An entry taken apart. */
export interface ShareEntry {
  /** ML-KEM-768 ciphertext, 1088 bytes; empty in the author's own entry. */
  readonly kem: Uint8Array;
  /** AES-256-GCM of the two shares, 82 bytes; empty in the author's own entry. */
  readonly ciphertext: Uint8Array;
  /** {@link commitShare} of the two shares. */
  readonly commitments: { readonly self: Uint8Array; readonly key: Uint8Array };
}

const SEALED_BYTES = 2 * SHARE_BYTES + 16;
/** kem || ciphertext || commitment of the self share || commitment of the key share. */
export const ENTRY_BYTES = MLKEM_CIPHERTEXT_BYTES + SEALED_BYTES + 2 * HASH_BYTES;
/**
 * The author's own entry holds only the two commitments: its own shares are checked like all
 * others.
 */
export const OWN_ENTRY_BYTES = 2 * HASH_BYTES;

/**
 * SHA-256 commitment to the self-mask secret b of `author`; hiding because b is 32 uniform bytes.
 */
export const commitSecret = (context: Uint8Array, author: Id, secret: Uint8Array): Uint8Array =>
  sha256(utf8('floe/secagg/commit-secret/v1'), context, author, secret);

/** SHA-256 commitment to one share; binds whose it is, for whom, and of which kind. */
export const commitShare = (
  context: Uint8Array,
  author: Id,
  recipient: Id,
  kind: ShareKind,
  share: Uint8Array,
): Uint8Array =>
  sha256(utf8(`floe/secagg/commit-share/${kind}/v1`), context, author, recipient, share);

/**
 * Seed of the self mask: PRG(b) bound to the context, so that even a b used twice would not give
 * one mask twice.
 */
export const selfMaskSeed = (context: Uint8Array, author: Id, secret: Uint8Array): Uint8Array => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  requireBytes(secret, SECRET_BYTES, 'key_invalid', 'self-mask secret');
  return hkdf(secret, context, concatBytes(utf8('floe/secagg/self/v1'), author), HASH_BYTES);
};

/**
 * Takes an entry apart. @throws FloeError `share_invalid` naming the author, unless it has the one
 * right length.
 */
export const parseEntry = (author: Id, recipient: Id, entry: Uint8Array): ShareEntry => {
  const own = equalBytes(author, recipient);
  const expected = own ? OWN_ENTRY_BYTES : ENTRY_BYTES;
  if (!(entry instanceof Uint8Array) || entry.length !== expected)
    throw new FloeError(
      'share_invalid',
      `expected an entry of ${expected} bytes, got ${entry?.length}`,
      { author: toHex(author), recipient: toHex(recipient) },
    );
  const kemEnd = own ? 0 : MLKEM_CIPHERTEXT_BYTES;
  const sealedEnd = own ? 0 : kemEnd + SEALED_BYTES;
  return {
    kem: entry.subarray(0, kemEnd),
    ciphertext: entry.subarray(kemEnd, sealedEnd),
    commitments: {
      self: entry.subarray(sealedEnd, sealedEnd + HASH_BYTES),
      key: entry.subarray(sealedEnd + HASH_BYTES),
    },
  };
};

/**
 * Checks a Share message on arrival: author in the cohort, one entry of the right length for each
 * member.
 * @throws FloeError `not_in_cohort`, `share_invalid`.
 */
export const validateShareMessage = (cohort: Cohort, message: ShareMessage): void => {
  indexOf(cohort, message.author);
  const n = cohort.members.length;
  const author = toHex(message.author);
  if (message.entries.length !== n)
    throw new FloeError('share_invalid', `expected ${n} entries, got ${message.entries.length}`, {
      author,
    });
  if (message.commitment.length !== HASH_BYTES)
    throw new FloeError('share_invalid', 'expected a commitment of 32 bytes', { author });
  for (const [index, entry] of message.entries.entries())
    parseEntry(message.author, cohort.members[index]!.id, entry);
};

/**
 * Whether `share` is the one that `author` committed to for `recipient`, at the recipient's point.
 */
export const shareMatches = (
  context: Uint8Array,
  cohort: Cohort,
  author: Id,
  recipient: Id,
  kind: ShareKind,
  share: Uint8Array,
  commitments: ShareEntry['commitments'],
): boolean =>
  share instanceof Uint8Array &&
  share.length === SHARE_BYTES &&
  share[SECRET_BYTES] === indexOf(cohort, recipient) + 1 &&
  equalBytes(commitShare(context, author, recipient, kind, share), commitments[kind]);

const gcm = (context: Uint8Array, from: Id, to: Id) => ({
  name: 'AES-GCM',
  iv: new Uint8Array(12),
  additionalData: new Uint8Array(concatBytes(utf8('floe/secagg/share/v1'), context, from, to)),
});

const importKey = async (key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> =>
  globalThis.crypto.subtle.importKey('raw', new Uint8Array(key), 'AES-GCM', false, [usage]);

export interface MakeSharesInit {
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  readonly self: Id;
  /** The 32-byte secret that `keys` were derived from. */
  readonly sigma: Uint8Array;
  readonly keys: RoundKeys;
  /** b: 32 bytes from a CSPRNG, used in this round only. */
  readonly selfSecret: Uint8Array;
  /** A CSPRNG, for the polynomials. */
  readonly random: RandomSource;
}

/**
 * The Share message of `self`, and the pair of shares it keeps for itself.
 * @throws FloeError `not_in_cohort`, `key_invalid`, `context_mismatch` for malformed inputs.
 */
export const makeShares = async ({
  context,
  cohort,
  self,
  sigma,
  keys,
  selfSecret,
  random,
}: MakeSharesInit): Promise<{ readonly message: ShareMessage; readonly own: SharePair }> => {
  requireBytes(context, HASH_BYTES, 'context_mismatch', 'context');
  requireBytes(sigma, SECRET_BYTES, 'key_invalid', 'sigma');
  requireBytes(selfSecret, SECRET_BYTES, 'key_invalid', 'self-mask secret');
  const ownIndex = indexOf(cohort, self);
  const n = cohort.members.length;
  const selfShares = split(selfSecret, n, cohort.threshold, random);
  const keyShares = split(sigma, n, cohort.threshold, random);
  const entries: Uint8Array[] = [];
  for (const [index, peer] of cohort.members.entries()) {
    const pair = concatBytes(selfShares[index]!, keyShares[index]!);
    const commitments = {
      self: commitShare(context, self, peer.id, 'self', selfShares[index]!),
      key: commitShare(context, self, peer.id, 'key', keyShares[index]!),
    };
    if (index === ownIndex) {
      entries.push(concatBytes(commitments.self, commitments.key));
      continue;
    }
    const point = agree(keys.x25519Secret, peer.keys.x25519);
    const { ciphertext: kem, secret } = encapsulate(keys, context, self, peer);
    const key = sealingKey({ point, kem: secret }, context, self, peer.id, commitments);
    const sealed = await globalThis.crypto.subtle.encrypt(
      gcm(context, self, peer.id),
      await importKey(key, 'encrypt'),
      new Uint8Array(pair),
    );
    entries.push(concatBytes(kem, new Uint8Array(sealed), commitments.self, commitments.key));
  }
  return {
    message: { author: self, commitment: commitSecret(context, self, selfSecret), entries },
    own: { self: selfShares[ownIndex]!, key: keyShares[ownIndex]! },
  };
};

export interface OpenShareInit {
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  readonly self: Id;
  readonly keys: RoundKeys;
  readonly author: Id;
  /**
   * The author's entry for `self`; the caller has checked its hash against the author's signed
   * record.
   */
  readonly entry: Uint8Array;
}

/**
 * Opens and checks the two shares that `author` made for `self`. A participant whose peer's entry
 * does not open must not upload a vector masked with that peer: it reports the author, and the
 * round goes on without one of the two.
 * @throws FloeError `share_invalid` naming the author; `not_in_cohort`.
 */
export const openShare = async ({
  context,
  cohort,
  self,
  keys,
  author,
  entry,
}: OpenShareInit): Promise<SharePair> => {
  const peer = memberOf(cohort, author);
  const { kem, ciphertext, commitments } = parseEntry(author, self, entry);
  const named = { author: toHex(author), recipient: toHex(self) };
  if (kem.length === 0)
    throw new FloeError(
      'share_invalid',
      'expected the entry of another member, got the own',
      named,
    );
  const point = agree(keys.x25519Secret, peer.keys.x25519);
  const secret = { point, kem: decapsulate(keys, kem) };
  const key = sealingKey(secret, context, author, self, commitments);
  let opened: Uint8Array;
  try {
    const plain = await globalThis.crypto.subtle.decrypt(
      gcm(context, author, self),
      await importKey(key, 'decrypt'),
      new Uint8Array(ciphertext),
    );
    opened = new Uint8Array(plain);
  } catch (cause) {
    throw new FloeError('share_invalid', 'the sealed shares do not open', named, { cause });
  }
  const pair = { self: opened.slice(0, SHARE_BYTES), key: opened.slice(SHARE_BYTES) };
  for (const kind of ['self', 'key'] as const)
    if (!shareMatches(context, cohort, author, self, kind, pair[kind], commitments))
      throw new FloeError(
        'share_invalid',
        `the ${kind} share does not match its commitment`,
        named,
      );
  return pair;
};
