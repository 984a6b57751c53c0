/**
 * @module Faults of this program or of its installation. No other party causes them and no repeat
 * corrects them, so a process that meets the same one in several attempts in a row stops with it.
 */
import { FloeError, type ErrorCode } from './errors.ts';

const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set(['internal', 'installation_broken']);

export const isOwnFault = (code: string): boolean => OWN_FAULTS.has(code as ErrorCode);

/** Attempts in a row with the same fault, after which it is no accident. */
export const MOST_OWN_FAULTS = 3;

/** The attempts in a row in which one fault was met. */
export interface FaultStreak {
  readonly code: ErrorCode | undefined;
  readonly attempts: readonly number[];
}

export const NO_FAULTS: FaultStreak = { code: undefined, attempts: [] };

/** The streak after the fault `code` in `attempt`; another fault starts a new one. */
export const noteFault = (before: FaultStreak, attempt: number, code: ErrorCode): FaultStreak => {
  const attempts = before.code === code ? before.attempts : [];
  return { code, attempts: [...new Set([...attempts, attempt])] };
};

/** @returns the error that ends this program, once the streak is long enough */
export const errorOfStreak = (
  { code, attempts }: FaultStreak,
  message: string,
): FloeError | undefined =>
  code === undefined || attempts.length < MOST_OWN_FAULTS
    ? undefined
    : new FloeError(code, `${attempts.length} attempts in a row failed with this: ${message}`);

export interface OwnFaults {
  /** @returns the error to stop with, once the same fault was met in enough attempts in a row */
  note(attempt: number, code: ErrorCode, message: string): FloeError | undefined;
  /** An attempt has succeeded. */
  forget(): void;
}

export const createOwnFaults = (): OwnFaults => {
  let streak = NO_FAULTS;
  return {
    note: (attempt, code, message) => {
      streak = noteFault(streak, attempt, code);
      return errorOfStreak(streak, message);
    },
    forget: () => {
      streak = NO_FAULTS;
    },
  };
};
