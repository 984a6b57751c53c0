/**
 * @module Long answers over HTTP, sent in pieces. The next piece is read only when the peer has
 * taken the previous one, so memory does not depend on the size of the answer. The number of open
 * answers is limited. At the limit, the address with the most open answers loses the one whose
 * reader has stalled longest: slow readers cannot lock others out, not even many of them.
 */
import type { Clock } from '../protocol/ports/clock.ts';
import { eventLoopTurn } from '../protocol/secagg/event-loop-turn.ts';
import { firstOfMost } from './addresses.ts';
import type { Limits } from './limits.ts';

/** Bytes of a piece. */
export const PIECE_BYTES = 64 << 10;

/** The next piece; undefined at the end. */
export type Pieces = () => Promise<Uint8Array | undefined>;

/** The reader of an answer. */
export interface Reader {
  /** The address that the answer counts under. */
  readonly address: string;
  /**
   * Ends its connection. An error of the stream would be printed, by the server library, for each
   * of them.
   */
  readonly hangUp: () => void;
}

export interface Answers {
  /** @param next is asked for one piece after the other */
  stream(next: Pieces, reader: Reader): ReadableStream<Uint8Array>;
  readonly open: number;
}

/** @param most of them at once */
export const createAnswers = (
  most: number,
  { answerTimeoutMs }: Pick<Limits, 'answerTimeoutMs'>,
  clock: Clock,
): Answers => {
  /** The one that has waited longest first. */
  const open = new Set<{ readonly address: string; readonly end: () => void }>();
  return {
    stream: (next, { address, hangUp }) => {
      let cancelTimer: (() => void) | undefined;
      const done = (): void => {
        cancelTimer?.();
        open.delete(own);
      };
      const end = (): void => {
        done();
        hangUp();
      };
      const own = { address, end };
      const touch = (): void => {
        done();
        if (open.size >= most) firstOfMost(open)?.end();
        open.add(own);
        cancelTimer = clock.at(clock.now() + answerTimeoutMs, end);
      };
      return new ReadableStream<Uint8Array>(
        {
          start: touch,
          pull: async (controller) => {
            if (!open.has(own)) return;
            touch();
            try {
              // A peer that takes all at once must not have all of it read within one turn of the
              // event loop.
              await eventLoopTurn();
              const piece = await next();
              // It may have given way in the meantime.
              if (!open.has(own)) return;
              if (piece !== undefined) return controller.enqueue(piece);
              done();
              controller.close();
            } catch (thrown) {
              done();
              throw thrown;
            }
          },
          cancel: done,
        },
        { highWaterMark: 1 },
      );
    },
    get open() {
      return open.size;
    },
  };
};
