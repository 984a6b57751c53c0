/**
 * @module Handles a disk that rejects writes (full, read-only or faulty). The run clock is paused,
 * and the write is repeated until it succeeds: a disk fault delays a run and does not end it.
 * Several pieces of work may wait for the same disk.
 */
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { sleep, type Clock } from '../protocol/ports/clock.ts';
import { STORAGE_ERRORS } from '../protocol/storage-errors.ts';
import { errorFields, type Logger } from './log.ts';
import { pauseAfter } from './attempt-work.ts';

export interface DiskHoldInit {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called when the run clock is paused. */
  readonly onHold: (error: FloeError) => void;
  /** Nothing waits for the disk any more. */
  readonly onRelease: () => void;
}

export interface DiskHold {
  /** Pauses the run clock until the returned function is called. */
  hold(error: FloeError): () => void;
  /**
   * Repeats a write while the disk rejects it.
   * @throws the error of the write, unless it is a fault of the disk
   */
  persist(write: () => Promise<void>): Promise<void>;
  /** The error that the run waits on while its disk rejects writes; otherwise undefined. */
  readonly held: FloeError | undefined;
}

export const createDiskHold = (init: DiskHoldInit): DiskHold => {
  const { clock, log, signal } = init;
  const holds = new Set<FloeError>();

  const hold = (error: FloeError): (() => void) => {
    const own = new FloeError(error.code, error.message, error.details, { cause: error });
    if (holds.size === 0) {
      log.error(errorFields(error), 'the run is paused until the disk accepts writes');
      init.onHold(error);
    }
    holds.add(own);
    return () => {
      if (!holds.delete(own) || holds.size > 0 || signal.aborted) return;
      init.onRelease();
      log.info({}, 'the disk takes writes again');
    };
  };

  return {
    hold,
    persist: async (write) => {
      let release: (() => void) | undefined;
      try {
        for (let failures = 1; ; failures += 1) {
          try {
            return await write();
          } catch (thrown) {
            const error = toFloeError(thrown);
            if (!STORAGE_ERRORS.has(error.code)) throw error;
            release ??= hold(error);
            await sleep(clock, pauseAfter(failures), signal);
          }
        }
      } finally {
        release?.();
      }
    },
    get held() {
      const [first] = holds;
      return first;
    },
  };
};
