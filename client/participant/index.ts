/**
 * @module The participant of a run.
 */
export { DEFAULT_BACKOFF, type Backoff } from './backoff.ts';
export { lineOf, type Log, type LogLevel, type ParticipantEvent } from './events.ts';
export {
  joinRun,
  Participant,
  type OnRun,
  type Outcome,
  type ParticipantOptions,
} from './participant.ts';
export type { LedgerReader } from './ports.ts';
export type { Expected } from './session.ts';
export type { Answers } from './spending.ts';
