/**
 * @module Keeps the participants that are logged in as the scenario's participation says: between
 * attempts where presence goes by chance, at its own moments where it goes by time.
 */
import type { VirtualTime } from '../virtual/virtual-time.ts';
import type { Availability } from './availability.ts';

export interface PresenceInit {
  readonly participants: number;
  readonly availability: Availability;
  readonly time: Pick<VirtualTime, 'elapsed' | 'at' | 'hold'>;
  /** Breaks a participant's connection. */
  readonly depart: (index: number) => void;
  /** Lets it log in again. */
  readonly arrive: (index: number) => void;
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
}

/** Virtual ms between two draws of presence while too few are there. */
const EMPTY_MS = 60_000;

export const createPresence = (init: PresenceInit): Presence => {
  const { participants, availability, time, depart, arrive } = init;
  const here = new Set<number>();
  const arriving = new Map<number, () => void>();
  let attempt = 1;
  let stopsByTime = false;

  const welcome = (index: number): void => {
    arriving.get(index)?.();
    arriving.delete(index);
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
  const follow = (index: number): void => {
    const next = availability.nextChange(index, time.elapsed());
    if (next === undefined) return;
    stopsByTime = true;
    time.at(next, () => {
      set(index, availability.present(index, { attempt, time: time.elapsed() }));
      follow(index);
    });
  };
  const between = (): void => {
    attempt += 1;
    if (stopsByTime) return;
    for (let index = 0; index < participants; index += 1)
      set(index, availability.present(index, { attempt, time: time.elapsed() }));
  };
  return {
    begin: () => {
      for (let index = 0; index < participants; index += 1) {
        if (availability.present(index, { attempt, time: 0 })) here.add(index);
        follow(index);
      }
      return [...here];
    },
    between,
    welcome,
    still: () => {
      if (stopsByTime || here.size === participants) return false;
      time.at(time.elapsed() + EMPTY_MS, between);
      return true;
    },
  };
};
