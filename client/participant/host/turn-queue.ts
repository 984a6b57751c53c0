/**
 * @module Turns: frames and finished work, one at a time in the order of arrival. Frames that wait
 * are counted, so that a coordinator that sends faster than they are handled is cut off.
 */
import { FloeError, toFloeError } from '../../../protocol/errors.ts';
import { MAX_FRAME_BYTES } from '../../../protocol/wire/messages.ts';

/** Frames, and bytes of them, that may wait for their turn. */
const MAX_WAITING = 1024;
const MAX_WAITING_BYTES = 4 * MAX_FRAME_BYTES;

export interface Turns {
  /**
   * Counts a frame of so many bytes as waiting.
   * @returns `rate_limited` where too much waits already, and then it is not counted
   */
  admit(size: number): FloeError | undefined;
  /** The frame waits no more. */
  release(size: number): void;
  /** Does the work after all that came before; nothing is done once `signal` has aborted. */
  enqueue(work: () => Promise<void>): void;
  /** Resolves once all the work so far is done. */
  idle(): Promise<void>;
}

/** @param onFailure is given what the work throws */
export const createTurns = (signal: AbortSignal, onFailure: (error: FloeError) => void): Turns => {
  let queue: Promise<void> = Promise.resolve();
  let waiting = 0;
  let waitingBytes = 0;

  const release = (size: number): void => {
    waiting -= 1;
    waitingBytes -= size;
  };

  const afterwards = async (earlier: Promise<void>, work: () => Promise<void>): Promise<void> => {
    await earlier;
    if (signal.aborted) return;
    try {
      await work();
    } catch (thrown) {
      onFailure(toFloeError(thrown));
    }
  };

  return {
    admit: (size) => {
      waiting += 1;
      waitingBytes += size;
      if (waiting <= MAX_WAITING && waitingBytes <= MAX_WAITING_BYTES) return undefined;
      release(size);
      return new FloeError(
        'rate_limited',
        `${waiting} frames of ${waitingBytes} bytes are waiting`,
      );
    },
    release,
    enqueue: (work) => {
      queue = afterwards(queue, work);
    },
    idle: () => queue,
  };
};
