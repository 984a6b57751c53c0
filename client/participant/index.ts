/**
 * @module The participant of a run.
 */
export { DEFAULT_BACKOFF, type Backoff } from './host/backoff.ts';
export { personalModel } from './host/local-parts.ts';
export { lineOf, type Log, type LogLevel, type ParticipantEvent } from './events.ts';
export type { OnRun, Outcome, ParticipantOptions } from './options.ts';
export { joinRun, Participant } from './host/participant.ts';
export type { LedgerReader } from './options.ts';
export type { Expected } from './host/session.ts';
export type { Answers } from './machine/spending.ts';
