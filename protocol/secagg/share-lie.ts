/**
 * @module What shows everybody that the author of a Share record committed to what it did not
 * share, found when the sum is opened (specification, section 2.0, rule b). Nobody's word counts in
 * it: each value is bound by the root over its entries that the author signed, or by keys that a
 * member registered.
 *
 * `self`, `key`: t shares of one secret, each the one that the author committed to. Any t shares of
 * an honest author give its secret, so where they give another one, the author lied. `pair`: the
 * key of a pair mask is not the one that the author, the lower of the two, committed to: its own
 * sigma gives another, or the mask key of the higher one unwraps another. Of the higher one, which
 * may be honest, only the ML-KEM half is shown, as in a complaint.
 */
import { compareBytes, equalBytes, joinBytes } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { MAX_COHORT, MIN_COHORT } from '../spec/run-spec.ts';
import { findIndex, type Cohort, type Id } from './cohort.ts';
import {
  areEntryLeaves,
  entryLeaf,
  entryLeaves,
  entryPath,
  entryTree,
  showsEntry,
  type SignedEntries,
} from './entry-tree.ts';
import { placeOf, threshold } from './graph.ts';
import { deriveKeys, kemSeed, samePublicKeys, type PublicKeys } from './keys.ts';
import { commitPairKey, pairKey, unwrapPairKey } from './pairs.ts';
import { MLKEM_SEED_BYTES, platformPrimitives, type Primitives } from './primitives/index.ts';
import { HASH_BYTES } from './require-lengths.ts';
import { commitSecret, commitShare, SECRET_BYTES, shareBytes, type ShareKind } from './secrets.ts';
import { reconstruct } from './shamir.ts';
import {
  entryHash,
  entryHashOf,
  entryHead,
  parseEntry,
  type ShareEntry,
  type ShareMessage,
} from './shares.ts';

/** An opened share with what binds it to the record of its author, see `entryHashOf`. */
export interface ShownShare {
  /** The values, then the point: the place of the holder, from 1. */
  readonly share: Uint8Array;
  /** SHA-256 of the holder's entry but for its two commitments. */
  readonly head: Uint8Array;
  /** The commitment to the share of the other kind. */
  readonly other: Uint8Array;
}

export interface FalseSecret {
  readonly kind: ShareKind;
  readonly author: Id;
  /**
   * The hashes of all leaves of the author's entries, joined: for t shares less than a path for
   * each.
   */
  readonly leaves: Uint8Array;
  /** Exactly t, by ascending point. */
  readonly shares: readonly ShownShare[];
}

export interface FalsePair {
  readonly kind: 'pair';
  /** The lower of the two. */
  readonly author: Id;
  readonly recipient: Id;
  readonly entry: Uint8Array;
  /** From the entry to the root that the author signed. */
  readonly path: Uint8Array;
  /**
   * sigma of the author (32 bytes), or the ML-KEM seed of the recipient's masking keys (64 bytes).
   */
  readonly secret: Uint8Array;
}

/** What shows that its author lied. */
export type Lie = FalseSecret | FalsePair;

/** What the author of a lie has signed. */
export interface SignedShares {
  readonly context: Uint8Array;
  readonly author: Id;
  readonly commitment: Uint8Array;
  readonly entries: SignedEntries;
}

const leavesOf = (context: Uint8Array, { author, entries }: ShareMessage): Uint8Array[] =>
  entryLeaves({ context, author }, entries.map(entryHash));

/**
 * A false secret, as recovery shows it.
 * @param holders of the author's shares, by place @param shares t good ones of the author, by
 * ascending point
 */
export const showSecret = (
  kind: ShareKind,
  context: Uint8Array,
  message: ShareMessage,
  holders: readonly Id[],
  shares: readonly Uint8Array[],
): FalseSecret => ({
  kind,
  author: message.author,
  leaves: joinBytes(leavesOf(context, message)),
  shares: shares.map((share) => {
    const place = share[share.length - 1]! - 1;
    const entry = message.entries[place]!;
    const { commitments } = parseEntry(message.author, holders[place]!, entry);
    return { share, head: entryHead(entry), other: commitments[kind === 'self' ? 'key' : 'self'] };
  }),
});

/**
 * A false pair key, as recovery shows it.
 * @param message of the lower of the two @param recipient the higher, `place` its place among the
 * holders of the lower
 * @param dropped one of the two, and its sigma
 */
export const showPair = (
  context: Uint8Array,
  message: ShareMessage,
  recipient: { readonly id: Id; readonly place: number },
  dropped: { readonly author: Id; readonly secret: Uint8Array },
  primitives?: Primitives,
): FalsePair => {
  const { author, entries } = message;
  const { id, place } = recipient;
  const isOwn = equalBytes(dropped.author, author);
  return {
    kind: 'pair',
    author,
    recipient: id,
    entry: entries[place]!,
    path: entryPath(entryTree({ context, author }, entries.map(entryHash)), place),
    secret: isOwn ? dropped.secret : kemSeed(dropped.secret, 'mask', primitives),
  };
};

const nothing = (why: string): FloeError => new FloeError('evidence_invalid', why);

/**
 * Joined hashes, one by one. @throws FloeError `evidence_invalid` unless they are all leaves of the
 * signed tree
 */
const shownLeaves = (signed: SignedEntries, joined: Uint8Array): readonly Uint8Array[] => {
  const leaves = Array.from({ length: Math.floor(joined.length / HASH_BYTES) }, (_, i) =>
    joined.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
  if (joined.length % HASH_BYTES !== 0 || !areEntryLeaves(signed, leaves))
    throw nothing('the leaves are not those of the entries that the author signed');
  return leaves;
};

/**
 * The secret behind shown shares.
 * @param cohort where it is not known, the number of signed entries says t, as it does in the
 * complete graph
 * @throws FloeError `evidence_invalid` unless they are t of those that the author committed to
 */
const secretOf = async (
  { context, author, entries }: SignedShares,
  { kind, leaves: joined, shares }: FalseSecret,
  cohort: Cohort | undefined,
): Promise<Uint8Array> => {
  const { size } = entries;
  if (size < MIN_COHORT || size > MAX_COHORT)
    throw nothing(`expected shares for a cohort, got ${size}`);
  const index = cohort && findIndex(cohort, author);
  const t =
    (index === undefined ? undefined : cohort?.topology.thresholds[index]) ?? threshold(size);
  const leaves = shownLeaves(entries, joined);
  if (shares.length !== t) throw nothing(`expected ${t} shares, got ${shares.length}`);
  let before = 0;
  for (const { share, head, other } of shares) {
    const point = share.length === shareBytes(kind) ? share[share.length - 1]! : 0;
    const signed = leaves[point - 1];
    if (point <= before || signed === undefined)
      throw nothing('expected shares of different members, in their order');
    before = point;
    if (head.length !== HASH_BYTES || other.length !== HASH_BYTES)
      throw nothing('expected the hashes of an entry');
    const commitment = commitShare(context, author, kind, share);
    const commitments =
      kind === 'self' ? { self: commitment, key: other } : { self: other, key: commitment };
    const leaf = entryLeaf({ context, author }, point - 1, entryHashOf(head, commitments));
    if (!equalBytes(leaf, signed))
      throw nothing(`the share of member ${point} is not the one that its author committed to`);
  }
  return reconstruct(
    shares.map(({ share }) => share),
    t,
  );
};

/**
 * Whether b || e is another than the author committed to, by its signed Share record alone.
 * @throws FloeError `evidence_invalid` where it is not shown: the author may be honest
 */
const requireFalseSelf = async (
  signed: SignedShares,
  lie: FalseSecret,
  cohort: Cohort | undefined,
): Promise<void> => {
  const secret = await secretOf(signed, lie, cohort);
  if (equalBytes(commitSecret(signed.context, signed.author, secret), signed.commitment))
    throw nothing('the shares give the secret that their author committed to');
};

/**
 * Whether sigma is another than the masking keys were made of.
 * @param registered of the author in this very attempt @throws FloeError `evidence_invalid`
 */
const requireFalseSigma = async (
  signed: SignedShares,
  lie: FalseSecret,
  registered: PublicKeys,
  cohort: Cohort,
): Promise<void> => {
  const sigma = await secretOf(signed, lie, cohort);
  if (samePublicKeys(deriveKeys(sigma, 'mask', cohort.primitives).public, registered))
    throw nothing('the shares give the secret of the registered keys');
};

const parsed = (author: Id, recipient: Id, entry: Uint8Array): ShareEntry => {
  try {
    return parseEntry(author, recipient, entry);
  } catch (cause) {
    // The coordinator takes no such entry from its author.
    throw nothing(`what was signed is no entry: ${(cause as Error).message}`);
  }
};

/**
 * Whether the author committed to another pair key than it sent, or than its sigma gives.
 * @param place of the recipient among the holders of the author @param registered masking keys of
 * both in this very attempt
 * @throws FloeError `evidence_invalid`
 */
const requireFalsePair = (
  { context, author, entries }: SignedShares,
  { recipient, entry, path, secret }: FalsePair,
  place: number | undefined,
  registered: { readonly author: PublicKeys; readonly recipient: PublicKeys },
  primitives: Primitives = platformPrimitives,
): void => {
  if (compareBytes(author, recipient) >= 0 || place === undefined)
    throw nothing('only the lower of two members commits to the key of their mask');
  if (!showsEntry({ context, author }, entries, place, entryHash(entry), path))
    throw nothing('the entry is not the one that its author signed');
  const { wrapped } = parsed(author, recipient, entry);
  if (wrapped === undefined) throw nothing('the entry holds no pair key');
  if (secret.length === SECRET_BYTES) {
    if (!samePublicKeys(deriveKeys(secret, 'mask', primitives).public, registered.author))
      throw nothing('the secret is not that of the registered keys of the author');
    const key = pairKey(secret, context, author, recipient, primitives);
    if (!equalBytes(commitPairKey(context, author, recipient, key), wrapped.commitment)) return;
  } else {
    if (secret.length !== MLKEM_SEED_BYTES) throw nothing(`got a secret of ${secret.length} bytes`);
    const kem = primitives.kemPair(secret);
    if (!equalBytes(kem.publicKey, registered.recipient.mlkem))
      throw nothing('the secret is not that of the registered keys of the recipient');
    if (unwrapPairKey(wrapped, kem, context, author, recipient, primitives) === undefined) return;
  }
  throw nothing('the pair key is the one that its author committed to');
};

const requireMember = (cohort: Cohort, member: Id): number => {
  const index = findIndex(cohort, member);
  if (index === undefined) throw nothing('the evidence names somebody outside the cohort');
  return index;
};

/**
 * Judges a lie, whatever it is about.
 * @param signed by the author of the lie @param cohort of the attempt, as far as known
 * @returns whether it is shown; false where the cohort is needed and not known
 * @throws FloeError `evidence_invalid` where it shows something else
 */
export const requireLie = async (
  signed: SignedShares,
  lie: Lie,
  cohort: Cohort | undefined,
): Promise<boolean> => {
  if (cohort !== undefined) {
    const author = requireMember(cohort, signed.author);
    if (signed.entries.size !== cohort.topology.holders[author]!.length)
      throw nothing('the author has signed entries for others than those who hold its shares');
  }
  if (lie.kind === 'self') {
    await requireFalseSelf(signed, lie, cohort);
    return true;
  }
  if (cohort === undefined) return false;
  const { primitives, topology } = cohort;
  const keysOf = (member: Id): PublicKeys =>
    cohort.members[requireMember(cohort, member)]!.mask.raw;
  const { author } = signed;
  if (lie.kind === 'pair') {
    const registered = { author: keysOf(author), recipient: keysOf(lie.recipient) };
    const [from, to] = [requireMember(cohort, author), requireMember(cohort, lie.recipient)];
    requireFalsePair(signed, lie, placeOf(topology, from, to), registered, primitives);
  } else await requireFalseSigma(signed, lie, keysOf(author), cohort);
  return true;
};
