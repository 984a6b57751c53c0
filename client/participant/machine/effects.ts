/**
 * @module The effects that the machine requests from its host, as data. The host saves the data of
 * a step before it performs any other effect and before it shows the step's state. A step that
 * cannot be saved did not happen; the machine receives `not-saved` instead.
 */
import type { FloeError } from '../../../protocol/errors.ts';
import type { encodeFrame } from '../../../protocol/wire/messages.ts';
import type { ParticipantEvent } from '../events.ts';
import type { Memory } from './run-memory.ts';
import type { State } from './state.ts';
import type { Work } from './work-types.ts';

/** A frame without its version, as `encodeFrame` takes it. */
export type OutgoingFrame = Parameters<typeof encodeFrame>[0];

/**
 * What follows where the keystore does not take the write: the attempt is left, the step is done
 * all the same with a warning, or the run ends.
 */
export type Otherwise = 'leave' | 'warn' | 'end';

export type Effect =
  /** Where a step has several, all are written, in their order. */
  | { readonly type: 'save'; readonly memory: Memory; readonly otherwise: Otherwise }
  /** Dropped where no session is up: the coordinator asks again. */
  | { readonly type: 'send'; readonly frame: OutgoingFrame }
  /** A frame that was encoded before. */
  | { readonly type: 'send-bytes'; readonly frame: Uint8Array }
  | { readonly type: 'work'; readonly work: Work }
  /** All work that runs for an attempt; what it was made with is forgotten. */
  | { readonly type: 'cancel' }
  /** The update that was trained ahead, ready or in the making, is forgotten. */
  | { readonly type: 'drop-update' }
  | { readonly type: 'emit'; readonly event: ParticipantEvent }
  | { readonly type: 'warn'; readonly message: string }
  /** The login is complete; the caller receives an event. */
  | { readonly type: 'announce'; readonly remote: string }
  /** Closes the session; another login follows. */
  | { readonly type: 'disconnect'; readonly error: FloeError }
  | { readonly type: 'end'; readonly how: FloeError | 'finished' };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const same = (state: State, ...effects: readonly Effect[]): Step => ({ state, effects });

export const emit = (event: ParticipantEvent): Effect => ({ type: 'emit', event });

export const sendRecord = (record: Uint8Array): Effect => ({
  type: 'send',
  frame: { type: 'record', record },
});

/** @param detail what every member of a cohort may meet alike, see trainer-fault.ts */
export const sendWithdrawal = (attempt: number, code: string, detail?: string): Effect => ({
  type: 'send',
  frame: {
    type: 'withdraw',
    attempt,
    code,
    ...(detail === undefined ? {} : { detail }),
  },
});

/** Saves, and continues with the memory once it is saved. */
export const save = (memory: Memory, otherwise: Otherwise = 'leave'): Effect => ({
  type: 'save',
  memory,
  otherwise,
});
