/**
 * @module What goes wrong at Seal, by Floe's names.
 */
import { FloeError, toFloeError } from '../../errors.ts';

export const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('envelope_malformed', message, {}, { cause });

export const unavailable = (thrown: unknown): FloeError => toFloeError(thrown, 'gate_unavailable');
