/**
 * @module The effects that the machine requests from its host, as data. Records to append are
 * written in the transaction of the event that caused them; all other effects follow after it.
 */
import type { GroupFacts } from '../../protocol/robust/anomaly.ts';
import type { Anomaly, StepReport } from '../anomalies/rules.ts';
import type { ReportedMetric } from '../../protocol/algorithm/metrics.ts';
import type { encodeFrame } from '../../protocol/wire/messages.ts';
import type { ModelRef, SignedRecord } from '../../protocol/records/records.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { Hex, PhaseType, State } from './state.ts';

/** A frame without its version, as `encodeFrame` takes it. */
export type OutgoingFrame = Parameters<typeof encodeFrame>[0];

/** Long work; its result comes back as an event of the same attempt. */
export type Work =
  | {
      readonly type: 'wrap-model';
      readonly attempt: number;
      readonly model: ModelRef;
      /**
       * The newest commit, where the attempt's cohort checks it: the key of its bundle is wrapped
       * too.
       */
      readonly commit: SignedRecord<'commit'> | undefined;
      readonly readers: readonly Hex[];
    }
  | {
      readonly type: 'freeze-cohort';
      readonly attempt: number;
      readonly root: Uint8Array;
      readonly members: readonly Uint8Array[];
      readonly entropy: Uint8Array;
    }
  | { readonly type: 'fold'; readonly attempt: number; readonly record: SignedRecord<'upload'> }
  | {
      readonly type: 'freeze-survivors';
      readonly attempt: number;
      readonly hash: Uint8Array;
      readonly members: readonly Uint8Array[];
      readonly dataCommitment: Uint8Array;
    }
  | {
      readonly type: 'judge-complaint';
      readonly attempt: number;
      readonly record: SignedRecord<'complaint'>;
    }
  | { readonly type: 'finish'; readonly attempt: number }
  | {
      readonly type: 'register-model';
      readonly attempt: number;
      readonly commit: SignedRecord<'commit'>;
    };

/** Progress, for the command line, the simulator and the metrics. Times in ms, sizes in bytes. */
export type Progress =
  | {
      readonly type: 'attempt-opened';
      readonly attempt: number;
      /** Which of the run's rounds this attempt is for, from 1. */
      readonly version: number;
      readonly invited: number;
    }
  | {
      readonly type: 'phase';
      readonly attempt: number;
      readonly phase: PhaseType;
      /** How many this phase is about: invited, members, sharers, survivors... */
      readonly of: number;
      readonly time: number;
    }
  /** A buffered run: how many updates are ready, of those that a round takes. */
  | {
      readonly type: 'buffered';
      readonly attempt: number;
      readonly updates: number;
      readonly of: number;
      /** Of the invited, who is logged in. */
      readonly here: number;
    }
  | {
      readonly type: 'upload-folded';
      readonly attempt: number;
      readonly member: Hex;
      readonly bytes: number;
      readonly folded: number;
      readonly of: number;
    }
  | {
      readonly type: 'upload-rejected';
      readonly attempt: number;
      readonly member: Hex;
      readonly code: string;
    }
  | {
      readonly type: 'committed';
      readonly attempt: number;
      readonly version: number;
      readonly rounds: number;
      readonly cohort: number;
      readonly survivors: number;
      readonly weight: number;
      readonly clipped: number;
      /** In a buffered run: how many commits old each update of the cohort was, ascending. */
      readonly staleness?: readonly number[];
      /** Of the next attempt, where it is adaptive. */
      readonly clipNorm?: number;
      readonly metrics: readonly ReportedMetric[];
      readonly modelHash: Uint8Array;
      readonly uploadBytes: number;
      /** Duration of each phase of the attempt. */
      readonly phases: Readonly<Partial<Record<PhaseType, number>>>;
      /** Added by the host, which has the models: the machine knows only their hashes. */
      readonly step?: StepReport;
      readonly anomalies?: readonly Anomaly[];
    }
  | {
      readonly type: 'aborted';
      readonly attempt: number;
      readonly code: string;
      readonly reason: string;
      readonly culprits: readonly Hex[];
      readonly retryAt: number;
      /** The coordinator may know the sum. */
      readonly answered: boolean;
      /** The errors that participants reported, counted by code. */
      readonly reported: readonly { readonly code: string; readonly count: number }[];
    }
  /** A run in groups: what the mean of each says, and who is suspected over the rounds. */
  | {
      readonly type: 'groups';
      readonly attempt: number;
      readonly groups: readonly (GroupFacts & { readonly members: readonly Hex[] })[];
      /** Members whose groups deviate more than chance; a hint, and no proof. */
      readonly suspects: readonly Hex[];
    }
  /** The members of every one of several invalid sums; also in the Abort record. */
  | {
      readonly type: 'suspended';
      readonly attempt: number;
      readonly code: string;
      readonly members: readonly Hex[];
    }
  /**
   * No attempt can be opened with the members that are here: why, and what would resume the run.
   */
  | { readonly type: 'waiting'; readonly reason: string }
  /** `failure`: why it ended before its last round. */
  | { readonly type: 'finished'; readonly rounds: number; readonly failure?: ErrorCode };

export type Committed = Extract<Progress, { readonly type: 'committed' }>;

export type Effect =
  | { readonly type: 'append'; readonly record: SignedRecord }
  | {
      readonly type: 'send';
      /** Absent participants do not receive it now; `syncFrames` includes it when they return. */
      readonly to: readonly Hex[] | 'everyone';
      readonly frame: OutgoingFrame;
    }
  | { readonly type: 'work'; readonly work: Work }
  | { readonly type: 'publish'; readonly progress: Progress };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const send = (to: readonly Hex[] | 'everyone', frame: OutgoingFrame): Effect => ({
  type: 'send',
  to,
  frame,
});
export const append = (record: SignedRecord): Effect => ({ type: 'append', record });
export const publish = (progress: Progress): Effect => ({ type: 'publish', progress });
export const startWork = (work: Work): Effect => ({ type: 'work', work });

/** An error frame; the message is truncated to the limit of the frame. */
export const refusal = (
  to: Hex,
  code: ErrorCode,
  message: string,
  about: Uint8Array | undefined,
): Effect =>
  send([to], {
    type: 'error',
    code,
    message: message.slice(0, 1000),
    ...(about === undefined ? {} : { about }),
  });
