/**
 * @module The time limit after which a participant leaves a run that makes no progress, if its
 * operator sets one. The limit covers an unreachable coordinator, store, gate or ledger, and a
 * trainer that fails in every attempt. It does not cover a run that waits for other participants: a
 * participant with a healthy connection loses nothing by waiting. By default there is no limit.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import type { ParticipantEvent } from '../participant/index.ts';

/** The obstacles to progress: one event sets each, and others clear it. */
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

/** The cause of the wait, as text; undefined for other events. */
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
  /** Records progress and obstacles from an event. */
  note(event: ParticipantEvent): void;
  /** Stops the timer. */
  release(): void;
}

/**
 * Calls `end` once, with `no_progress`, when an obstacle has lasted for `afterMs` without
 * interruption.
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
