/**
 * @module From recovered secrets to the masks that are left in a sum (Bonawitz et al. 2017, round
 * 4). The holder of the secrets, for example an auditor, checks them against the commitments and
 * registrations, and turns them into mask jobs. It needs only the sealed entries that wrap the
 * pair keys of dropped members.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { indexOf, requireSortedIds } from './cohort.ts';
import type { Cohort, Id } from './cohort.ts';
import { deriveKeys, samePublicKeys } from './keys.ts';
import type { MaskJob } from './masks.ts';
import { pairMask } from './pairs.ts';
import { commitSecret, SECRET_BYTES, selfMaskSeed, type ShareKind } from './secrets.ts';
import { parseEntry, type ShareMessage } from './shares.ts';
import { eventLoopTurn } from './event-loop-turn.ts';

/** What the masks that are left in a sum are made of, besides the secrets. */
export interface MaskView {
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  /** U, ascending, a subset of the authors of `shares`. */
  readonly survivors: readonly Id[];
  /** Of U1, in ascending order of the author. */
  readonly shares: readonly Pick<ShareMessage, 'author' | 'commitment'>[];
  /**
   * The entry that `author` made for `recipient`, which its Share record holds.
   * @returns undefined where it is not known
   */
  readonly entryOf: (author: Id, recipient: Id) => Uint8Array | undefined;
}

/** An entry of which the wrapped pair key is needed: the mask of the two is left in the sum. */
export interface OpenPair {
  /** The lower of the two. */
  readonly author: Id;
  readonly recipient: Id;
}

/** b || e of a survivor (`self`) or sigma of a dropped participant (`key`). */
export interface RecoveredSecret {
  readonly author: Id;
  readonly kind: ShareKind;
  /** 64 bytes of `self`, 32 of `key`. */
  readonly secret: Uint8Array;
}

export type RecoveryFailure =
  | {
      readonly type: 'not_enough_shares';
      readonly author: Id;
      readonly kind: ShareKind;
      readonly have: number;
      readonly need: number;
    }
  /**
   * `author` lied: a secret is not the one it committed to or registered, or a pair key is not the
   * one it committed to.
   */
  | { readonly type: 'commitment_mismatch'; readonly author: Id; readonly kind: ShareKind }
  | {
      readonly type: 'commitment_mismatch';
      readonly author: Id;
      readonly kind: 'pair';
      /** The higher of the two. */
      readonly recipient: Id;
    };

export type JobsResult =
  | { readonly type: 'jobs'; readonly jobs: readonly MaskJob[] }
  | { readonly type: 'failed'; readonly failures: readonly RecoveryFailure[] };

/** One of U1. */
export interface Author<Shared> {
  readonly message: Shared;
  /** The one kind that may be revealed for this author. */
  readonly kind: ShareKind;
}

export const checkAbort = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted)
    throw new FloeError('aborted', 'The recovery was cancelled.', {}, { cause: signal.reason });
};

/** The authors of U1 by hex, each with the kind of share that its fate allows. */
export const authorsOf = <Shared extends Pick<ShareMessage, 'author' | 'commitment'>>({
  cohort,
  shares,
  survivors,
}: Pick<MaskView, 'cohort' | 'survivors'> & {
  readonly shares: readonly Shared[];
}): Map<string, Author<Shared>> => {
  const sharers = shares.map(({ author }) => author);
  requireSortedIds(sharers, 'survivors_inconsistent', 'authors of the shares');
  requireSortedIds(survivors, 'survivors_inconsistent', 'survivors');
  const alive = new Set(survivors.map(toHex));
  const authors = new Map<string, Author<Shared>>();
  for (const message of shares) {
    indexOf(cohort, message.author);
    const hex = toHex(message.author);
    authors.set(hex, { message, kind: alive.has(hex) ? 'self' : 'key' });
  }
  for (const hex of alive)
    if (!authors.has(hex))
      throw new FloeError('survivors_inconsistent', 'a survivor has sent no shares', {
        author: hex,
      });
  return authors;
};

/** After this many pairs the event loop gets a turn. */
const PAIRS_PER_TURN = 16;

/** The survivors that a dropped participant shares a mask with. */
const openNeighbours = (
  { cohort, survivors }: Pick<MaskView, 'cohort' | 'survivors'>,
  dropped: Id,
): readonly Id[] => {
  const edges = new Set(cohort.topology.neighbours[indexOf(cohort, dropped)]);
  return survivors.filter((survivor) => edges.has(indexOf(cohort, survivor)));
};

/** The lower of two members wraps the key of their mask for the higher. */
const pairOf = (cohort: Cohort, a: Id, b: Id): OpenPair =>
  indexOf(cohort, a) < indexOf(cohort, b)
    ? { author: a, recipient: b }
    : { author: b, recipient: a };

/**
 * The pairs of a dropped sharer and a survivor whose mask is left in the sum: O(dropped x
 * survivors).
 */
export const openPairs = (
  view: Pick<MaskView, 'cohort' | 'survivors' | 'shares'>,
): readonly OpenPair[] => {
  const alive = new Set(view.survivors.map(toHex));
  return view.shares
    .filter(({ author }) => !alive.has(toHex(author)))
    .flatMap(({ author }) =>
      openNeighbours(view, author).map((survivor) => pairOf(view.cohort, author, survivor)),
    );
};

/**
 * The pair masks that a dropped participant would have added towards the survivors, or who lied
 * about its keys.
 */
const droppedJobs = async (
  view: MaskView,
  { author, secret }: RecoveredSecret,
  signal: AbortSignal | undefined,
): Promise<{
  readonly jobs: readonly MaskJob[];
  readonly failures: readonly RecoveryFailure[];
}> => {
  const { context, cohort } = view;
  const index = indexOf(cohort, author);
  const wrong = { type: 'commitment_mismatch', author, kind: 'key' } as const;
  if (secret.length !== SECRET_BYTES) return { jobs: [], failures: [wrong] };
  const keys = deriveKeys(secret, 'mask', cohort.primitives);
  if (!samePublicKeys(keys.public, cohort.members[index]!.mask.raw))
    return { jobs: [], failures: [wrong] };
  const jobs: MaskJob[] = [];
  const failures: RecoveryFailure[] = [];
  for (const [count, survivor] of openNeighbours(view, author).entries()) {
    checkAbort(signal);
    const peer = cohort.members[indexOf(cohort, survivor)]!;
    const pair = pairOf(cohort, author, survivor);
    const entry = view.entryOf(pair.author, pair.recipient);
    if (entry === undefined)
      throw new FloeError('share_invalid', 'an entry whose pair key is needed is missing', {
        author: toHex(pair.author),
        recipient: toHex(pair.recipient),
      });
    const { wrapped } = parseEntry(pair.author, pair.recipient, entry);
    try {
      if (wrapped === undefined) throw new FloeError('internal', 'an entry without its pair key');
      jobs.push(pairMask({ sigma: secret, keys, context, self: author, peer, wrapped }));
    } catch (error) {
      if (!(error instanceof FloeError) || error.code !== 'commitment_mismatch') throw error;
      failures.push({ type: 'commitment_mismatch', kind: 'pair', ...pair });
    }
    if (count % PAIRS_PER_TURN === PAIRS_PER_TURN - 1) await eventLoopTurn();
  }
  return { jobs, failures };
};

/**
 * Checks recovered secrets and lists the masks still in the sum: minus the self mask of each
 * survivor, plus the pair masks that each dropped participant would have contributed. One job is
 * one mask; a worker can take any of them, for any part. A mismatch is the author's fault: the
 * shares behind the secret are those it committed to.
 * @throws FloeError `survivors_inconsistent`, `not_in_cohort` for a malformed view; `aborted`;
 * `not_enough_shares` unless there is exactly one secret, of the right kind, for each author of U1
 * (what is missing is not guessed at); `share_invalid` where an entry of {@link openPairs} is
 * missing or malformed.
 */
export const maskJobs = async (
  view: MaskView,
  secrets: readonly RecoveredSecret[],
  signal?: AbortSignal,
): Promise<JobsResult> => {
  const { context } = view;
  const { primitives } = view.cohort;
  const authors = authorsOf(view);
  const known = new Map(secrets.map((secret) => [toHex(secret.author), secret]));
  if (secrets.length !== authors.size || known.size !== authors.size)
    throw new FloeError(
      'not_enough_shares',
      `expected one secret for each of ${authors.size} sharers, got ${secrets.length}`,
    );
  const jobs: MaskJob[] = [];
  const failures: RecoveryFailure[] = [];
  for (const [hex, { message, kind }] of authors) {
    checkAbort(signal);
    const recovered = known.get(hex);
    if (recovered?.kind !== kind)
      throw new FloeError('not_enough_shares', `expected the ${kind} secret of an author`, {
        author: hex,
      });
    const { author, secret } = recovered;
    if (kind === 'self') {
      if (equalBytes(commitSecret(context, author, secret), message.commitment))
        jobs.push({ seed: selfMaskSeed(context, author, secret, primitives), sign: -1 });
      else failures.push({ type: 'commitment_mismatch', author, kind });
    } else {
      const left = await droppedJobs(view, recovered, signal);
      jobs.push(...left.jobs);
      failures.push(...left.failures);
    }
  }
  return failures.length === 0 ? { type: 'jobs', jobs } : { type: 'failed', failures };
};
