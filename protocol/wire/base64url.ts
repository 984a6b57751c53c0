/**
 * @module base64url without padding (RFC 4648, section 5): how Walrus writes its ids, and how keys
 * and specifications travel in HTTP headers and JSON. Node 24 and older browsers have no base64
 * methods on Uint8Array, so the encoding comes from a library.
 */
import { base64ToUint8Array, uint8ArrayToBase64 } from 'uint8array-extras';

export const base64url = (bytes: Uint8Array): string =>
  uint8ArrayToBase64(bytes, { urlSafe: true });

/** Padding may be missing. @throws Error on text that is no base64 or base64url */
export const fromBase64url = (text: string): Uint8Array => base64ToUint8Array(text);
