/**
 * @module The round in progress as a participant knows it without its keystore.
 */
import type { ModelContent } from '../../protocol/model/open-model.ts';
import { decodeClientFrame } from '../../protocol/wire/messages.ts';
import { decodeRecordOf, type SignedRecord } from '../../protocol/records/records.ts';
import { emptyView, type RoundView } from '../../protocol/rules/index.ts';
import type { GuardState, Party } from '../../protocol/secagg/index.ts';
import type { CommitEvidence } from '../../protocol/verify/evidence.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import type { Standing } from '../../protocol/rules/one-set.ts';
import type { CheckedCohort, CheckedSharers, OpenView, RunView } from './checks.ts';
import type { Kind, Trained } from './background-work.ts';

/** What is known of the round in progress and need not be saved: the coordinator tells it again. */
export interface Live {
  readonly open: SignedRecord<'open'>;
  readonly opened: OpenView;
  /** The records of the attempt that this participant was sent. */
  view: RoundView;
  readonly stop: AbortController;
  readonly acked: Set<string>;
  /** The round that made the commit in the open record. */
  evidence?: CommitEvidence;
  /** This participant has checked the commit in this round. */
  isChecked?: boolean;
  /** The round's model with its state, where the check of its commit gave it. */
  content?: ModelContent;
  /**
   * The first cohort and survivors record that were shown, checked or not: a second, different one
   * is a breach.
   */
  readonly shown: { cohort?: SignedRecord<'cohort'>; survivors?: SignedRecord<'survivors'> };
  cohort?: CheckedCohort;
  /** What the members of the cohort state that they have answered on this model. */
  standings?: readonly Standing[];
  /** With `cohort`: the agreed keys, each computed once. */
  party?: Party;
  sharers?: CheckedSharers;
  survivors?: SignedRecord<'survivors'>;
  trained?: Trained;
  /**
   * Resolves once the own shares were sent, or cannot be: a trainer may hold the event loop from
   * then on.
   */
  readonly shared: PromiseWithResolvers<void>;
  /** Work that runs beside the frames. */
  readonly busy: Set<Kind>;
}

export const liveOf = (view: OpenView): Live => ({
  open: view.open,
  opened: view,
  view,
  stop: new AbortController(),
  acked: new Set(),
  shown: {},
  shared: Promise.withResolvers(),
  busy: new Set(),
});

/** The view of an attempt whose Open record was saved; it was checked before that. */
export const openedView = (
  { spec, run, beacon }: RunView,
  bytes: Uint8Array,
  previous: SignedRecord<'commit'> | undefined,
): OpenView => {
  const open = decodeRecordOf('open', bytes);
  return { ...emptyView({ spec, run, round: open.round, previous, beacon }), open };
};

/** The keystore's own copy of the guard's state. */
export const guardOf = ({
  upload,
  answer,
  ...state
}: GuardState): NonNullable<RoundMemory['guard']> => ({
  ...state,
  upload: upload && { hash: upload.hash, sharers: [...upload.sharers] },
  answer: answer && { survivors: [...answer.survivors], dropped: [...answer.dropped] },
});

/** The signed record in a share frame this participant made. */
export const shareRecordOf = (bytes: Uint8Array): Uint8Array => {
  const frame = decodeClientFrame(bytes);
  if (frame.type !== 'share') throw new Error(`expected a share frame, got ${frame.type}`);
  return frame.record;
};
