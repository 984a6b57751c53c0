/** @module The fast stream of one party: the keystream of AES-256-CTR, however it is asked for. */
import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cipherStream } from '../../protocol/ports/random.ts';

test('bytes do not depend on how many are asked for at a time', () => {
  const seed = new Uint8Array(32).fill(7);
  const cipher = createCipheriv('aes-256-ctr', seed, new Uint8Array(16));
  const wanted = cipher.update(new Uint8Array(400_000));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50_000 }), { maxLength: 8 }), (lengths) => {
      const random = cipherStream(seed);
      let at = 0;
      for (const length of lengths) {
        expect(Buffer.compare(random(length), wanted.subarray(at, at + length))).toBe(0);
        at += length;
      }
    }),
  );
});
