/**
 * @module What goes wrong at Seal, by Floe's names.
 */
import { FloeError } from '../../errors.ts';

export const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('envelope_malformed', message, {}, { cause });

export const unavailable = (thrown: unknown): FloeError =>
  thrown instanceof FloeError
    ? thrown
    : new FloeError('gate_unavailable', (thrown as Error).message, {}, { cause: thrown });
