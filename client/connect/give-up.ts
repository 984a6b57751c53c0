/**
 * @module How long a participant waits without any progress, where whoever starts it sets a bound:
 * the connection, the store, the gate and the ledger count alike, and so does a run that stands
 * still. Unless told, it waits for as long as the run stands.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import type { ParticipantEvent } from '../participant/index.ts';

/** What shows that the run moves on with this participant or without it. */
const PROGRESS: ReadonlySet<ParticipantEvent['type']> = new Set([
  'registered',
  'joined',
  'checked',
  'training',
  'trained',
  'uploaded',
  'unmasked',
  'committed',
  'answers-again',
]);

/** What it waits for, in words; undefined for what does not say. */
const causeOf = (event: ParticipantEvent): string | undefined => {
  switch (event.type) {
    case 'reconnecting':
      return `the coordinator: ${event.error.code}: ${event.error.message}`;
    case 'waiting':
      return `the ${event.port}: ${event.error.code}: ${event.error.message}`;
    case 'withdrawn':
      return `another attempt: ${event.error.code}: ${event.error.message}`;
    case 'aborted':
      return `another attempt: ${event.code}: ${event.reason}`;
    default:
      return undefined;
  }
};

export interface GiveUp {
  /** Takes note of progress, and of what is waited for. */
  note(event: ParticipantEvent): void;
  /** Nothing is waited for any more. */
  release(): void;
}

/**
 * Calls `end` once, with `no_progress`, when nothing has moved for `afterMs`.
 *
 * @param afterMs milliseconds
 */
export const giveUpAfter = (
  afterMs: number,
  clock: Clock,
  end: (error: FloeError) => void,
): GiveUp => {
  let cause = 'the coordinator, which has opened no round';
  let cancel: (() => void) | undefined;
  const wait = (): void => {
    cancel?.();
    cancel = clock.at(clock.now() + afterMs, () =>
      end(
        new FloeError(
          'no_progress',
          `no progress for ${Math.round(afterMs / 1000)} s; it waited for ${cause}`,
        ),
      ),
    );
  };
  wait();
  return {
    note: (event) => {
      cause = event.type === 'connected' ? 'the next round' : (causeOf(event) ?? cause);
      if (!PROGRESS.has(event.type)) return;
      cause = 'the next round';
      wait();
    },
    release: () => cancel?.(),
  };
};
