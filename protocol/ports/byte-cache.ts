/**
 * @module Bytes kept in memory up to a limit; what was used longest ago goes first.
 */

export interface ByteCache {
  get(key: string): Uint8Array | undefined;
  /** Keeps `bytes` as they are: nobody may change them afterwards. */
  add(key: string, bytes: Uint8Array): void;
}

export const byteCache = (limit: number): ByteCache => {
  const entries = new Map<string, Uint8Array>();
  let total = 0;
  return {
    get: (key) => {
      const bytes = entries.get(key);
      if (bytes !== undefined) {
        entries.delete(key);
        entries.set(key, bytes);
      }
      return bytes;
    },
    add: (key, bytes) => {
      if (bytes.length > limit || entries.has(key)) return;
      entries.set(key, bytes);
      total += bytes.length;
      for (const [oldest, old] of entries) {
        if (total <= limit) break;
        entries.delete(oldest);
        total -= old.length;
      }
    },
  };
};
