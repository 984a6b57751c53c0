/**
 * @module The state of a run as the coordinator sees it: plain, immutable data without secrets and without vectors. Identities
 * are lower-case hex here, so that they can be keys of maps; their order is the byte order of the keys.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { ModelRef, SignedRecord } from '../../protocol/records.ts';
import type { MachineConfig } from './config.ts';
import type { Tried } from './spending.ts';

/** Ed25519 public key, 64 lower-case hex digits. */
export type Hex = string;

interface Timed<Type extends string> {
  readonly type: Type;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** A phase in which the participants answer, or the host works: it ends at the deadline, whatever happens. */
interface Bounded<Type extends string> extends Timed<Type> {
  readonly deadline: number;
}

export type AnswerPhase = 'register' | 'share' | 'upload' | 'consistency' | 'unmask';
export type WorkPhase = 'opening' | 'freezing-cohort' | 'freezing-survivors' | 'finishing';

export type Phase =
  | (Timed<'waiting'> & { readonly until: number; readonly reason?: string })
  | { [Type in AnswerPhase | WorkPhase]: Bounded<Type> }[AnswerPhase | WorkPhase]
  | Timed<'registering'>
  | Timed<'finished'>;
export type PhaseType = Phase['type'];

export interface Presence {
  readonly present: boolean;
  /** When it came or went, ms. */
  readonly since: number;
}

/** An upload is accepted (in the journal), then folded into the sum, or rejected with the reason's code. */
export interface Upload {
  readonly record: SignedRecord<'upload'>;
  readonly status: 'accepted' | 'folded' | 'rejected';
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

/** One attempt at a round; what is not there yet is undefined or empty. */
export interface Round {
  readonly round: number;
  readonly invited: readonly Hex[];
  readonly withdrawn: ReadonlyMap<Hex, string>;
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
  /** Who was here when the survivors were frozen: before anything was opened. */
  readonly witnesses: ReadonlySet<Hex>;
  readonly consistent: ReadonlyMap<Hex, SignedRecord<'consistent'>>;
  readonly unmasks: ReadonlyMap<Hex, SignedRecord<'unmask'>>;
  /** The sealed answers that the unmask records name. */
  readonly answers: ReadonlyMap<Hex, Uint8Array>;
  /** Signed, in the transcript only when the ledger holds the model. */
  readonly commit: SignedRecord<'commit'> | undefined;
  /** When each phase of this attempt began. */
  readonly times: readonly (readonly [PhaseType, number])[];
}

/** What the cohort of the next round checks the newest commit with. */
export interface Evidence {
  readonly commit: SignedRecord<'commit'>;
  /** Its round's records as the `evidence` frame holds them. */
  readonly records: readonly Uint8Array[];
}

export interface State {
  readonly phase: Phase;
  /** A round opens at once when this many are logged in. */
  readonly startWith: number;
  /** The number of the last attempt: the `round` of its records. */
  readonly attempt: number;
  /** Rounds committed so far; the run ends at `spec.rounds`. */
  readonly committed: number;
  /** Failed attempts since the last commit. */
  readonly failures: number;
  /** The newest model; undefined before the run is started. */
  readonly model: ModelRef | undefined;
  /** R: what the last commit opened, 32 bytes; R_0 before the first. See protocol/ledger/beacon.ts. */
  readonly beacon: Uint8Array;
  /** Who was here before `beacon` was known, and may be drawn by it. */
  readonly drawn: ReadonlySet<Hex>;
  /** Attempts on the newest model in which members may have been summed. */
  readonly tried: readonly Tried[];
  /** Who has said that it has answered on the newest model, and sits out. */
  readonly sitting: ReadonlySet<Hex>;
  /** Proven to have broken the protocol; not invited again. */
  readonly excluded: ReadonlySet<Hex>;
  /** Those of the excluded against whom a complaint stands as proof, which every member can judge. */
  readonly proven: ReadonlySet<Hex>;
  /** Who is here, and those gone who are invited to the present round or have been in a cohort. */
  readonly participants: ReadonlyMap<Hex, Presence>;
  /** Who has been in a cohort; the members of the latest cohorts are at the end. */
  readonly places: ReadonlySet<Hex>;
  /** The last registration of everyone who ever registered. */
  readonly registered: ReadonlyMap<Hex, SignedRecord<'register'>>;
  /** After a restart of the coordinator nobody counts as gone before this time, ms: all must reconnect. */
  readonly patience: number;
  readonly round: Round | undefined;
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
  model: undefined,
  beacon: new Uint8Array(32),
  drawn: new Set(),
  tried: [],
  sitting: new Set(),
  excluded: new Set(),
  proven: new Set(),
  participants: new Map(),
  places: new Set(),
  registered: new Map(),
  patience: 0,
  round: undefined,
  closing: undefined,
  evidence: undefined,
};

export const emptyRound = (round: number, invited: readonly Hex[]): Round => ({
  round,
  invited,
  withdrawn: new Map(),
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
  witnesses: new Set(),
  consistent: new Map(),
  unmasks: new Map(),
  answers: new Map(),
  commit: undefined,
  times: [],
});

/** Who is here and not excluded. */
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

/** Who may upload: U1 with masks, the cohort without. */
export const uploaders = (round: Round): readonly Hex[] =>
  round.sharers?.body.members.map(toHex) ?? round.members;

export const survivorsOf = (round: Round): readonly Hex[] =>
  round.survivors?.body.members.map(toHex) ?? [];

/** Fewest answers of any phase after the cohort: of a batch, all. */
export const quorum = ({ spec }: MachineConfig, round: Round): number =>
  spec.selection === 'batches'
    ? round.invited.length
    : Math.max(spec.cohort.minimum, round.cohort?.body.threshold ?? 0);

/** The code of an attempt that ends for too few. */
export const tooFewCode = ({ spec }: MachineConfig): 'batch_incomplete' | 'cohort_too_small' =>
  spec.selection === 'batches' ? 'batch_incomplete' : 'cohort_too_small';

/** The participants whose answer this phase still waits for. */
export const awaited = ({ phase, round }: State): readonly Hex[] => {
  if (round === undefined) return [];
  const missing = (keys: readonly Hex[], answers: ReadonlyMap<Hex, unknown>): Hex[] =>
    keys.filter((key) => !answers.has(key) && !round.withdrawn.has(key));
  switch (phase.type) {
    case 'register':
      return missing(round.invited, round.registers);
    case 'share':
      return missing(round.members, round.shares);
    case 'upload':
      return missing(uploaders(round), round.uploads);
    case 'consistency':
      return missing(survivorsOf(round), round.consistent);
    case 'unmask':
      return missing(survivorsOf(round), round.unmasks);
    default:
      return [];
  }
};

/** When a participant that is away stops being waited for; undefined while it is here. */
export const goneAt = (config: MachineConfig, state: State, key: Hex): number | undefined => {
  const presence = state.participants.get(key);
  if (presence?.present === true) return undefined;
  return Math.max(state.patience, (presence?.since ?? 0) + config.spec.deadlines.grace * 1000);
};

/** Whether everyone still awaited has been away for the grace time. */
export const nobodyLeft = (config: MachineConfig, state: State, now: number): boolean =>
  awaited(state).every((key) => {
    const gone = goneAt(config, state, key);
    return gone !== undefined && gone <= now;
  });
