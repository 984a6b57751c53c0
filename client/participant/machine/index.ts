/**
 * @module The participant's machine, as its host uses it. All of it is pure: a step returns its
 * effects on the outside.
 */
import type { RunView } from './record-checks.ts';
import type { MachineConfig } from './config.ts';
import type { Step } from './effects.ts';
import type { Event } from './events.ts';
import type { Memory } from './run-memory.ts';
import { initialState, type State } from './state.ts';
import { step } from './step.ts';

export interface Machine {
  /** @param memory as it was saved last */
  readonly initial: (view: RunView, memory: Memory) => State;
  readonly step: (config: MachineConfig, state: State, event: Event) => Step;
}

export const ATTEMPT_MACHINE: Machine = { initial: initialState, step };

export type { MachineConfig } from './config.ts';
export * from './effects.ts';
export * from './work-types.ts';
export type { Event, Result, ResultOf } from './events.ts';
export { attemptNumber, inCohort, type Phase, type PhaseType, type State } from './state.ts';
