/**
 * @module What a participant tells the coordinator of an error that its trainer threw: enough to
 * see that all members meet the same one, and no value of anybody's data.
 */
import type { FloeError } from '../../protocol/errors.ts';
import { MAX_DETAIL } from '../../protocol/wire/messages.ts';
import { PortFault } from './fault.ts';

/**
 * The first line of a message without what differs from site to site: numbers are `#`, what stands
 * in quotes and paths are `...`.
 */
export const withoutValues = (message: string): string =>
  (message.split('\n', 1)[0] ?? '')
    .replaceAll(/"[^"]*"|'[^']*'|`[^`]*`/gu, '...')
    .replaceAll(/(?:[a-z]:)?[^\s,;:()]*[\\/][^\s,;:()]*/giu, '...')
    .replaceAll(/[-+]?\d[\d.,]*(?:e[-+]?\d+)?/giu, '#')
    .slice(0, MAX_DETAIL);

/** Undefined where it is not the trainer that failed. */
export const detailOf = (error: FloeError): string | undefined =>
  error instanceof PortFault && error.port === 'trainer' ? withoutValues(error.message) : undefined;
