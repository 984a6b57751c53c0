/**
 * @module The one error class. Its codes are those of the catalogue.
 */
import { ERRORS } from './error-catalogue.ts';

export type ErrorCode = keyof typeof ERRORS;

/** Facts that a log or a report may carry; never secrets, never tensors. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The one error class. `message` says what was expected and what came; `code` is stable across
 * versions.
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

/**
 * Classes do not cross threads: a `FloeError` of a worker comes as a plain error with its fields.
 */
const carriedCode = (thrown: unknown): ErrorCode | undefined => {
  if (!(thrown instanceof Error) || thrown.name !== 'FloeError') return undefined;
  const { code } = thrown as Error & { readonly code?: unknown };
  return typeof code === 'string' && isErrorCode(code) ? code : undefined;
};

/** Node's codes for a module that is missing or cannot be loaded. */
const MODULE_CODES: ReadonlySet<unknown> = new Set([
  'ERR_MODULE_NOT_FOUND',
  'MODULE_NOT_FOUND',
  'ERR_PACKAGE_PATH_NOT_EXPORTED',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_DLOPEN_FAILED',
]);
/** Errors that wrap one another, at most. */
const DEEPEST_CAUSE = 8;

/**
 * `installation_broken` where a module could not be loaded, whatever wraps that; else undefined.
 */
export const installationFault = (thrown: unknown): FloeError | undefined => {
  let at = thrown;
  for (let depth = 0; depth < DEEPEST_CAUSE && at instanceof Error; depth += 1) {
    if (MODULE_CODES.has((at as Error & { readonly code?: unknown }).code))
      return new FloeError('installation_broken', at.message, {}, { cause: thrown });
    at = at.cause;
  }
  return undefined;
};

/**
 * Turns anything thrown into a `FloeError`; a foreign error becomes `fallback` with its message
 * kept as the cause.
 */
export const toFloeError = (thrown: unknown, fallback: ErrorCode = 'internal'): FloeError => {
  if (thrown instanceof FloeError) return thrown;
  const carried = carriedCode(thrown);
  if (carried !== undefined)
    return new FloeError(carried, (thrown as Error).message, {}, { cause: thrown });
  if (thrown instanceof Error && thrown.name === 'AbortError')
    return new FloeError('aborted', 'The operation was cancelled.', {}, { cause: thrown });
  const broken = installationFault(thrown);
  if (broken !== undefined) return broken;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new FloeError(fallback, message, {}, { cause: thrown });
};
