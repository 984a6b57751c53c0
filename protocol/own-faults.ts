/**
 * @module Faults of this program or of its installation: no other party causes them and no repeat
 * mends them, so whoever meets the same one in several attempts in a row stops by name.
 */
import { FloeError, type ErrorCode } from './errors.ts';

const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set(['internal', 'installation_broken']);

export const isOwnFault = (code: string): boolean => OWN_FAULTS.has(code as ErrorCode);

/** Attempts in a row with the same fault, after which it is no accident. */
export const MOST_OWN_FAULTS = 3;

export interface OwnFaults {
  /** @returns what to stop with, once the same fault was met in enough attempts in a row */
  note(attempt: number, code: ErrorCode, message: string): FloeError | undefined;
  /** An attempt has succeeded. */
  forget(): void;
}

export const createOwnFaults = (): OwnFaults => {
  let last: ErrorCode | undefined;
  let attempts = new Set<number>();
  return {
    note: (attempt, code, message) => {
      if (code !== last) attempts = new Set();
      last = code;
      attempts.add(attempt);
      return attempts.size < MOST_OWN_FAULTS
        ? undefined
        : new FloeError(code, `${attempts.size} attempts in a row failed with this: ${message}`);
    },
    forget: () => {
      last = undefined;
      attempts = new Set();
    },
  };
};
