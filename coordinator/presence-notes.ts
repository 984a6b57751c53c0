/**
 * @module Tells an operator who is here: a note for each participant that logs in, leaves or is
 * refused, with the number that the run waits for. Outsiders and flapping connections must not fill
 * the output: notes are limited in rate, and each has the whole count.
 */
import { toHex } from '../protocol/bytes.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import { isErrorCode, type ErrorCode, type FloeError } from '../protocol/errors.ts';
import { tokenBucket } from './limits.ts';

/** Participants that are logged in, and how many the next attempt waits for. */
interface Count {
  readonly here: number;
  readonly needed: number;
}

export type Presence = Count &
  (
    | { readonly type: 'joined'; readonly key: string }
    /** `code`: the error that ended the session, on either side. */
    | { readonly type: 'left'; readonly key: string; readonly code: ErrorCode | undefined }
    /** It has not logged in; `key` is what it claims. */
    | {
        readonly type: 'refused';
        readonly key: string;
        readonly remote: string;
        readonly code: ErrorCode;
        readonly reason: string;
      }
  );

export interface PresenceNotes {
  joined(key: Uint8Array): void;
  /** @param reason with which the connection was closed */
  left(key: Uint8Array, reason: string): void;
  refused(key: Uint8Array | undefined, remote: string, error: FloeError): void;
}

/** Notes each second on average, and at once. */
const NOTES_PER_SECOND = 0.5;
const NOTES_BURST = 100;

/** @param count undefined once the run is over, when everyone leaves */
export const createPresenceNotes = (
  clock: Clock,
  count: () => Count | undefined,
  tell: (presence: Presence) => void,
): PresenceNotes => {
  const notes = tokenBucket(NOTES_PER_SECOND, NOTES_BURST, clock.now());
  let refusal = '';
  const counted = (note: (count: Count) => Presence): void => {
    const now = count();
    if (now !== undefined && notes.take(clock.now())) tell(note(now));
  };
  return {
    joined: (key) => counted((now) => ({ type: 'joined', key: toHex(key), ...now })),
    left: (key, reason) => {
      const code = isErrorCode(reason) ? reason : undefined;
      counted((now) => ({ type: 'left', key: toHex(key), code, ...now }));
    },
    refused: (key, remote, { code, message }) => {
      // What has not even said who it is: a scanner, or another protocol.
      if (key === undefined) return;
      const same = `${toHex(key)} ${code}`;
      if (same === refusal) return;
      refusal = same;
      counted((now) => ({
        type: 'refused',
        key: toHex(key),
        remote,
        code,
        reason: message,
        ...now,
      }));
    },
  };
};
