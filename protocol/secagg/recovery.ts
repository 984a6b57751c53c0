/**
 * @module Finish (Bonawitz et al. 2017, round 4): from the survivors' answers to the masks that are
 * left in the sum. Two steps: the coordinator reconstructs the secrets from the shares
 * (`recoverSecrets`), and mask-jobs.ts turns them into masks. Faults of participants
 * are values that name the culprit, not exceptions: the attempt continues with another subset, or
 * restarts without them.
 */
import { toHex } from '../bytes.ts';
import { findIndex, holderPlace, holdersOf, indexOf } from './cohort.ts';
import type { Cohort, Id } from './cohort.ts';
import { entryPath, entryTree } from './entry-tree.ts';
import { showPair, showSecret, type Lie } from './share-lie.ts';
import {
  authorsOf,
  checkAbort,
  maskJobs,
  openPairs,
  type MaskView,
  type OpenPair,
  type RecoveredSecret,
  type RecoveryFailure,
} from './mask-jobs.ts';
import type { MaskJob } from './masks.ts';
import type { ShareKind } from './secrets.ts';
import { reconstruct } from './shamir.ts';
import {
  entryHash,
  parseEntry,
  shareMatches,
  validateShareMessage,
  type ShareMessage,
} from './shares.ts';
import { eventLoopTurn } from './event-loop-turn.ts';

/** What everybody knows about the attempt when the survivors are frozen. */
export interface AttemptView {
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
   * `not_survivor`: the sender is not in U. `not_asked`: the other kind, or an author outside U1 or
   * of whom it holds no share. `repeated`: a second share for one author. `commitment`: not the
   * share that the author committed to for this sender.
   */
  readonly reason: 'not_survivor' | 'not_asked' | 'repeated' | 'commitment';
}

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

/**
 * Reconstructs b || e of every survivor and sigma of everyone who dropped after sharing. Each share
 * is checked against its author's commitment; the first t good ones by point are used, so that the
 * result does not depend on the order of arrival. The secrets are not yet checked: `maskJobs` does.
 * @throws FloeError `survivors_inconsistent`, `share_invalid`, `not_in_cohort` for a malformed
 * view; `aborted`.
 */
export const recoverSecrets = async (
  view: AttemptView,
  answers: readonly UnmaskAnswer[],
  signal?: AbortSignal,
): Promise<SecretsResult> => {
  const { context, cohort, survivors } = view;
  const authors = authorsOf(view);
  for (const message of view.shares) validateShareMessage(cohort, message);
  const alive = new Set(survivors.map(toHex));
  const good = new Map([...authors.keys()].map((hex) => [hex, new Map<number, Uint8Array>()]));
  const badShares: BadShare[] = [];

  const refusal = (
    sender: Id,
    { author, kind, share }: RevealedShare,
  ): BadShare['reason'] | null => {
    if (findIndex(cohort, sender) === undefined || !alive.has(toHex(sender))) return 'not_survivor';
    const known = authors.get(toHex(author));
    if (known === undefined || known.kind !== kind) return 'not_asked';
    const place = holderPlace(cohort, author, sender);
    if (place === undefined) return 'not_asked';
    if (good.get(toHex(author))!.has(place)) return 'repeated';
    const entry = known.message.entries[place]!;
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
      if (reason === null)
        good.get(toHex(author))!.set(holderPlace(cohort, author, sender)!, share);
      else badShares.push({ sender, author, kind, reason });
    }
    await eventLoopTurn();
  }

  const secrets: RecoveredSecret[] = [];
  const used = new Map<string, readonly Uint8Array[]>();
  const failures: RecoveryFailure[] = [];
  for (const [hex, { message, kind }] of authors) {
    checkAbort(signal);
    const { author } = message;
    const need = cohort.topology.thresholds[indexOf(cohort, author)]!;
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

/** What shows the first lie of each author among the failures. */
const liesOf = (
  { context, cohort, shares }: AttemptView,
  { secrets, used }: SecretsResult & { type: 'secrets' },
  failures: readonly RecoveryFailure[],
): readonly Lie[] => {
  const messages = new Map(shares.map((message) => [toHex(message.author), message]));
  const sigmas = new Map(
    secrets.flatMap(({ author, kind, secret }) =>
      kind === 'key' ? [[toHex(author), { author, secret }]] : [],
    ),
  );
  const lies = new Map<string, Lie>();
  for (const failure of failures) {
    const { author } = failure;
    const hex = toHex(author);
    const message = messages.get(hex);
    if (failure.type !== 'commitment_mismatch' || message === undefined || lies.has(hex)) continue;
    if (failure.kind !== 'pair') {
      const holders = holdersOf(cohort, author).map(({ id }) => id);
      lies.set(hex, showSecret(failure.kind, context, message, holders, used.get(hex) ?? []));
      continue;
    }
    const { recipient: id } = failure;
    const dropped = sigmas.get(hex) ?? sigmas.get(toHex(id));
    const place = holderPlace(cohort, author, id);
    if (dropped !== undefined && place !== undefined)
      lies.set(hex, showPair(context, message, { id, place }, dropped, cohort.primitives));
  }
  return [...lies.values()];
};

/** What {@link maskJobs} needs, of a reader that has all entries. */
export const maskViewOf = (view: AttemptView): MaskView => {
  const messages = new Map(view.shares.map((message) => [toHex(message.author), message]));
  return {
    ...view,
    entryOf: (author, recipient) => {
      const place = holderPlace(view.cohort, author, recipient);
      return place === undefined ? undefined : messages.get(toHex(author))?.entries[place];
    },
  };
};

/** An entry of {@link openPairs}, and what shows it. */
export interface ShownPair extends OpenPair {
  readonly entry: Uint8Array;
  /** From the entry to the root that its author signed. */
  readonly path: Uint8Array;
}

/**
 * What a reader who has the secrets needs of the entries: those of the masks that are left in the
 * sum.
 */
export const shownPairs = (view: AttemptView): readonly ShownPair[] => {
  const { context, cohort } = view;
  const trees = new Map(
    view.shares.map(({ author, entries }) => [
      toHex(author),
      { entries, nodes: entryTree({ context, author }, entries.map(entryHash)) },
    ]),
  );
  return openPairs(view).flatMap(({ author, recipient }) => {
    const tree = trees.get(toHex(author));
    const place = holderPlace(cohort, author, recipient);
    const entry = place === undefined ? undefined : tree?.entries[place];
    return tree === undefined || place === undefined || entry === undefined
      ? []
      : [{ author, recipient, entry, path: entryPath(tree.nodes, place) }];
  });
};

/**
 * From answers to mask jobs: {@link recoverSecrets}, then {@link maskJobs}.
 * @throws FloeError as those two.
 */
export const recover = async (
  view: AttemptView,
  answers: readonly UnmaskAnswer[],
  signal?: AbortSignal,
): Promise<RecoveryResult> => {
  const found = await recoverSecrets(view, answers, signal);
  if (found.type === 'failed') return { ...found, lies: [] };
  const { secrets, badShares } = found;
  const result = await maskJobs(maskViewOf(view), secrets, signal);
  return result.type === 'failed'
    ? { ...result, badShares, lies: liesOf(view, found, result.failures) }
    : { type: 'recovered', jobs: result.jobs, secrets, badShares };
};
