/**
 * @module The one error class. Its codes are those of the catalogue.
 */
import { ERRORS } from './error-catalogue.ts';

export type ErrorCode = keyof typeof ERRORS;

/** Facts that a log or a report may carry; never secrets, never tensors. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The one error class. `message` says what was expected and what came; `code` is stable across versions.
 *
 * @example throw new FloeError('blob_corrupt', `expected ${want} bytes, got ${got}`, { blob: id });
 */
export class FloeError extends Error {
  override readonly name = 'FloeError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  get remedy(): string {
    return ERRORS[this.code].remedy;
  }
}

/** Whether `value` names an entry of the catalogue. */
export const isErrorCode = (value: string): value is ErrorCode => Object.hasOwn(ERRORS, value);

/** Classes do not cross threads: a `FloeError` of a worker comes as a plain error with its fields. */
const carriedCode = (thrown: unknown): ErrorCode | undefined => {
  if (!(thrown instanceof Error) || thrown.name !== 'FloeError') return undefined;
  const { code } = thrown as Error & { readonly code?: unknown };
  return typeof code === 'string' && isErrorCode(code) ? code : undefined;
};

/** Turns anything thrown into a `FloeError`; a foreign error becomes `fallback` with its message kept as the cause. */
export const toFloeError = (thrown: unknown, fallback: ErrorCode = 'internal'): FloeError => {
  if (thrown instanceof FloeError) return thrown;
  const carried = carriedCode(thrown);
  if (carried !== undefined)
    return new FloeError(carried, (thrown as Error).message, {}, { cause: thrown });
  if (thrown instanceof Error && thrown.name === 'AbortError')
    return new FloeError('aborted', 'The operation was cancelled.', {}, { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new FloeError(fallback, message, {}, { cause: thrown });
};
