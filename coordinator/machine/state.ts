/**
 * @module The state of a run on the coordinator's side: plain, immutable data without secrets and
 * vectors. Identities are lower-case hex, because they are keys of maps; their order is the byte
 * order of the keys.
 */
import { FIRST_MEAN_EXAMPLES } from '../../protocol/encoding/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { ModelRef, SignedRecord } from '../../protocol/records/records.ts';
import { EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import type { RunHistory } from '../../protocol/rules/run-history.ts';
import type { Draw } from '../../protocol/rules/selection.ts';
import type { MachineConfig } from './config.ts';
import { NO_EARLIER_MODELS, type EarlierModels } from './earlier-models.ts';
import type { Hex } from './hex.ts';
import type { Tried } from './tried.ts';

export type { Hex } from './hex.ts';

export interface Presence {
  readonly present: boolean;
  /** When it came or went, ms. */
  readonly since: number;
}

/**
 * An upload is accepted (in the journal), then folded into the sum, or rejected with the reason's
 * code.
 */
export interface Upload {
  readonly record: SignedRecord<'upload'>;
  readonly status: 'accepted' | 'folded' | 'rejected';
  /** Milliseconds from the beginning of the phase to its record. */
  readonly took: number;
  readonly code?: string;
}

export interface Shared {
  readonly record: SignedRecord<'share'>;
  readonly entries: readonly Uint8Array[];
}

export interface Complained {
  readonly record: SignedRecord<'complaint'>;
  readonly judged: boolean;
}

/** One attempt at a round. Fields that are not known yet are undefined or empty. */
export interface Attempt {
  readonly attempt: number;
  readonly invited: readonly Hex[];
  /** They have answered for a larger set on this model, and are asked for a group of it. */
  readonly isGroup: boolean;
  /** What R drew them from; undefined before the first commit. */
  readonly draw?: Draw;
  readonly withdrawn: ReadonlyMap<Hex, string>;
  /** The trainer errors that withdrawn members report. */
  readonly details: ReadonlyMap<Hex, string>;
  /** The services that participants wait for, see causes.ts; `changes` counts new reports. */
  readonly reports: ReadonlyMap<
    Hex,
    { readonly code?: string | undefined; readonly changes: number }
  >;
  readonly open: SignedRecord<'open'> | undefined;
  readonly registers: ReadonlyMap<Hex, SignedRecord<'register'>>;
  /** The cohort, ascending. */
  readonly members: readonly Hex[];
  readonly cohort: SignedRecord<'cohort'> | undefined;
  readonly context: Uint8Array | undefined;
  readonly shares: ReadonlyMap<Hex, Shared>;
  readonly sharers: SignedRecord<'sharers'> | undefined;
  /** By complainer. */
  readonly complaints: ReadonlyMap<Hex, Complained>;
  readonly uploads: ReadonlyMap<Hex, Upload>;
  readonly survivors: SignedRecord<'survivors'> | undefined;
  /** Members that were present in a phase of the attempt and did not answer before its end. */
  readonly silent: ReadonlySet<Hex>;
  /**
   * Fixed with the survivors, before anything is opened: the participants that the next R may draw,
   * ascending.
   */
  readonly eligible: readonly Hex[];
  readonly consistent: ReadonlyMap<Hex, SignedRecord<'consistent'>>;
  readonly unmasks: ReadonlyMap<Hex, SignedRecord<'unmask'>>;
  /** The sealed answers that the unmask records name. */
  readonly answers: ReadonlyMap<Hex, Uint8Array>;
  /** Signed, in the transcript only when the ledger holds the model. */
  readonly commit: SignedRecord<'commit'> | undefined;
  /** When each phase of this attempt began. */
  readonly times: readonly (readonly [PhaseType, number])[];
}

/** An attempt with an accepted Open record. */
export interface Opened extends Attempt {
  readonly open: SignedRecord<'open'>;
}

/** An attempt whose cohort is frozen. */
export interface Frozen extends Opened {
  readonly cohort: SignedRecord<'cohort'>;
  readonly context: Uint8Array;
}

/** An attempt whose survivors are frozen. */
export interface Survived extends Frozen {
  readonly survivors: SignedRecord<'survivors'>;
}

/** An attempt whose commit is signed. */
export interface Committing extends Survived {
  readonly commit: SignedRecord<'commit'>;
}

interface Timed<Type extends string> {
  readonly type: Type;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/**
 * A phase in which the participants answer or the host works. It ends at the deadline at the
 * latest.
 */
interface Bounded<Type extends string, In extends Attempt> extends Timed<Type> {
  readonly deadline: number;
  /** Since when answers are timed, where that is not `since`: the coordinator was started again. */
  readonly timedFrom?: number;
  readonly attempt: In;
}

/** The type of the attempt in each phase that ends at a deadline. */
interface AttemptIn {
  opening: Attempt;
  register: Opened;
  'freezing-cohort': Opened;
  share: Frozen;
  upload: Frozen;
  'freezing-survivors': Frozen;
  consistency: Survived;
  unmask: Survived;
  finishing: Survived;
}

/** The phases of an attempt that end at a deadline. */
export type BoundedPhase = {
  [Type in keyof AttemptIn]: Bounded<Type, AttemptIn[Type]>;
}[keyof AttemptIn];

/** The phases of an attempt. */
export type AttemptPhase = BoundedPhase | (Timed<'registering'> & { readonly attempt: Committing });

/** The phases between attempts, and after the last one. */
export type IdlePhase =
  | (Timed<'waiting'> & {
      readonly until: number;
      readonly reason?: string;
      /** The reason for a long pause: one cause stopped all members, attempt after attempt. */
      readonly pause?: string;
    })
  | Timed<'finished'>;

export type Phase = AttemptPhase | IdlePhase;
export type PhaseType = Phase['type'];
export type AnswerPhase = 'register' | 'share' | 'upload' | 'consistency' | 'unmask';

/** The phase of this type. */
export type PhaseOf<Type extends PhaseType> = Extract<Phase, { readonly type: Type }>;

/** The evidence with which the cohort of the next round checks the newest commit. */
export interface Evidence {
  readonly commit: SignedRecord<'commit'>;
  /** Its attempt's records as the `evidence` frame holds them. */
  readonly records: readonly Uint8Array[];
}

/** Attempts in a row that failed for one cause that participants reported. */
export interface Streak {
  readonly code: ErrorCode;
  readonly attempts: number;
  /** It met each one that was here, in each of them. */
  readonly everybody: boolean;
  /**
   * The trainer error that all affected members of the newest attempt report, if it is the same.
   */
  readonly detail?: string;
}

export interface State {
  readonly phase: Phase;
  /** An attempt opens at once when this many are logged in. */
  readonly startWith: number;
  /** The number of the last attempt: as in its records. */
  readonly attempt: number;
  /** Rounds committed so far; the run ends at `spec.rounds`. */
  readonly committed: number;
  /** Failed attempts since the last commit. */
  readonly failures: number;
  /** The last attempts, if all failed for one cause at all members. */
  readonly streak: Streak | undefined;
  /** Why the run has ended before its last round. */
  readonly failure: ErrorCode | undefined;
  /** The newest model; undefined before the run is started. */
  readonly model: ModelRef | undefined;
  /**
   * R, revealed by the last commit, 32 bytes; R_0 before the first. See protocol/rules/beacon.ts.
   */
  readonly beacon: Uint8Array;
  /** From the last commit; initial value before the first. See encoding/weight-scale.ts. */
  readonly meanExamples: number;
  /** C of the next attempts, from the last commit of a run that adapts it. */
  readonly clipNorm?: number;
  /** The set that was fixed before `beacon` was known, from which it draws. */
  readonly drawn: ReadonlySet<Hex>;
  /** The attempts so far, as far as the draw depends on them. */
  readonly history: RunHistory;
  /**
   * Participants that were present when they last missed an attempt, and have finished none since.
   * Each costs the others a deadline.
   */
  readonly silent: ReadonlySet<Hex>;
  /** Attempts on the newest model in which members may have been summed. */
  readonly tried: readonly Tried[];
  /** Models before the newest, which can come again. */
  readonly earlier: EarlierModels;
  /** Participants that have stated an answer on the newest model and therefore do not take part. */
  readonly sitting: ReadonlySet<Hex>;
  /** Proven to have broken the protocol; not invited again. */
  readonly excluded: ReadonlySet<Hex>;
  /** Those of the excluded against whom an Abort holds proof, which every member can judge. */
  readonly proven: ReadonlySet<Hex>;
  /**
   * Aborts on the newest model that show lies. Everybody who logs in is sent them: without them it
   * would answer for no set that leaves a liar out.
   */
  readonly proofs: readonly SignedRecord<'abort'>[];
  /**
   * Present participants, and absent ones that are invited to this attempt or have been in a
   * cohort.
   */
  readonly participants: ReadonlyMap<Hex, Presence>;
  /** Participants that have been in a cohort; members of the latest cohorts are at the end. */
  readonly places: ReadonlySet<Hex>;
  /** The last registration of each identity, of as many as are remembered; see places.ts. */
  readonly registered: ReadonlyMap<Hex, SignedRecord<'register'>>;
  /**
   * After a restart of the coordinator, no participant counts as gone before this time, ms: all
   * must first reconnect.
   */
  readonly patience: number;
  /** The commit or abort that ended the last attempt. */
  readonly closing: SignedRecord<'commit' | 'abort'> | undefined;
  /** Of the newest commit; undefined before it, and without masks. */
  readonly evidence: Evidence | undefined;
}

export const initialState: State = {
  phase: { type: 'waiting', since: 0, until: 0 },
  startWith: 0,
  attempt: 0,
  committed: 0,
  failures: 0,
  streak: undefined,
  failure: undefined,
  model: undefined,
  beacon: new Uint8Array(32),
  meanExamples: FIRST_MEAN_EXAMPLES,
  drawn: new Set(),
  history: EMPTY_HISTORY,
  silent: new Set(),
  tried: [],
  earlier: NO_EARLIER_MODELS,
  sitting: new Set(),
  excluded: new Set(),
  proven: new Set(),
  proofs: [],
  participants: new Map(),
  places: new Set(),
  registered: new Map(),
  patience: 0,
  closing: undefined,
  evidence: undefined,
};

export const emptyAttempt = (attempt: number, invited: readonly Hex[]): Attempt => ({
  attempt,
  invited,
  isGroup: false,
  withdrawn: new Map(),
  details: new Map(),
  reports: new Map(),
  open: undefined,
  registers: new Map(),
  members: [],
  cohort: undefined,
  context: undefined,
  shares: new Map(),
  sharers: undefined,
  complaints: new Map(),
  uploads: new Map(),
  survivors: undefined,
  silent: new Set(),
  eligible: [],
  consistent: new Map(),
  unmasks: new Map(),
  answers: new Map(),
  commit: undefined,
  times: [],
});

/** The attempt in progress. */
export const attemptOf = ({ phase }: Pick<State, 'phase'>): Attempt | undefined =>
  'attempt' in phase ? phase.attempt : undefined;

/** What changes in an attempt while its phase lasts: never the records that a phase rests on. */
export type AttemptChange = Partial<
  Omit<Attempt, 'attempt' | 'open' | 'cohort' | 'context' | 'survivors' | 'commit'>
>;

const changed = <In extends AttemptPhase>(phase: In, change: AttemptChange): In => ({
  ...phase,
  attempt: { ...phase.attempt, ...change },
});

/** The state with a change to the current attempt; unchanged without one. */
export const withChange = (state: State, change: AttemptChange): State =>
  'attempt' in state.phase ? { ...state, phase: changed(state.phase, change) } : state;

/** Present participants that are not excluded. */
export const eligible = (state: State): Hex[] =>
  [...state.participants]
    .filter(([key, { present }]) => present && !state.excluded.has(key))
    .map(([key]) => key);

/** Copy of a map with one entry set. */
export const withEntry = <Value>(
  map: ReadonlyMap<Hex, Value>,
  key: Hex,
  value: Value,
): ReadonlyMap<Hex, Value> => new Map(map).set(key, value);

export const isMasked = ({ spec }: MachineConfig): boolean => spec.secagg === 'masked';

/** The members that may upload: U1 with masks, the cohort without. */
export const uploaders = (attempt: Attempt): readonly Hex[] =>
  attempt.sharers?.body.members.map(toHex) ?? attempt.members;

export const survivorsOf = (attempt: Attempt): readonly Hex[] =>
  attempt.survivors?.body.members.map(toHex) ?? [];

/** The participants whose answer this phase still waits for. */
export const awaited = ({ phase }: Pick<State, 'phase'>): readonly Hex[] => {
  if (!('attempt' in phase)) return [];
  const { attempt } = phase;
  const missing = (keys: readonly Hex[], answers: ReadonlyMap<Hex, unknown>): Hex[] =>
    keys.filter((key) => !answers.has(key) && !attempt.withdrawn.has(key));
  switch (phase.type) {
    case 'register':
      return missing(attempt.invited, attempt.registers);
    case 'share':
      return missing(attempt.members, attempt.shares);
    case 'upload':
      return missing(uploaders(attempt), attempt.uploads);
    case 'consistency':
      return missing(survivorsOf(attempt), attempt.consistent);
    case 'unmask':
      return missing(survivorsOf(attempt), attempt.unmasks);
    default:
      return [];
  }
};

/** The present participants among those that this phase waits for. */
export const silentNow = (state: State): readonly Hex[] =>
  awaited(state).filter((key) => state.participants.get(key)?.present === true);

/** When the phase stops waiting for an absent participant; undefined while it is present. */
export const goneAt = (config: MachineConfig, state: State, key: Hex): number | undefined => {
  const presence = state.participants.get(key);
  if (presence?.present === true) return undefined;
  return Math.max(state.patience, (presence?.since ?? 0) + config.spec.deadlines.grace * 1000);
};

/** Whether all participants that the phase waits for have been absent for the grace time. */
export const nobodyLeft = (config: MachineConfig, state: State, now: number): boolean =>
  awaited(state).every((key) => {
    const gone = goneAt(config, state, key);
    return gone !== undefined && gone <= now;
  });
