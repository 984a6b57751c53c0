/**
 * @module base64url without padding (RFC 4648, section 5): how Walrus writes its ids.
 */
import { fromBase64, toBase64 } from '@mysten/bcs';

export const base64url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

export const fromBase64url = (text: string): Uint8Array => {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return fromBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='));
};
