/**
 * @module The rules that a participant keeps whatever the coordinator says, as pure functions on a
 * value that outlives a crash. Each function returns the next state; **persist it before anything
 * that depended on it leaves the process** (the upload, the answer). A state belongs to one (run,
 * attempt): a restarted attempt is a new attempt with new keys.
 *
 * The rules: one masked vector an attempt; one answer an attempt; for one peer a share of b or a
 * share of sigma, never both; an answer only for a set of survivors that holds the participant
 * itself, lies within the set it masked for, and is large enough. Asking again for the very same
 * set gives the same answer again: it reveals nothing new, and a participant that crashed between
 * writing the state and sending the answer could otherwise stall the attempt.
 */
import { equalBytes, fromHex, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { MAX_COHORT, MIN_COHORT } from '../spec/run-spec.ts';
import { requireSortedIds } from './cohort.ts';
import type { Id } from './cohort.ts';
import { HASH_BYTES, requireBytes } from './require-lengths.ts';
import type { ShareKind } from './secrets.ts';

/** Plain JSON: ids and hashes in lower-case hex, lists in ascending order. */
export interface GuardState {
  readonly run: string;
  readonly attempt: number;
  readonly context: string;
  readonly self: string;
  /** The one masked vector of this attempt, and the sharers (U1) whose masks are in it. */
  readonly upload: { readonly hash: string; readonly sharers: readonly string[] } | null;
  /** The one answer of this attempt: b shares for `survivors`, sigma shares for `dropped`. */
  readonly answer: {
    readonly survivors: readonly string[];
    readonly dropped: readonly string[];
  } | null;
}

/** The participant's own limits, from the run specification it agreed to. */
export interface GuardRules {
  /** Smallest set of survivors it answers for; values below 3 count as 3. */
  readonly minimum: number;
  /** t of the cohort. */
  readonly threshold: number;
}

export interface UnmaskRequest {
  readonly context: Uint8Array;
  /** U, ascending. */
  readonly survivors: readonly Id[];
  /** U1 without U, ascending. */
  readonly dropped: readonly Id[];
  /** The upload of this participant that the survivor record counts; as given to `recordUpload`. */
  readonly ownUpload: Uint8Array;
}

/** What may be released: one kind for each peer. */
export interface Reveal {
  readonly author: Id;
  readonly kind: ShareKind;
}

/**
 * The state at the start of an attempt. @throws FloeError `record_malformed` for lengths or an
 * attempt that is no integer.
 */
export const openGuard = (init: {
  readonly run: Uint8Array;
  readonly attempt: number;
  readonly context: Uint8Array;
  readonly self: Id;
}): GuardState => {
  for (const name of ['run', 'context', 'self'] as const)
    requireBytes(init[name], HASH_BYTES, 'record_malformed', name);
  if (!Number.isSafeInteger(init.attempt) || init.attempt < 0)
    throw new FloeError('record_malformed', `expected an attempt number, got ${init.attempt}`);
  return {
    run: toHex(init.run),
    attempt: init.attempt,
    context: toHex(init.context),
    self: toHex(init.self),
    upload: null,
    answer: null,
  };
};

const requireContext = (state: GuardState, context: Uint8Array): void => {
  if (!equalBytes(context, fromHex(state.context)))
    throw new FloeError('context_mismatch', 'expected the context of this attempt, got another', {
      attempt: state.attempt,
    });
};

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

const requireQuorum = (count: number, { minimum, threshold }: GuardRules, what: string): void => {
  const least = Math.max(minimum, MIN_COHORT);
  // Written so that NaN fails.
  if (!(count >= least))
    throw new FloeError('cohort_too_small', `expected at least ${least} ${what}, got ${count}`);
  if (!(count >= threshold))
    throw new FloeError('not_enough_shares', `expected ${threshold} ${what}, got ${count}`);
};

/**
 * Before uploading: this masked vector, made for these sharers, is the one of this attempt. The
 * same again is allowed.
 * @param upload.hash 32 bytes naming the masked blob. @param upload.sharers U1, ascending, with the
 *   participant itself.
 * @throws FloeError `mask_reuse` for a second, different one: the difference of two vectors under
 *   the same masks is the difference of two updates; `context_mismatch`, `survivors_inconsistent`,
 *   `cohort_too_small`, `not_enough_shares`.
 */
export const recordUpload = (
  state: GuardState,
  upload: {
    readonly context: Uint8Array;
    readonly hash: Uint8Array;
    readonly sharers: readonly Id[];
  },
  rules: GuardRules,
): GuardState => {
  requireContext(state, upload.context);
  requireBytes(upload.hash, HASH_BYTES, 'record_malformed', 'upload hash');
  requireSortedIds(upload.sharers, 'survivors_inconsistent', 'sharers');
  const hash = toHex(upload.hash);
  const sharers = upload.sharers.map(toHex);
  if (state.upload !== null) {
    if (state.upload.hash === hash && sameList(state.upload.sharers, sharers)) return state;
    throw new FloeError('mask_reuse', 'another vector was already masked for this attempt', {
      attempt: state.attempt,
    });
  }
  if (!sharers.includes(state.self))
    throw new FloeError('survivors_inconsistent', 'expected this participant among the sharers');
  requireQuorum(sharers.length, rules, 'sharers');
  return { ...state, upload: { hash, sharers } };
};

/** Refuses a peer on both lists, or on the other list than in the answer already given. */
const refuseBothKinds = (
  state: GuardState,
  survivors: readonly string[],
  dropped: readonly string[],
): void => {
  const asSelf = new Set([...survivors, ...(state.answer?.survivors ?? [])]);
  const asKey = [...dropped, ...(state.answer?.dropped ?? [])];
  const both = asKey.find((peer) => asSelf.has(peer));
  if (both !== undefined)
    throw new FloeError('both_secrets_requested', 'a peer is asked for both as alive and dropped', {
      author: both,
      attempt: state.attempt,
    });
};

/**
 * Decides what to release. Persist the returned state before releasing any of it.
 * @throws FloeError `context_mismatch`; `both_secrets_requested`, within the request or against the
 *   earlier answer; `already_answered` for another set than the one answered;
 *   `survivors_inconsistent` (lists out of order, not exactly the sharers masked for, without this
 *   participant or with another upload of it, or before any upload); `cohort_too_small`,
 *   `not_enough_shares`.
 */
export const answerUnmask = (
  state: GuardState,
  request: UnmaskRequest,
  rules: GuardRules,
): { readonly state: GuardState; readonly reveal: readonly Reveal[] } => {
  requireContext(state, request.context);
  requireSortedIds(request.survivors, 'survivors_inconsistent', 'survivors');
  requireSortedIds(request.dropped, 'survivors_inconsistent', 'dropped');
  const survivors = request.survivors.map(toHex);
  const dropped = request.dropped.map(toHex);
  refuseBothKinds(state, survivors, dropped);
  if (
    state.answer !== null &&
    !(sameList(state.answer.survivors, survivors) && sameList(state.answer.dropped, dropped))
  )
    throw new FloeError('already_answered', 'another survivor set was already answered', {
      attempt: state.attempt,
    });
  if (state.upload === null || state.upload.hash !== toHex(request.ownUpload))
    throw new FloeError('survivors_inconsistent', 'expected the upload that was recorded');
  if (!survivors.includes(state.self))
    throw new FloeError('survivors_inconsistent', 'expected this participant among the survivors');
  if (!sameList([...survivors, ...dropped].toSorted(), state.upload.sharers))
    throw new FloeError(
      'survivors_inconsistent',
      'expected survivors and dropped to be the sharers that were masked for',
    );
  requireQuorum(survivors.length, rules, 'survivors');
  return {
    state: { ...state, answer: { survivors, dropped } },
    reveal: [
      ...request.survivors.map((author) => ({ author, kind: 'self' as const })),
      ...request.dropped.map((author) => ({ author, kind: 'key' as const })),
    ],
  };
};

export interface ConsistencyInit {
  /** U, ascending. */
  readonly survivors: readonly Id[];
  readonly threshold: number;
  /** What each survivor signed: the hash of the survivor set as *this* participant computes it. */
  readonly survivorsHash: Uint8Array;
  readonly signatures: readonly { readonly signer: Id; readonly signature: Uint8Array }[];
  readonly verify: (signer: Id, message: Uint8Array, signature: Uint8Array) => boolean;
}

/**
 * The consistency round (Bonawitz et al. 2017, round 3), for a ledger that the coordinator alone
 * keeps: at least t distinct survivors signed this very set. Signatures that do not verify, or of
 * non-survivors, do not count.
 * @throws FloeError `survivors_inconsistent`.
 */
export const checkConsistency = (init: ConsistencyInit): void => {
  const { survivors, threshold, survivorsHash, signatures, verify } = init;
  requireSortedIds(survivors, 'survivors_inconsistent', 'survivors');
  if (signatures.length > MAX_COHORT)
    throw new FloeError('survivors_inconsistent', `got ${signatures.length} signatures`);
  const alive = new Set(survivors.map(toHex));
  const signers = new Set<string>();
  for (const { signer, signature } of signatures) {
    const hex = toHex(signer);
    if (alive.has(hex) && verify(signer, survivorsHash, signature)) signers.add(hex);
  }
  if (!(signers.size >= threshold))
    throw new FloeError(
      'survivors_inconsistent',
      `expected ${threshold} signatures over the same survivor set, got ${signers.size}`,
    );
};
