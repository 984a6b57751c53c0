/**
 * @module Collects what the simulator sees of single participants, by attempt.
 */
import type { ScenarioEvent } from '../events.ts';
import { ARRIVALS, type Answer, type Observation, type TrainingSeen } from './observations.ts';

export interface ParticipantObserver {
  readonly trained: (participant: number, seen: TrainingSeen) => void;
  /** An answer of an attempt arrives at that ms of virtual time. */
  readonly arrived: (participant: number, attempt: number, answer: Answer, at: number) => void;
  readonly onEvent: (event: ScenarioEvent) => void;
  /** By attempt, then participant. */
  readonly all: () => readonly Observation[];
}

const sorted = (all: Iterable<Observation>): readonly Observation[] =>
  [...all].toSorted((a, b) => a.attempt - b.attempt || a.participant - b.participant);

/**
 * @param earlier those of the part of the run before
 * @param keep takes those that a commit has settled, once each
 */
export const createObserver = (
  earlier: readonly Observation[] = [],
  keep: (settled: readonly Observation[]) => void = () => undefined,
  {
    elapsed = () => undefined,
    attackOf = () => undefined,
  }: {
    /** Ms of virtual time, where there is one. */
    readonly elapsed?: () => number | undefined;
    readonly attackOf?: (participant: number) => string | undefined;
  } = {},
): ParticipantObserver => {
  const settled: Observation[] = [...earlier];
  const seen = new Map<string, Observation>();
  let attempt = 0;
  let opened = 0;
  const add = (participant: number, at: number, more: Partial<Observation>): void => {
    const key = `${at}/${participant}`;
    const attack = attackOf(participant);
    const known = attack === undefined ? {} : { attack };
    seen.set(key, { ...seen.get(key), ...known, ...more, attempt: at, participant });
  };
  return {
    trained: (participant, training) => add(participant, attempt, training),
    arrived: (participant, at, answer, time) =>
      add(participant, at, { [ARRIVALS[answer]]: (time - opened) / 1000 }),
    onEvent: (event) => {
      if (event.type === 'phase' && event.attempt > attempt) {
        ({ attempt } = event);
        opened = elapsed() ?? 0;
      }
      if (event.type === 'dropped') add(event.index, event.attempt, { dropped: event.phase });
      if (event.type !== 'round') return;
      const done = sorted(seen.values());
      seen.clear();
      settled.push(...done);
      keep(done);
    },
    all: () => sorted([...settled, ...seen.values()]),
  };
};
