/**
 * @module An early stop of execution inside the interpreter. A `Fault` carries the public
 * `MoveFailure` up to the session, which turns it into a result. It never leaves this folder.
 */
import type { MoveFailure } from './types.ts';

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly failure: MoveFailure;

  constructor(failure: MoveFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export const fault = (
  type: MoveFailure['type'],
  message: string,
  more: Partial<MoveFailure> = {},
): Fault => new Fault({ type, message, ...more });

/** Sub-status of `vector` failures, as in the Move VM. */
export const VECTOR = { index: 1n, popEmpty: 2n, parity: 3n } as const;

/** Abort by a native function: code and, where it helps a reader, what it means. */
export const abort = (code: bigint | number, message = 'abort'): Fault =>
  fault('abort', `${message} (code ${code})`, { code: BigInt(code) });
