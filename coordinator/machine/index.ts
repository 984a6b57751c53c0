/**
 * @module The round as a pure machine: see step.ts.
 */
export type { MachineConfig } from './config.ts';
export type { Committed, Effect, OutgoingFrame, Progress, Step, Work } from './effects.ts';
export {
  decodeEntries,
  decodeEvent,
  encodeEntries,
  encodeEvent,
  type Event,
  type EventBody,
} from './events.ts';
export { ROUND_MACHINE, type Machine } from './machine.ts';
export { decodeSnapshot, encodeSnapshot, SNAPSHOT_VERSION } from './snapshot.ts';
export { pendingWork } from './resume.ts';
export {
  initialState,
  attemptOf,
  type Hex,
  type Phase,
  type PhaseType,
  type Attempt,
  type Shared,
  type State,
} from './state.ts';
export { nextWake, step } from './step.ts';
