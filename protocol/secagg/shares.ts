/**
 * @module The Share message (Bonawitz et al. 2017, round 1): a participant splits its two secrets
 * over its holders, commits to the self secret and to every share by hash, and seals each
 * holder's two shares to it with AES-256-GCM; to each higher one it also sends the wrapped key of
 * their pair mask. A receiver opens its entries at once: one that does not open or does not match
 * names the one who made it, and is answered with a complaint (complaint.ts).
 *
 * The nonce is zero. That is sound because a sealing key encrypts one plaintext only: each entry
 * has its own encapsulation.
 */
import { compareBytes, concatBytes, equalBytes, sha256, toHex, utf8 } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { RandomSource } from '../ports/random.ts';
import { holderPlace, holdersOf, indexOf } from './cohort.ts';
import type { Cohort, Id } from './cohort.ts';
import type { AttemptKeyPairs } from './keys.ts';
import {
  pairKey,
  pairSeed,
  sealingKey,
  unwrapPairKey,
  wrapPairKey,
  type WrappedPairKey,
} from './pairs.ts';
import type { Party } from './party.ts';
import { GCM_TAG_BYTES, MLKEM_CIPHERTEXT_BYTES } from './primitives/index.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';
import {
  commitSecret,
  commitShare,
  SECRET_BYTES,
  secretBytes,
  SELF_SECRET_BYTES,
  shareBytes,
  type ShareKind,
} from './secrets.ts';
import { split } from './shamir.ts';

/** What a recipient holds of one author. Never reveal both. */
export interface SharePair {
  /** 65 bytes. */
  readonly self: Uint8Array;
  /** 33 bytes. */
  readonly key: Uint8Array;
}

/**
 * What travels: the commitment to b || e goes into the signed record, with the root over the
 * {@link entryHash} of every entry.
 */
export interface ShareMessage {
  readonly author: Id;
  /** {@link commitSecret} of b || e, 32 bytes. */
  readonly commitment: Uint8Array;
  /** One for each holder of the author's shares, by place, of {@link entryBytes}. */
  readonly entries: readonly Uint8Array[];
}

/** An entry taken apart. */
export interface ShareEntry {
  /** The key of the pair mask; exactly where the author is the lower of the two. */
  readonly wrapped: WrappedPairKey | undefined;
  /** ML-KEM-768 ciphertext to the sealing key, 1088 bytes; empty in the author's own entry. */
  readonly kem: Uint8Array;
  /** AES-256-GCM of the two shares, 114 bytes; empty in the author's own entry. */
  readonly ciphertext: Uint8Array;
  /** {@link commitShare} of the two shares. */
  readonly commitments: { readonly self: Uint8Array; readonly key: Uint8Array };
}

const SELF_SHARE_BYTES = shareBytes('self');
const PLAIN_BYTES = SELF_SHARE_BYTES + shareBytes('key');
const SEALED_BYTES = PLAIN_BYTES + GCM_TAG_BYTES;
const WRAPPED_BYTES = MLKEM_CIPHERTEXT_BYTES + 2 * HASH_BYTES;
const COMMITMENT_BYTES = 2 * HASH_BYTES;

/**
 * Length of the entry of `author` for `recipient`: [KEM || wrap || commitment of the pair key] ||
 * KEM || sealed shares || commitments of the self and the key share. The bracket is there where the
 * author is the lower of the two; its own entry holds only the last two commitments, so that its
 * own shares are checked like all others.
 */
export const entryBytes = (author: Id, recipient: Id): number => {
  const order = compareBytes(author, recipient);
  if (order === 0) return COMMITMENT_BYTES;
  const base = MLKEM_CIPHERTEXT_BYTES + SEALED_BYTES + COMMITMENT_BYTES;
  return order < 0 ? WRAPPED_BYTES + base : base;
};

const hashOfParts = (head: Uint8Array, commitments: Uint8Array): Uint8Array =>
  sha256(utf8('floe/secagg/entry/v1'), head, commitments);

const headBytes = (entry: Uint8Array): number => Math.max(0, entry.length - COMMITMENT_BYTES);

/**
 * {@link entryHash} of an entry of which all but its two commitments is known by its SHA-256 only.
 */
export const entryHashOf = (head: Uint8Array, commitments: ShareEntry['commitments']): Uint8Array =>
  hashOfParts(head, concatBytes(commitments.self, commitments.key));

/** SHA-256 of all of an entry but its two commitments. */
export const entryHead = (entry: Uint8Array): Uint8Array =>
  sha256(entry.subarray(0, headBytes(entry)));

/**
 * The hash of an entry that its author signs, of two levels: the two commitments can be shown to be
 * in it without what is sealed.
 * @param entry of any length
 */
export const entryHash = (entry: Uint8Array): Uint8Array =>
  hashOfParts(entryHead(entry), entry.subarray(headBytes(entry)));

/**
 * Takes an entry apart. @throws FloeError `share_invalid` naming the author, unless it has the one
 * right length
 */
export const parseEntry = (author: Id, recipient: Id, entry: Uint8Array): ShareEntry => {
  const expected = entryBytes(author, recipient);
  if (!(entry instanceof Uint8Array) || entry.length !== expected)
    throw new FloeError(
      'share_invalid',
      `expected an entry of ${expected} bytes, got ${entry?.length}`,
      { author: toHex(author), recipient: toHex(recipient) },
    );
  let at = 0;
  const take = (length: number): Uint8Array => entry.subarray(at, (at += length));
  const order = compareBytes(author, recipient);
  const wrapped =
    order < 0
      ? { kem: take(MLKEM_CIPHERTEXT_BYTES), wrap: take(HASH_BYTES), commitment: take(HASH_BYTES) }
      : undefined;
  const kem = take(order === 0 ? 0 : MLKEM_CIPHERTEXT_BYTES);
  const ciphertext = take(order === 0 ? 0 : SEALED_BYTES);
  return {
    wrapped,
    kem,
    ciphertext,
    commitments: { self: take(HASH_BYTES), key: take(HASH_BYTES) },
  };
};

/**
 * Checks a Share message on arrival: author in the cohort, one entry of the right length for each
 * holder.
 * @throws FloeError `not_in_cohort`, `share_invalid`.
 */
export const validateShareMessage = (cohort: Cohort, message: ShareMessage): void => {
  const holders = holdersOf(cohort, message.author);
  const author = toHex(message.author);
  if (message.entries.length !== holders.length)
    throw new FloeError(
      'share_invalid',
      `expected ${holders.length} entries, got ${message.entries.length}`,
      { author },
    );
  if (message.commitment.length !== HASH_BYTES)
    throw new FloeError('share_invalid', 'expected a commitment of 32 bytes', { author });
  for (const [place, entry] of message.entries.entries())
    parseEntry(message.author, holders[place]!.id, entry);
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
  share.length === shareBytes(kind) &&
  share[secretBytes(kind)] === (holderPlace(cohort, author, recipient) ?? Infinity) + 1 &&
  equalBytes(commitShare(context, author, kind, share), commitments[kind]);

const associated = (context: Uint8Array, from: Id, to: Id): Uint8Array =>
  concatBytes(utf8('floe/secagg/share/v1'), context, from, to);

export interface MakeSharesInit {
  readonly party: Party;
  /** b || e: 64 bytes; b from a CSPRNG, used in this attempt only. */
  readonly selfSecret: Uint8Array;
  /** A CSPRNG, for the polynomials. */
  readonly random: RandomSource;
}

/**
 * The Share message of a party, and the pair of shares it keeps for itself.
 * @throws FloeError `key_invalid`, `context_mismatch` for malformed inputs.
 */
export const makeShares = async ({
  party,
  selfSecret,
  random,
}: MakeSharesInit): Promise<{ readonly message: ShareMessage; readonly own: SharePair }> => {
  const { context, cohort, self, index: ownIndex, sigma, primitives } = party;
  requireBytes(sigma, SECRET_BYTES, 'key_invalid', 'sigma');
  requireBytes(selfSecret, SELF_SECRET_BYTES, 'key_invalid', 'self secret');
  const threshold = cohort.topology.thresholds[ownIndex]!;
  const holders = cohort.topology.holders[ownIndex]!;
  const selfShares = split(selfSecret, holders.length, threshold, random);
  const keyShares = split(sigma, holders.length, threshold, random);
  const entries: Uint8Array[] = [];
  for (const [place, index] of holders.entries()) {
    const peer = cohort.members[index]!;
    const shares = { self: selfShares[place]!, key: keyShares[place]! };
    const commitments = [
      commitShare(context, self, 'self', shares.self),
      commitShare(context, self, 'key', shares.key),
    ];
    if (index === ownIndex) {
      entries.push(concatBytes(...commitments));
      continue;
    }
    const parts: Uint8Array[] = [];
    if (ownIndex < index) {
      const key = pairKey(sigma, context, self, peer.id, primitives);
      const { kem, wrap, commitment } = wrapPairKey(key, context, self, peer, primitives);
      parts.push(kem, wrap, commitment);
    }
    const { ciphertext, secret } = peer.seal.kem().encapsulate();
    const key = sealingKey(party.sealPoint(index), secret, context, self, peer.id, primitives);
    const plain = concatBytes(shares.self, shares.key);
    const sealed = await primitives.seal(key, associated(context, self, peer.id), plain);
    entries.push(concatBytes(...parts, ciphertext, sealed, ...commitments));
  }
  return {
    message: { author: self, commitment: commitSecret(context, self, selfSecret), entries },
    own: {
      self: selfShares[holders.indexOf(ownIndex)]!,
      key: keyShares[holders.indexOf(ownIndex)]!,
    },
  };
};

/**
 * The two shares in an entry, opened with the recipient's sealing keys; undefined where they do not
 * open or do not match their commitments. Also how everybody judges a complaint.
 * @param point X25519 of the sealing keys of author and recipient
 */
export const unsealShares = async (init: {
  readonly seal: Pick<AttemptKeyPairs, 'kem' | 'primitives'>;
  readonly point: Uint8Array;
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  readonly author: Id;
  readonly recipient: Id;
  readonly entry: ShareEntry;
}): Promise<SharePair | undefined> => {
  const { seal, point, context, cohort, author, recipient, entry } = init;
  const secret = seal.kem.decapsulate(entry.kem);
  const key = sealingKey(point, secret, context, author, recipient, seal.primitives);
  const aad = associated(context, author, recipient);
  const plain = await seal.primitives.open(key, aad, entry.ciphertext);
  if (plain === undefined) return undefined;
  const pair = { self: plain.slice(0, SELF_SHARE_BYTES), key: plain.slice(SELF_SHARE_BYTES) };
  const good = (['self', 'key'] as const).every((kind) =>
    shareMatches(context, cohort, author, recipient, kind, pair[kind], entry.commitments),
  );
  return good ? pair : undefined;
};

/** What is kept of one author's entry once it is opened: nothing of the entry is needed again. */
export interface OpenedEntry extends SharePair {
  readonly author: Id;
  /** Seed of the pair mask with the author, 32 bytes. */
  readonly seed: Uint8Array;
}

/**
 * Opens and checks the entry that `author` made for the party, and makes the seed of their pair
 * mask.
 * @param entry the caller has checked that the author's signed record holds it
 * @throws FloeError `share_invalid` naming the author, with `about` `sealed` or `pair`: complain,
 * do not upload; `not_in_cohort`
 */
export const openEntry = async (
  party: Party,
  author: Id,
  entry: Uint8Array,
): Promise<OpenedEntry> => {
  const { context, cohort, self, sigma, mask, seal, primitives } = party;
  const index = indexOf(cohort, author);
  const parsed = parseEntry(author, self, entry);
  const bad = (about: 'sealed' | 'pair', message: string): FloeError =>
    new FloeError('share_invalid', message, {
      author: toHex(author),
      recipient: toHex(self),
      about,
    });
  if (!cohort.topology.neighbours[party.index]!.includes(index))
    throw bad('sealed', 'expected the entry of a neighbour');
  const pair = await unsealShares({
    seal,
    point: party.sealPoint(index),
    context,
    cohort,
    author,
    recipient: self,
    entry: parsed,
  });
  if (pair === undefined)
    throw bad('sealed', 'the sealed shares do not open, or not to what was committed to');
  const key =
    parsed.wrapped === undefined
      ? pairKey(sigma, context, self, author, primitives)
      : unwrapPairKey(parsed.wrapped, mask.kem, context, author, self, primitives);
  if (key === undefined)
    throw bad('pair', 'the wrapped pair key is not the one that was committed to');
  const seed = pairSeed(party.maskPoint(index), key, context, self, author, primitives);
  return { author, ...pair, seed };
};
