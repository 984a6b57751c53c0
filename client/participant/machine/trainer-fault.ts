/**
 * @module A participant's report about an error of its trainer. It shows whether all members meet
 * the same error, and contains no word of the error's message, which may hold private data. The
 * class of the error is one of a list, and the fingerprint of the message has 16 bits, too few to
 * identify a text. The text itself stays in the output of the participant.
 */
import { sha256, toHex, utf8 } from '../../../protocol/bytes.ts';
import { FloeError, isErrorCode } from '../../../protocol/errors.ts';
import { PortFault } from './verdict.ts';

/**
 * The first line of a message without what differs from site to site: numbers are `#`, what stands
 * in quotes and paths are `...`. For the fingerprint alone: it leaves no site.
 */
const withoutValues = (message: string): string =>
  (message.split('\n', 1)[0] ?? '')
    .replaceAll(/"[^"]*"|'[^']*'|`[^`]*`/gu, '...')
    .replaceAll(/(?:[a-z]:)?[^\s,;:()]*[\\/][^\s,;:()]*/giu, '...')
    .replaceAll(/[-+]?\d[\d.,]*(?:e[-+]?\d+)?/giu, '#');

/** The classes of JavaScript itself: the name of any other is a text of the user's. */
const CLASSES: ReadonlySet<string> = new Set([
  'AggregateError',
  'EvalError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'TypeError',
  'URIError',
]);

const classOf = (thrown: unknown): string => {
  // The trainer's own wrapping says no more than that it failed.
  if (thrown instanceof FloeError && thrown.code === 'trainer_failed' && thrown.cause !== undefined)
    return classOf(thrown.cause);
  if (thrown instanceof FloeError && isErrorCode(thrown.code)) return thrown.code;
  return thrown instanceof Error && CLASSES.has(thrown.name) ? thrown.name : 'Error';
};

const TAG = utf8('floe/trainer-fault/v1');
const FINGERPRINT_BYTES = 2;

/** Class and fingerprint of an error, such as `TypeError 3fa2`. */
export const faultName = (thrown: unknown, message: string): string => {
  const hash = sha256(TAG, utf8(withoutValues(message)));
  return `${classOf(thrown)} ${toHex(hash.subarray(0, FINGERPRINT_BYTES))}`;
};

/** Undefined where it is not the trainer that failed. */
export const detailOf = (error: FloeError): string | undefined =>
  error instanceof PortFault && error.port === 'trainer'
    ? faultName(error.cause, error.message)
    : undefined;
