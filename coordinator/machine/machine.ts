/**
 * @module The interface of the machine to its host. The host receives the machine as an option,
 * because another machine may run rounds differently. A machine is pure: its effects on the outside
 * are returned by a step.
 */
import type { MachineConfig } from './config.ts';
import type { Step, Work } from './effects.ts';
import type { Event } from './events.ts';
import { pendingWork } from './resume.ts';
import { decodeSnapshot, encodeSnapshot, type SnapshotSource } from './snapshot.ts';
import { initialState, type State } from './state.ts';
import { nextWake, step } from './step.ts';

export interface Machine {
  /** Before the first event of a run. */
  readonly initial: State;
  /** Reduces one event; the very same state object where it changed nothing. */
  readonly step: (config: MachineConfig, state: State, event: Event) => Step;
  /** When a `tick` may next change something, ms after `now`; undefined when only an event can. */
  readonly nextWake: (config: MachineConfig, state: State, now: number) => number | undefined;
  /** The work that the present phase waits for: done again after a restart. */
  readonly pendingWork: (state: State) => readonly Work[];
  readonly encodeSnapshot: (state: State) => Uint8Array;
  /**
   * @throws FloeError `journal_corrupt` for what `encodeSnapshot` of this machine does not write
   */
  readonly decodeSnapshot: (encoded: Uint8Array, source: SnapshotSource) => Promise<State>;
}

/** One round after the other, each with its own frozen cohort. */
export const ROUND_MACHINE: Machine = {
  initial: initialState,
  step,
  nextWake,
  pendingWork,
  encodeSnapshot,
  decodeSnapshot,
};
