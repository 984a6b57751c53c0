/**
 * @module The state of a participant in its run: its memory, and the phase of its attempt. Plain
 * values without secrets; a step replaces them. After Bonawitz et al. 2017, figure 4.
 */
import { NO_FAULTS, type FaultStreak } from '../../../protocol/own-faults.ts';
import { decodeRecordOf, type SignedRecord } from '../../../protocol/records/records.ts';
import { emptyView, type AttemptView } from '../../../protocol/rules/index.ts';
import type { Standing } from '../../../protocol/rules/one-set.ts';
import type { GuardState } from '../../../protocol/secagg/index.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import type { Skew } from '../../../protocol/clock-skew.ts';
import type { CommitEvidence } from '../../../protocol/verify/evidence.ts';
import { aheadAfterRestart, withoutLostUpdate, type Ahead } from './ahead-state.ts';
import type { CheckedCohort, CheckedSharers, OpenView, RunView } from './record-checks.ts';
import type { WorkType } from './work-types.ts';
import type { Memory, Vector } from './run-memory.ts';

/** An attempt that this participant has registered for. Nothing here need be saved. */
export interface Attempt {
  readonly open: SignedRecord<'open'>;
  readonly opened: OpenView;
  /** The records of the attempt that this participant was sent. */
  readonly view: AttemptView;
  /** Hashes (hex) of the records that the coordinator has journalled. */
  readonly acked: ReadonlySet<string>;
  /** The attempt that made the commit in the open record. */
  readonly evidence?: CommitEvidence;
  /**
   * The first cohort and survivors record that were shown, checked or not: a second, different one
   * is a breach.
   */
  readonly shown: {
    readonly cohort?: SignedRecord<'cohort'>;
    readonly survivors?: SignedRecord<'survivors'>;
  };
  /** Work that the host does for the attempt: none of a type is asked for twice at a time. */
  readonly busy: ReadonlySet<WorkType>;
}

/** The model is fetched while shares are made; the trainer starts once they have left. */
export type Training = 'none' | 'fetching' | 'fetched' | 'training' | 'trained';

interface InAttempt {
  readonly attempt: Attempt;
}

interface InCohort extends InAttempt {
  readonly cohort: CheckedCohort;
  /** What the members of the cohort state that they have answered on this model. */
  readonly standings: readonly Standing[];
  readonly training: Training;
}

export type Phase =
  /** In no attempt. */
  | { readonly type: 'idle' }
  /**
   * Of a buffered run: an Open record was accepted, and no update is ready to register with.
   * `evidence`: of the commit that it starts from, once it has come.
   */
  | {
      readonly type: 'preparing';
      readonly opened: OpenView;
      readonly evidence?: CommitEvidence | undefined;
    }
  /** An Open record was accepted; the registration is made next. */
  | {
      readonly type: 'opening';
      readonly opened: OpenView;
      readonly evidence?: CommitEvidence | undefined;
    }
  /** Registered; the cohort is awaited. `frame`: it came, and the ledger is asked about it. */
  | (InAttempt & {
      readonly type: 'registered';
      readonly frame?: Extract<ServerFrame, { type: 'cohort' }>;
    })
  /** In the cohort; the commit that the attempt starts from is checked. */
  | (InCohort & { readonly type: 'checking' })
  /** Masked: shares are made and sent; the sharers are awaited. */
  | (InCohort & { readonly type: 'sharing' })
  /** Entries opened, trained, masked, uploaded, in this order; the survivors are awaited. */
  | (InCohort & {
      readonly type: 'uploading';
      /** Undefined without masks. */
      readonly sharers: CheckedSharers | undefined;
      /** Made, and not saved yet. */
      readonly made?: { readonly vector: Vector; readonly guard: GuardState };
    })
  /** The survivor set was accepted. Masked: it is signed, and answered for when enough sign it. */
  | (InCohort & {
      readonly type: 'answering';
      readonly sharers: CheckedSharers | undefined;
      readonly survivors: SignedRecord<'survivors'>;
      /** What the guard has released for the answer that is being made. */
      readonly released?: GuardState;
    })
  /** Nothing more is done in this run. */
  | { readonly type: 'ended' };

export type PhaseType = Phase['type'];
export type PhaseOf<Type extends PhaseType> = Extract<Phase, { readonly type: Type }>;
/** A phase of an attempt that this participant has registered for. */
export type AttemptPhase = Extract<Phase, InAttempt>;
export type CohortPhase = Extract<Phase, InCohort>;

export interface State {
  readonly memory: Memory;
  /** The newest commit it was shown. */
  readonly commit: SignedRecord<'commit'> | undefined;
  readonly phase: Phase;
  /** Of a buffered run: the update that the next registration is for. It outlives attempts. */
  readonly ahead: Ahead;
  /** Updates in a row that were too old before they could be used. */
  readonly staleInARow: number;
  /**
   * Whether the frames of this session count: from a login that passed its checks to a frame that
   * cannot be read.
   */
  readonly online: boolean;
  /** Breaches that the coordinator's records have proven. */
  readonly breaches: number;
  /** Attempts in a row in which this program itself failed with one code. */
  readonly ownFaults: FaultStreak;
  /** How clocks differ, as the last login showed. */
  readonly skew: Skew | undefined;
}

export const attemptOf = (opened: OpenView): Attempt => ({
  open: opened.open,
  opened,
  view: opened,
  acked: new Set(),
  shown: {},
  busy: new Set(),
});

/** @param saved the memory as it was saved last; an attempt in it continues where it was left */
export const initialState = ({ spec, run, beacon }: RunView, saved: Memory): State => {
  const memory = withoutLostUpdate({ spec }, saved);
  const commit = memory.commit && decodeRecordOf('commit', memory.commit);
  const base = {
    memory,
    commit,
    ahead: aheadAfterRestart(memory),
    staleInARow: 0,
    online: false,
    breaches: 0,
    ownFaults: NO_FAULTS,
    skew: undefined,
  };
  if (memory.attempt === undefined) return { ...base, phase: { type: 'idle' } };
  // The record was checked before it was saved.
  const open = decodeRecordOf('open', memory.attempt.open);
  const view = emptyView({ spec, run, attempt: open.attempt, previous: commit, beacon });
  return { ...base, phase: { type: 'registered', attempt: attemptOf({ ...view, open }) } };
};

/** The attempt in progress, once this participant has registered. */
export const inAttempt = (phase: Phase): AttemptPhase | undefined =>
  'attempt' in phase ? phase : undefined;

export const inCohort = (phase: Phase): CohortPhase | undefined =>
  'cohort' in phase ? phase : undefined;

/** The number of the attempt in progress, also of one that is being opened. */
export const attemptNumber = (phase: Phase): number | undefined => {
  if (phase.type === 'opening' || phase.type === 'preparing') return phase.opened.open.attempt;
  return inAttempt(phase)?.attempt.open.attempt;
};

/** The same phase with these fields of its attempt replaced. */
export const withAttempt = <In extends AttemptPhase>(phase: In, fields: Partial<Attempt>): In => ({
  ...phase,
  attempt: { ...phase.attempt, ...fields },
});
