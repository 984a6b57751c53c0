/**
 * @module The web pages that may connect to the coordinator. A browser sends the page's origin (RFC
 * 6454) with every WebSocket upgrade and every request across origins; other programs send none.
 * Only listed origins are accepted; otherwise any page open in a browser on the coordinator's
 * network could connect (RFC 6455, section 10.2). The Host header is ignored, because a page
 * chooses the name that resolves to this machine (DNS rebinding).
 */
import type { IncomingMessage } from 'node:http';
import { FloeError } from '../protocol/errors.ts';

/** On the list: pages of every origin, sandboxed ones and files included. */
export const ANY_ORIGIN = '*';

export interface OriginPolicy {
  /** Whether requests of a page of this origin are answered. */
  allows(origin: string): boolean;
  /** Whether the upgrade may happen: it comes from no page, or from one that is allowed. */
  allowsUpgrade(request: IncomingMessage): boolean;
}

const normalised = (origin: string): string => {
  if (origin === ANY_ORIGIN) return origin;
  const url = URL.parse(origin);
  if (url === null || url.origin === 'null' || url.origin !== url.href.replace(/\/$/u, ''))
    throw new FloeError(
      'usage',
      `expected an origin such as https://pages.example or ${ANY_ORIGIN}, got ${origin}`,
    );
  return url.origin;
};

/**
 * @param list origins of pages, such as `https://pages.example:8443`
 * @throws FloeError `usage` for an invalid origin
 */
export const originPolicy = (list: readonly string[]): OriginPolicy => {
  const allowed = new Set(list.map(normalised));
  const allows = (origin: string): boolean => allowed.has(ANY_ORIGIN) || allowed.has(origin);
  return {
    allows,
    allowsUpgrade: ({ headers }) =>
      // The second is what version 8 of the protocol calls it, which the library still takes.
      [headers.origin, headers['sec-websocket-origin']]
        .flat()
        .every((origin) => origin === undefined || allows(origin)),
  };
};
