/**
 * @module Parses addresses of coordinators as users write them, and fetches the transcript so far
 * from such an address.
 */
import { fetchBytes } from '../../protocol/records/announcement.ts';
import { FloeError } from '../../protocol/errors.ts';

const TRANSCRIPT_LIMIT = 2 ** 31 - 1;

/**
 * `ws://host:1` and `http://host:1` to the base address for HTTP; `undefined` for anything else,
 * such as a path.
 */
export const httpBase = (source: string): string | undefined => {
  const match = /^(ws|http)(s?):\/\//iu.exec(source);
  if (match === null) return undefined;
  try {
    return new URL(`http${match[2] ?? ''}://${source.slice(match[0].length)}`).origin;
  } catch (cause) {
    throw new FloeError(
      'usage',
      `expected an address such as ws://host:7700, got ${source}`,
      {},
      { cause },
    );
  }
};

/** The same address for the WebSocket. */
export const webSocketAddress = (source: string): string => {
  const base = httpBase(source);
  if (base === undefined)
    throw new FloeError('usage', `expected an address such as ws://host:7700, got ${source}`);
  return base.replace(/^http/u, 'ws');
};

export const readTranscript = async (base: string, signal: AbortSignal): Promise<Uint8Array> =>
  fetchBytes(`${base}/transcript`, TRANSCRIPT_LIMIT, signal);
