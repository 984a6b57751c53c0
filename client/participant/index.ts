/**
 * @module The participant of a run.
 */
export { DEFAULT_BACKOFF, type Backoff } from './backoff.ts';
export { lineOf, type Log, type LogLevel, type ParticipantEvent } from './events.ts';
export type { OnRun, Outcome, ParticipantOptions } from './options.ts';
export { joinRun, Participant } from './participant.ts';
export type { LedgerReader } from './ports.ts';
export type { Expected } from './session.ts';
export type { Answers } from './spending.ts';
