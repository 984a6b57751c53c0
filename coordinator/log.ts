/**
 * @module Logging, to any logger with pino's interface. Only codes, counts, sizes and short names
 * of identities are logged. Every log line passes through this file, which removes all other
 * values: no record, key or vector may reach a log.
 */
import type { FloeError } from '../protocol/errors.ts';
import { stepNumbers } from './anomalies/rules.ts';
import type { Progress } from './machine/index.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** The part of pino that is used; `pino()` fits. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const LONGEST_TEXT = 300;

/** Bytes, arrays and objects never reach a log; text is cut. */
const redact = (value: unknown): string | number | boolean => {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  return typeof value === 'string' ? value.slice(0, LONGEST_TEXT) : '[redacted]';
};

const redacted = (fields: LogFields): LogFields =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, redact(value)]),
  );

/** Wraps a logger so that only plain short values get through. */
export const safeLogger = (logger: Logger): Logger => ({
  debug: (fields, message) => logger.debug(redacted(fields), message),
  info: (fields, message) => logger.info(redacted(fields), message),
  warn: (fields, message) => logger.warn(redacted(fields), message),
  error: (fields, message) => logger.error(redacted(fields), message),
});

export const errorFields = (error: FloeError): LogFields => ({
  code: error.code,
  reason: error.message,
});

/** The first digits of a key, enough to tell participants apart in a log. */
export const shortKey = (hex: string): string => hex.slice(0, 12);

/** The reports of participants in one line: `6 x gate_unavailable, 1 x update_not_finite`. */
export const reportedText = (
  reported: readonly { readonly code: string; readonly count: number }[] = [],
): string | undefined =>
  reported.length === 0
    ? undefined
    : reported.map(({ code, count }) => `${count} x ${code}`).join(', ');

/** The fields of a progress event that a log line holds. */
export const progressFields = (progress: Progress): LogFields => {
  switch (progress.type) {
    case 'attempt-opened':
      return { attempt: progress.attempt, version: progress.version, invited: progress.invited };
    case 'phase':
      return { attempt: progress.attempt, phase: progress.phase, of: progress.of };
    case 'buffered':
      return { attempt: progress.attempt, updates: progress.updates, of: progress.of };
    case 'groups':
      return {
        attempt: progress.attempt,
        groups: progress.groups.length,
        leftOut: progress.groups.filter(({ norm }) => norm === undefined).length,
        suspects: progress.suspects.map(shortKey),
      };
    case 'upload-folded':
      return { attempt: progress.attempt, bytes: progress.bytes, folded: progress.folded };
    case 'upload-rejected':
      return { attempt: progress.attempt, code: progress.code };
    case 'committed':
      return {
        attempt: progress.attempt,
        version: progress.version,
        survivors: progress.survivors,
        ...(progress.clipNorm === undefined ? {} : { clipNorm: progress.clipNorm }),
        ...stepNumbers(progress.step),
      };
    case 'aborted':
      return {
        attempt: progress.attempt,
        code: progress.code,
        reason: progress.reason,
        answered: progress.answered,
        reported: reportedText(progress.reported),
      };
    case 'suspended':
      return {
        attempt: progress.attempt,
        code: progress.code,
        participants: progress.members.map(shortKey).join(),
      };
    case 'waiting':
      return { reason: progress.reason };
    case 'finished':
      return { rounds: progress.rounds, failure: progress.failure };
  }
};
