/**
 * @module Opens the sum of an attempt: the answers of the survivors yield the shares, the shares
 * the secrets, and the secrets the masks (Bonawitz et al. 2017, round 4). A participant that
 * provably broke the protocol is named.
 */
import { EMPTY_BUNDLE, type UnmaskingBundle } from '../protocol/verify/bundle.ts';
import { layoutOf, type GroupSum } from '../protocol/algorithm/round.ts';
import { FIRST_MEAN_EXAMPLES } from '../protocol/encoding/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError, type ErrorCode } from '../protocol/errors.ts';
import { MAX_LIES, type ShownLie, type SignedRecord } from '../protocol/records/records.ts';
import { graphOf, livingGroups } from '../protocol/rules/groups.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import {
  freezeCohort,
  judgeComplaint,
  openAnswer,
  recover,
  requireLie,
  shownPairs,
  unmask,
  type Lanes,
  type Lie,
  type RecoveryResult,
  type AttemptView,
  type ShareMessage,
  type SignedShares,
  type UnmaskAnswer,
  type Verdict,
} from '../protocol/secagg/index.ts';
import type { AttemptKeys } from './attempt-keys.ts';
import { errorFields, shortKey, type Logger } from './log.ts';
import type { Attempt, Shared } from './machine/index.ts';

/** The attempt cannot be finished; its culprits provably broke the protocol. */
export class AttemptFailure extends FloeError {
  readonly culprits: readonly Uint8Array[];
  /**
   * The proofs for third parties, one for each culprit in order; undefined if only the coordinator
   * has seen the fault.
   */
  readonly lies: readonly ShownLie[] | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    culprits: readonly Uint8Array[],
    lies?: readonly ShownLie[],
  ) {
    super(code, message);
    this.culprits = culprits;
    this.lies = lies;
  }
}

/** Converts an error to the fields of a `work-failed` event. */
export const failureFields = (
  thrown: FloeError,
): { code: ErrorCode; reason: string; culprits: Uint8Array[]; lies?: ShownLie[] } => {
  const { culprits, lies } = thrown instanceof AttemptFailure ? thrown : { culprits: [] };
  return {
    code: thrown.code,
    reason: thrown.message.slice(0, 500),
    culprits: [...culprits],
    ...(lies === undefined ? {} : { lies: [...lies] }),
  };
};

/** U1 as the recovery wants it. */
const viewOf = (spec: RunSpec, attempt: Attempt): AttemptView => {
  const { cohort } = attempt;
  if (cohort === undefined) throw new FloeError('internal', 'the attempt has no cohort yet');
  const members = attempt.members.flatMap((key) => attempt.registers.get(key) ?? []);
  const shares: ShareMessage[] = (attempt.sharers?.body.members ?? []).flatMap((author) => {
    const shared = attempt.shares.get(toHex(author));
    return shared === undefined
      ? []
      : [{ author, commitment: shared.record.body.commitment, entries: shared.entries }];
  });
  return {
    context: attempt.context as Uint8Array,
    cohort: freezeCohort(
      members.map(({ author, body }) => ({
        id: author,
        mask: body.mask,
        seal: body.seal,
      })),
      cohort.body.beacon,
      { graph: graphOf({ spec, cohort }) },
    ),
    shares,
    survivors: attempt.survivors?.body.members ?? [],
  };
};

const signedBy = (attempt: Attempt, author: Uint8Array): SignedShares => {
  const { record } = attempt.shares.get(toHex(author)) as Shared;
  return { ...record.body, author };
};

/** A lie as the Abort shows it, with the Share record of its author. */
const shownLie = (attempt: Attempt, lie: Lie): ShownLie => {
  const { author, ...shown } = lie;
  const { bytes: record } = (attempt.shares.get(toHex(author)) as Shared).record;
  return shown.kind === 'pair'
    ? { ...shown, record }
    : { ...shown, record, shares: shown.shares.map((share) => ({ ...share })) };
};

/**
 * Determines the culprit. A share that its author did not commit to is the fault of the member that
 * sent it, known only to the coordinator. Shares that their author committed to but that give
 * another secret are the author's fault, and prove it.
 */
const failureOf = async (
  attempt: Attempt,
  { cohort }: AttemptView,
  { failures, badShares, lies }: RecoveryResult & { type: 'failed' },
): Promise<AttemptFailure> => {
  if (lies.length > 0) {
    // An Abort record holds a limited number of proofs; the next attempt finds the others.
    const shown = lies.slice(0, MAX_LIES);
    // A proof must pass the check of third parties before anyone is blamed.
    for (const lie of shown) await requireLie(signedBy(attempt, lie.author), lie, cohort);
    return new AttemptFailure(
      'commitment_mismatch',
      `the secrets of ${lies.length} participants are not those they committed to`,
      shown.map(({ author }) => author),
      shown.map((lie) => shownLie(attempt, lie)),
    );
  }
  const senders = new Map(
    badShares
      .filter(({ reason }) => reason === 'commitment')
      .map(({ sender }) => [toHex(sender), sender]),
  );
  return new AttemptFailure(
    'not_enough_shares',
    `too few good shares for ${failures.length} secrets`,
    [...senders.values()],
  );
};

export interface RecoveryInit {
  readonly spec: RunSpec;
  readonly attemptKeys: AttemptKeys;
  readonly log: Logger;
}

/** The survivors' answers; one that does not open or decode is left out and its sender named. */
const answersOf = async (
  { attemptKeys, log }: Omit<RecoveryInit, 'spec'>,
  attempt: Attempt,
): Promise<UnmaskAnswer[]> => {
  const keys = await attemptKeys.get(attempt.attempt);
  const answers: UnmaskAnswer[] = [];
  for (const [hex, { author: sender, body }] of attempt.unmasks) {
    const answer = attempt.answers.get(hex) ?? new Uint8Array();
    try {
      const shares = await openAnswer(keys, body.context, sender, answer);
      answers.push({ sender, shares });
    } catch (thrown) {
      if (!(thrown instanceof FloeError)) throw thrown;
      log.warn(
        { attempt: attempt.attempt, participant: shortKey(hex), ...errorFields(thrown) },
        'an answer does not open',
      );
    }
  }
  return answers;
};

/** One sum of the attempt, and of the view and of the answers what is about it. */
interface Part {
  readonly view: AttemptView;
  readonly answers: readonly UnmaskAnswer[];
  readonly lanes: Lanes;
}

/** By group with survivors; of a cohort without groups, one part with everything. */
const partsOf = (
  spec: RunSpec,
  attempt: Attempt,
  view: AttemptView,
  answers: readonly UnmaskAnswer[],
  sums: readonly GroupSum[],
): readonly Part[] => {
  const { cohort } = attempt;
  if (cohort === undefined) throw new FloeError('internal', 'the attempt has no cohort yet');
  return livingGroups({ spec, cohort }, view.survivors).map(({ group, present }, i) => ({
    view: {
      ...view,
      shares: view.shares.filter(({ author }) => group.keys.has(toHex(author))),
      survivors: present,
    },
    answers: answers.filter(({ sender }) => group.keys.has(toHex(sender))),
    lanes: sums[i]!.lanes as Lanes,
  }));
};

const recoverPart = async (
  init: Omit<RecoveryInit, 'spec'>,
  attempt: Attempt,
  { view, answers }: Part,
  signal: AbortSignal,
): Promise<RecoveryResult> => {
  const result = await recover(view, answers, signal);
  for (const { sender, author, reason } of result.badShares)
    init.log.warn(
      {
        attempt: attempt.attempt,
        participant: shortKey(toHex(sender)),
        about: shortKey(toHex(author)),
        reason,
      },
      'a wrong share was left out',
    );
  return result;
};

/** The faults of all groups at once: the next attempt excludes every liar. */
const together = (
  failed: readonly (RecoveryResult & { type: 'failed' })[],
): RecoveryResult & { type: 'failed' } => ({
  type: 'failed',
  failures: failed.flatMap(({ failures }) => failures),
  badShares: failed.flatMap(({ badShares }) => badShares),
  lies: failed.flatMap(({ lies }) => lies),
});

/**
 * Unmasks the lanes of each sum in place.
 *
 * @returns what anyone entitled needs to repeat it; nothing where the run has no masks
 * @throws AttemptFailure `commitment_mismatch`, `not_enough_shares`
 */
export const openMasks = async (
  init: RecoveryInit,
  attempt: Attempt,
  sums: readonly GroupSum[],
  signal: AbortSignal,
): Promise<Pick<UnmaskingBundle, 'secrets' | 'pairs'>> => {
  const { spec } = init;
  if (spec.secagg !== 'masked') return EMPTY_BUNDLE;
  const view = viewOf(spec, attempt);
  const parts = partsOf(spec, attempt, view, await answersOf(init, attempt), sums);
  const found: RecoveryResult[] = [];
  for (const part of parts) found.push(await recoverPart(init, attempt, part, signal));
  const failed = found.flatMap((result) => (result.type === 'failed' ? [result] : []));
  if (failed.length > 0) throw await failureOf(attempt, view, together(failed));
  const recovered = found.flatMap((result) => (result.type === 'recovered' ? [result] : []));
  const { meanExamples = FIRST_MEAN_EXAMPLES } = attempt.open?.body ?? {};
  const { modulusBits } = layoutOf(spec, attempt.members.length, meanExamples);
  for (const [i, { lanes }] of parts.entries())
    await unmask(lanes, recovered[i]!.jobs, modulusBits, { signal });
  return {
    secrets: recovered.flatMap(({ secrets }) =>
      secrets.map(({ author, kind, secret }) => ({ author, kind, secret })),
    ),
    pairs: parts.flatMap((part) => shownPairs(part.view).map((pair) => ({ ...pair }))),
  };
};

/**
 * Determines the lying party from the complaint and the signed share in question: a function of the
 * attempt alone.
 */
export const judgeInAttempt = async (
  spec: RunSpec,
  attempt: Attempt,
  { author: complainer, body }: SignedRecord<'complaint'>,
): Promise<Verdict> => {
  const { accused, kind, entry, path, secret } = body;
  const { context, cohort } = viewOf(spec, attempt);
  const signed = attempt.shares.get(toHex(accused))?.record.body.entries;
  if (signed === undefined) return 'invalid';
  const complaint = { complainer, accused, kind, entry, path, secret };
  return judgeComplaint(context, cohort, complaint, signed);
};
