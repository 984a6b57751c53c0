/**
 * @module Finish (Bonawitz et al. 2017, round 4): from the survivors' answers to the masks that are
 * left in the sum. Two steps: the coordinator reconstructs the secrets from the shares
 * (`recoverSecrets`); anyone who holds the secrets, so an auditor too, checks them against what was
 * committed to and registered and turns them into mask jobs (`maskJobs`). Faults of participants
 * are values that name the culprit, not exceptions: the round goes on with another subset, or
 * restarts without them.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { findIndex, indexOf, requireSortedIds } from './cohort.ts';
import type { Cohort, Id } from './cohort.ts';
import { deriveKeys, samePublicKeys } from './keys.ts';
import { showPair, showSecret, type Lie } from './lie.ts';
import type { MaskJob } from './masks.ts';
import { pairMask } from './pairs.ts';
import { commitSecret, SECRET_BYTES, selfMaskSeed, type ShareKind } from './secrets.ts';
import { reconstruct } from './shamir.ts';
import { parseEntry, shareMatches, validateShareMessage, type ShareMessage } from './shares.ts';
import { eventLoopTurn } from './turn.ts';

/** What everybody knows about the round when the survivors are frozen. */
export interface RoundView {
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  /** The Share messages that arrived (U1), in ascending order of the author. */
  readonly shares: readonly ShareMessage[];
  /** U, ascending, a subset of the authors of `shares`. */
  readonly survivors: readonly Id[];
}

export interface RevealedShare {
  readonly author: Id;
  readonly kind: ShareKind;
  /** 65 bytes of a `self` share, 33 of a `key` share. */
  readonly share: Uint8Array;
}

/** What one survivor returns. */
export interface UnmaskAnswer {
  readonly sender: Id;
  readonly shares: readonly RevealedShare[];
}

/** A share that was refused, and the survivor who sent it. */
export interface BadShare {
  readonly sender: Id;
  readonly author: Id;
  readonly kind: ShareKind;
  /**
   * `not_survivor`: the sender is not in U. `not_asked`: the other kind, or an author outside U1.
   * `repeated`: a second share for one author. `commitment`: not the share that the author
   * committed to for this sender.
   */
  readonly reason: 'not_survivor' | 'not_asked' | 'repeated' | 'commitment';
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
  /** `author` lied: a secret is not the one it committed to or registered, or a pair key is not the one it committed to. */
  | { readonly type: 'commitment_mismatch'; readonly author: Id; readonly kind: ShareKind }
  | {
      readonly type: 'commitment_mismatch';
      readonly author: Id;
      readonly kind: 'pair';
      /** The higher of the two. */
      readonly recipient: Id;
    };

export type SecretsResult =
  | {
      readonly type: 'secrets';
      readonly secrets: readonly RecoveredSecret[];
      /** By author (hex), the t shares that its secret is made of, by ascending point. */
      readonly used: ReadonlyMap<string, readonly Uint8Array[]>;
      readonly badShares: readonly BadShare[];
    }
  | {
      readonly type: 'failed';
      readonly failures: readonly RecoveryFailure[];
      readonly badShares: readonly BadShare[];
    };

export type JobsResult =
  | { readonly type: 'jobs'; readonly jobs: readonly MaskJob[] }
  | { readonly type: 'failed'; readonly failures: readonly RecoveryFailure[] };

export type RecoveryResult =
  | {
      readonly type: 'recovered';
      /** Give them to `unmask`, whole or in parts, in any order. */
      readonly jobs: readonly MaskJob[];
      /**
       * The unmasking material: with it anyone can repeat `maskJobs`. Access-gated, never public.
       */
      readonly secrets: readonly RecoveredSecret[];
      readonly badShares: readonly BadShare[];
    }
  | {
      readonly type: 'failed';
      readonly failures: readonly RecoveryFailure[];
      readonly badShares: readonly BadShare[];
      /** What shows everybody who lied: one for each author of a mismatch. */
      readonly lies: readonly Lie[];
    };

interface Author {
  readonly message: ShareMessage;
  /** The one kind that may be revealed for this author. */
  readonly kind: ShareKind;
}

const checkAbort = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted)
    throw new FloeError('aborted', 'The recovery was cancelled.', {}, { cause: signal.reason });
};

/** The authors of U1 by hex, each with the kind of share that its fate allows. */
const authorsOf = ({ cohort, shares, survivors }: RoundView): Map<string, Author> => {
  const sharers = shares.map(({ author }) => author);
  requireSortedIds(sharers, 'survivors_inconsistent', 'authors of the shares');
  requireSortedIds(survivors, 'survivors_inconsistent', 'survivors');
  const alive = new Set(survivors.map(toHex));
  const authors = new Map<string, Author>();
  for (const message of shares) {
    validateShareMessage(cohort, message);
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

/**
 * Reconstructs b || e of every survivor and sigma of everyone who dropped after sharing. Each share is
 * checked against its author's commitment; the first t good ones by point are used, so that the
 * result does not depend on the order of arrival. The secrets are not yet checked: `maskJobs` does.
 * @throws FloeError `survivors_inconsistent`, `share_invalid`, `not_in_cohort` for a malformed
 *   view; `aborted`.
 */
export const recoverSecrets = async (
  view: RoundView,
  answers: readonly UnmaskAnswer[],
  signal?: AbortSignal,
): Promise<SecretsResult> => {
  const { context, cohort, survivors } = view;
  const authors = authorsOf(view);
  const alive = new Set(survivors.map(toHex));
  const good = new Map([...authors.keys()].map((hex) => [hex, new Map<number, Uint8Array>()]));
  const badShares: BadShare[] = [];

  const refusal = (
    sender: Id,
    { author, kind, share }: RevealedShare,
  ): BadShare['reason'] | null => {
    const senderIndex = findIndex(cohort, sender);
    if (senderIndex === undefined || !alive.has(toHex(sender))) return 'not_survivor';
    const known = authors.get(toHex(author));
    if (known === undefined || known.kind !== kind) return 'not_asked';
    if (good.get(toHex(author))!.has(senderIndex)) return 'repeated';
    const entry = known.message.entries[senderIndex]!;
    const { commitments } = parseEntry(author, sender, entry);
    return shareMatches(context, cohort, author, sender, kind, share, commitments)
      ? null
      : 'commitment';
  };

  for (const { sender, shares } of answers) {
    checkAbort(signal);
    for (const revealed of shares) {
      const reason = refusal(sender, revealed);
      const { author, kind, share } = revealed;
      if (reason === null) good.get(toHex(author))!.set(indexOf(cohort, sender), share);
      else badShares.push({ sender, author, kind, reason });
    }
    await eventLoopTurn();
  }

  const secrets: RecoveredSecret[] = [];
  const used = new Map<string, readonly Uint8Array[]>();
  const failures: RecoveryFailure[] = [];
  const need = cohort.threshold;
  for (const [hex, { message, kind }] of authors) {
    checkAbort(signal);
    const { author } = message;
    const held = [...good.get(hex)!].toSorted(([a], [b]) => a - b).map(([, share]) => share);
    const first = held.slice(0, need);
    used.set(hex, first);
    if (held.length < need)
      failures.push({ type: 'not_enough_shares', author, kind, have: held.length, need });
    else secrets.push({ author, kind, secret: await reconstruct(first, need) });
    await eventLoopTurn();
  }
  return failures.length === 0
    ? { type: 'secrets', secrets, used, badShares }
    : { type: 'failed', failures, badShares };
};

/** After this many pairs the event loop gets a turn. */
const PAIRS_PER_TURN = 16;

/** The pair masks that a dropped participant would have added towards the survivors, or who lied about its keys. */
const droppedJobs = async (
  view: RoundView,
  authors: ReadonlyMap<string, Author>,
  { author, secret }: RecoveredSecret,
  signal: AbortSignal | undefined,
): Promise<{
  readonly jobs: readonly MaskJob[];
  readonly failures: readonly RecoveryFailure[];
}> => {
  const { context, cohort, survivors } = view;
  const index = indexOf(cohort, author);
  const wrong = { type: 'commitment_mismatch', author, kind: 'key' } as const;
  if (secret.length !== SECRET_BYTES) return { jobs: [], failures: [wrong] };
  const keys = deriveKeys(secret, 'mask', cohort.primitives);
  if (!samePublicKeys(keys.public, cohort.members[index]!.mask.raw))
    return { jobs: [], failures: [wrong] };
  const entryOf = (from: Id, to: number): Uint8Array =>
    authors.get(toHex(from))!.message.entries[to]!;
  const jobs: MaskJob[] = [];
  const failures: RecoveryFailure[] = [];
  for (const [count, survivor] of survivors.entries()) {
    checkAbort(signal);
    const other = indexOf(cohort, survivor);
    const peer = cohort.members[other]!;
    // The lower of the two published the pair key.
    const { wrapped } =
      index < other
        ? parseEntry(author, survivor, entryOf(author, other))
        : parseEntry(survivor, author, entryOf(survivor, index));
    try {
      if (wrapped === undefined) throw new FloeError('internal', 'an entry without its pair key');
      jobs.push(pairMask({ sigma: secret, keys, context, self: author, peer, wrapped }));
    } catch (error) {
      if (!(error instanceof FloeError) || error.code !== 'commitment_mismatch') throw error;
      failures.push({
        type: 'commitment_mismatch',
        kind: 'pair',
        ...(index < other
          ? { author, recipient: survivor }
          : { author: survivor, recipient: author }),
      });
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
 * @throws FloeError as `recoverSecrets`; `not_enough_shares` unless there is exactly one secret, of
 *   the right kind, for each author of U1 (what is missing is not guessed at).
 */
export const maskJobs = async (
  view: RoundView,
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
      const left = await droppedJobs(view, authors, recovered, signal);
      jobs.push(...left.jobs);
      failures.push(...left.failures);
    }
  }
  return failures.length === 0 ? { type: 'jobs', jobs } : { type: 'failed', failures };
};

/** What shows the first lie of each author among the failures. */
const liesOf = (
  { cohort, shares }: RoundView,
  { secrets, used }: SecretsResult & { type: 'secrets' },
  failures: readonly RecoveryFailure[],
): readonly Lie[] => {
  const messages = new Map(shares.map((message) => [toHex(message.author), message]));
  const sigmas = new Map(
    secrets.flatMap(({ author, kind, secret }) =>
      kind === 'key' ? [[toHex(author), { author, secret }]] : [],
    ),
  );
  const recipients = cohort.members.map(({ id }) => id);
  const lies = new Map<string, Lie>();
  for (const failure of failures) {
    const { author } = failure;
    const hex = toHex(author);
    const message = messages.get(hex);
    if (failure.type !== 'commitment_mismatch' || message === undefined || lies.has(hex)) continue;
    if (failure.kind !== 'pair') {
      lies.set(hex, showSecret(failure.kind, message, recipients, used.get(hex) ?? []));
      continue;
    }
    const { recipient } = failure;
    const dropped = sigmas.get(hex) ?? sigmas.get(toHex(recipient));
    const entry = message.entries[indexOf(cohort, recipient)]!;
    if (dropped !== undefined)
      lies.set(
        hex,
        showPair(author, recipient, entry, dropped.author, dropped.secret, cohort.primitives),
      );
  }
  return [...lies.values()];
};

/**
 * From answers to mask jobs: {@link recoverSecrets}, then {@link maskJobs}.
 * @throws FloeError as those two.
 */
export const recover = async (
  view: RoundView,
  answers: readonly UnmaskAnswer[],
  signal?: AbortSignal,
): Promise<RecoveryResult> => {
  const found = await recoverSecrets(view, answers, signal);
  if (found.type === 'failed') return { ...found, lies: [] };
  const { secrets, badShares } = found;
  const result = await maskJobs(view, secrets, signal);
  return result.type === 'failed'
    ? { ...result, badShares, lies: liesOf(view, found, result.failures) }
    : { type: 'recovered', jobs: result.jobs, secrets, badShares };
};
