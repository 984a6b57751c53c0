/**
 * @module A run folder from elsewhere: a chapter of its journal that unpacks to far more than the
 * records of an attempt, and says so, would take all memory of `floe verify`.
 */
import { brotliCompressSync, constants } from 'node:zlib';
import { expect, it } from 'vitest';
import { entriesOf } from '../../coordinator/journal/chapter.ts';

it('a chapter that says that it is larger than an attempt can be is not unpacked', () => {
  const size = (256 << 20) + 1;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1 };
  const bytes = brotliCompressSync(new Uint8Array(size), { params });
  expect(bytes.length).toBeLessThan(64 << 10);
  expect(() => entriesOf({ at: 0, end: size, index: 0, attempt: 1, bytes })).toThrow(/at most/u);
});
