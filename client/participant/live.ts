/**
 * @module The round in progress as a participant knows it without its keystore.
 */
import { decodeClientFrame } from '../../protocol/messages.ts';
import type { SignedRecord } from '../../protocol/records.ts';
import type { GuardState } from '../../protocol/secagg/index.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import type { Standing } from '../../protocol/rules/one-set.ts';
import type { CheckedCohort, CheckedSharers } from './checks.ts';
import type { Kind, Trained } from './beside.ts';

/** What is known of the round in progress and need not be saved: the coordinator tells it again. */
export interface Live {
  readonly open: SignedRecord<'open'>;
  readonly stop: AbortController;
  readonly acked: Set<string>;
  cohort?: CheckedCohort;
  /** What the members of the cohort state that they have answered on this model. */
  standings?: readonly Standing[];
  sharers?: CheckedSharers;
  survivors?: SignedRecord<'survivors'>;
  trained?: Trained;
  /** Work that runs beside the frames. */
  readonly busy: Set<Kind>;
}

export const liveOf = (open: SignedRecord<'open'>): Live => ({
  open,
  stop: new AbortController(),
  acked: new Set(),
  busy: new Set(),
});

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
