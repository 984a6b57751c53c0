/**
 * @module How long a participant waits for what it cannot reach, where its operator sets a bound:
 * the coordinator, or its own store, gate or ledger. A trainer that fails in every attempt counts
 * alike. A run that stands still because others are missing does not: with a connection that is
 * healthy the participant loses nothing by waiting, and nobody gains by its leaving. Unless told,
 * it waits for as long as the run stands.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import type { ParticipantEvent } from '../participant/index.ts';

/** What stands in this participant's way: each is set by one event and cleared by others. */
type Obstacle = 'coordinator' | 'store' | 'gate' | 'ledger' | 'keystore' | 'trainer' | 'attempt';

const obstacleOf = (event: ParticipantEvent): Obstacle | undefined => {
  switch (event.type) {
    case 'reconnecting':
      return 'coordinator';
    case 'waiting':
      return event.port;
    case 'withdrawn':
      return 'attempt';
    default:
      return undefined;
  }
};

/** Which obstacles an event shows to be gone: a trained model was opened, so the gate answers. */
const clearedBy = (event: ParticipantEvent): readonly Obstacle[] => {
  switch (event.type) {
    case 'connected':
      return ['coordinator'];
    case 'answers-again':
      return [event.port];
    case 'checked':
      return ['gate'];
    case 'trained':
      return ['gate', 'trainer'];
    case 'uploaded':
      return ['store', 'gate', 'trainer', 'attempt'];
    case 'unmasked':
    case 'committed':
      return ['store', 'gate', 'ledger', 'keystore', 'trainer', 'attempt'];
    default:
      return [];
  }
};

/** What it waits for, in words; undefined for what does not say. */
const causeOf = (event: ParticipantEvent): string | undefined => {
  switch (event.type) {
    case 'reconnecting':
      return `the coordinator: ${event.error.code}: ${event.error.message}`;
    case 'waiting':
      return `the ${event.port}: ${event.error.code}: ${event.error.message}`;
    case 'withdrawn':
      return `another attempt: ${event.error.code}: ${event.error.message}`;
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
 * Calls `end` once, with `no_progress`, when something has stood in the way for `afterMs` on end.
 *
 * @param afterMs milliseconds
 */
export const giveUpAfter = (
  afterMs: number,
  clock: Clock,
  end: (error: FloeError) => void,
): GiveUp => {
  // It is not connected yet.
  const obstacles = new Set<Obstacle>(['coordinator']);
  let cause = 'the coordinator, which was not reached';
  let cancel: (() => void) | undefined;
  const stop = (): void => {
    cancel?.();
    cancel = undefined;
  };
  const count = (): void => {
    cancel ??= clock.after(afterMs, () =>
      end(
        new FloeError(
          'no_progress',
          `no progress for ${Math.round(afterMs / 1000)} s; it waited for ${cause}`,
        ),
      ),
    );
  };
  count();
  return {
    note: (event) => {
      const obstacle = obstacleOf(event);
      if (obstacle !== undefined) obstacles.add(obstacle);
      for (const gone of clearedBy(event)) obstacles.delete(gone);
      cause = causeOf(event) ?? cause;
      if (obstacles.size === 0) stop();
      else count();
    },
    release: stop,
  };
};
