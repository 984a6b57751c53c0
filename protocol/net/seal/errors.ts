/**
 * @module What goes wrong at Seal, by Floe's names.
 */
import { FloeError, toFloeError } from '../../errors.ts';

export const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('envelope_malformed', message, {}, { cause });

/** The SDK's text for bytes that are no point of the curve, in a plain `Error`. */
const NO_POINT = /^Invalid G[12] point$/u;

/**
 * By the fault of a key server, which no repetition cures: its key is no point, or belongs to
 * something else. Of the latter the SDK throws nothing but `undefined`: it collects the errors of
 * the servers, and such an answer is none.
 */
const isFaulty = (thrown: unknown): boolean =>
  thrown === undefined || (thrown instanceof Error && NO_POINT.test(thrown.message));

/** @returns `key_server_faulty`, else what it is by its own name, else `gate_unavailable` */
export const unavailable = (thrown: unknown): FloeError =>
  isFaulty(thrown)
    ? new FloeError(
        'key_server_faulty',
        'key servers answered with bytes that are no key for what was asked',
        {},
        { cause: thrown },
      )
    : toFloeError(thrown, 'gate_unavailable');
