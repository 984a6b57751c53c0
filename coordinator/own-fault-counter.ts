/**
 * @module Counts work that fails through a fault of this program, in consecutive attempts. After
 * the limit the coordinator stops and keeps its state, and a fixed version can resume the run.
 * Uploads of a few participants must not be able to stop a run: an upload that cannot be folded
 * counts only when a minimum cohort of senders causes the same fault.
 */
import { createOwnFaults, isOwnFault } from '../protocol/own-faults.ts';
import { toHex } from '../protocol/bytes.ts';
import type { ErrorCode, FloeError } from '../protocol/errors.ts';
import type { EventBody, Work } from './machine/index.ts';

export interface WorkFaults {
  /** @returns what to stop with */
  note(work: Work, event: EventBody): FloeError | undefined;
  /** An attempt was committed. */
  forget(): void;
}

/** @param minimum size of the smallest cohort */
export const createWorkFaults = (minimum: number): WorkFaults => {
  const faults = createOwnFaults();
  let folding: { readonly attempt: number; readonly senders: Set<string> } | undefined;
  return {
    note: (work, event) => {
      if (event.type !== 'work-failed' && event.type !== 'upload-rejected') return undefined;
      // A complaint is one participant's record.
      if (work.type === 'judge-complaint' || !isOwnFault(event.code)) return undefined;
      if (event.type === 'upload-rejected') {
        if (folding?.attempt !== work.attempt)
          folding = { attempt: work.attempt, senders: new Set() };
        folding.senders.add(toHex(event.member));
        if (folding.senders.size < minimum) return undefined;
      }
      return faults.note(work.attempt, event.code as ErrorCode, `${work.type}: ${event.reason}`);
    },
    forget: () => faults.forget(),
  };
};
