/**
 * @module Keeps the participants that are logged in as the scenario's participation says: between
 * attempts where presence goes by chance, at its own moments where it goes by time.
 */
import type { VirtualMark } from '../resume/checkpoint.ts';
import type { VirtualTime } from '../virtual/virtual-time.ts';
import type { Availability } from './availability.ts';

/** Where the presence of an earlier part of the run stood, at the end of an attempt. */
export type PresenceMark = Pick<VirtualMark, 'draws' | 'late'>;

export interface PresenceInit {
  readonly participants: number;
  readonly availability: Availability;
  readonly time: Pick<VirtualTime, 'elapsed' | 'at' | 'hold'>;
  /** Breaks a participant's connection. */
  readonly depart: (index: number) => void;
  /** Lets it log in again. */
  readonly arrive: (index: number) => void;
  /** Of a resumed run. */
  readonly from?: PresenceMark | undefined;
}

export interface Presence {
  /** Who is there at the beginning, ascending. Changes by time are on the agenda from now on. */
  begin(): readonly number[];
  /** An attempt is over. */
  between(): void;
  /** A participant has logged in. */
  welcome(index: number): void;
  /** Nothing happens any more: another draw after a while may bring enough. */
  still(): boolean;
  /** Of a resumed run, those that were there before it was interrupted. */
  readonly returning: ReadonlySet<number>;
  /** Resolves once everybody of a resumed run is back. */
  readonly complete: Promise<void>;
  /** As it stands at the end of an attempt, before `between`. */
  mark(): PresenceMark;
}

/** Virtual ms between two draws of presence while too few are there. */
const EMPTY_MS = 60_000;

export const createPresence = (init: PresenceInit): Presence => {
  const { participants, availability, time, depart, arrive, from } = init;
  const here = new Set<number>();
  const arriving = new Map<number, () => void>();
  const returning = new Set<number>();
  const complete = Promise.withResolvers<void>();
  // An earlier part ended with an attempt: the next draw follows.
  let attempt = from === undefined ? 1 : from.draws + 1;
  let stopsByTime = false;

  const welcome = (index: number): void => {
    arriving.get(index)?.();
    arriving.delete(index);
    if (arriving.size === 0) complete.resolve();
  };
  const set = (index: number, present: boolean): void => {
    if (present === here.has(index)) return;
    if (present) {
      here.add(index);
      // Time waits for the login, however long it takes on this machine.
      arriving.set(index, time.hold());
      arrive(index);
      return;
    }
    here.delete(index);
    depart(index);
    welcome(index);
  };
  const isPresent = (index: number): boolean =>
    availability.present(index, { attempt, time: time.elapsed() });
  const follow = (index: number, next = availability.nextChange(index, time.elapsed())): void => {
    if (next === undefined) return;
    stopsByTime = true;
    time.at(next, () => {
      set(index, isPresent(index));
      follow(index);
    });
  };
  const between = (): void => {
    attempt += 1;
    if (stopsByTime) return;
    for (let index = 0; index < participants; index += 1) set(index, isPresent(index));
  };
  return {
    begin: () => {
      const late = new Set(from?.late);
      const then = { attempt: from?.draws ?? 1, time: time.elapsed() };
      for (let index = 0; index < participants; index += 1) {
        const isLate = late.has(index);
        if (isPresent(index) !== isLate) {
          here.add(index);
          // A resumed run continues once everybody is back.
          if (from !== undefined) arriving.set(index, time.hold());
        }
        if (from !== undefined && availability.present(index, then) !== isLate)
          returning.add(index);
        follow(index, isLate ? time.elapsed() : undefined);
      }
      if (arriving.size === 0) complete.resolve();
      return [...here];
    },
    returning,
    complete: complete.promise,
    mark: () => ({
      draws: attempt,
      late: stopsByTime
        ? Array.from({ length: participants }, (_, index) => index).filter(
            (index) => isPresent(index) !== here.has(index),
          )
        : [],
    }),
    between,
    welcome,
    still: () => {
      if (stopsByTime || here.size === participants) return false;
      time.at(time.elapsed() + EMPTY_MS, between);
      return true;
    },
  };
};
