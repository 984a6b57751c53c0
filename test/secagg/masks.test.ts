/**
 * Masks against two independent paths: OpenSSL's cipher run over the whole stream at once, and
 * WebCrypto; the AES-256-CTR keystream of NIST SP 800-38A is reproduced through its single-block
 * form; ring arithmetic against BigInt.
 */
import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import {
  applyMask,
  applyMasks,
  expandMask,
  maskUpdate,
  nodeKeystream,
  platformKeystream,
  selfMaskSeed,
  selfSecretOf,
  webKeystream,
} from '../../protocol/secagg/index.ts';
import type { Lanes, MaskJob } from '../../protocol/secagg/index.ts';

const CHUNK = webKeystream.chunkBytes;
const seed = sha256(utf8('mask seed'));
const other = sha256(utf8('another seed'));
const oneShot = (key: Uint8Array, length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(
    createCipheriv('aes-256-ctr', key, new Uint8Array(16)).update(new Uint8Array(length)),
  );

const platforms = [
  ['node:crypto', nodeKeystream!],
  ['WebCrypto', webKeystream],
] as const;

const cipherBlock = (counterHex: string): string =>
  toHex(new Uint8Array(createCipheriv('aes-256-ecb', seed, null).update(fromHex(counterHex))));

describe.each(platforms)('the mask by %s', (_name, platform) => {
  const expand = async (key: Uint8Array, offset: number, length: number) =>
    expandMask(key, offset, length, platform);
  const total = 2 * CHUNK + 77;
  let whole: Uint8Array;
  beforeAll(() => {
    whole = oneShot(seed, total);
  });

  it('is the AES-256-CTR keystream with a zero counter, at any offset', async () => {
    expect(Buffer.compare(await expand(seed, 0, total), whole)).toBe(0);
    await fc.assert(
      fc.asyncProperty(fc.nat(total), fc.nat(5000), async (offset, size) => {
        const length = Math.min(size, total - offset);
        const part = await expand(seed, offset, length);
        expect(Buffer.compare(part, whole.subarray(offset, offset + length))).toBe(0);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('encrypts the counter block itself, also beyond 2^32 blocks', async () => {
    for (const [byteOffset, counter] of [
      [0, '00000000000000000000000000000000'],
      [16, '00000000000000000000000000000001'],
      [16 * 2 ** 32, '00000000000000000000000100000000'],
      [16 * (2 ** 40 + 5), '00000000000000000000010000000005'],
    ] as const)
      expect(toHex(await expand(seed, byteOffset, 16))).toBe(cipherBlock(counter));
  });

  it('continues where the last call ended, also in the middle of a block', async () => {
    const next = await platform.open(seed, 5);
    let at = 5;
    for (const length of [1, 0, 30, 16, 1000]) {
      expect(Buffer.compare(await next(length), whole.subarray(at, at + length))).toBe(0);
      at += length;
    }
  });

  it('refuses seeds of another length and impossible ranges', async () => {
    await expect(expand(new Uint8Array(16), 0, 1)).rejects.toMatchObject({ code: 'key_invalid' });
    await expect(expand(seed, -1, 1)).rejects.toMatchObject({ code: 'internal' });
    await expect(expand(seed, 0.5, 1)).rejects.toMatchObject({ code: 'internal' });
    await expect(expand(seed, 0, -1)).rejects.toMatchObject({ code: 'internal' });
    await expect(expand(seed, 0, Number.NaN)).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('lanes', () => {
  const ring = fc.constantFrom([16, 12], [16, 16], [16, 1], [32, 24], [32, 32], [32, 17] as const);

  it('are added and taken away little-endian mod 2^b (against BigInt)', async () => {
    await fc.assert(
      fc.asyncProperty(
        ring,
        fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(1 as const, -1 as const),
        fc.nat(1000),
        async ([width, bits], values, sign, laneOffset) => {
          const plain = values.map((value) => value % 2 ** bits);
          const lanes: Lanes = width === 16 ? new Uint16Array(plain) : new Uint32Array(plain);
          await applyMask(lanes, seed, sign, bits, { laneOffset });
          const bytes = width / 8;
          const stream = Buffer.from(oneShot(seed, (laneOffset + plain.length) * bytes));
          const expected = plain.map((value, i) => {
            const mask = BigInt(stream.readUIntLE((laneOffset + i) * bytes, bytes));
            return Number(BigInt.asUintN(bits, BigInt(value) + BigInt(sign) * mask));
          });
          expect([...lanes]).toEqual(expected);
        },
      ),
      { numRuns: 80, seed: 3 },
    );
  });

  it('come back when the same masks are applied with the other sign, over several chunks', async () => {
    const length = CHUNK + 3;
    const plain = new Uint16Array(oneShot(other, 2 * length).buffer);
    const lanes = plain.slice();
    const jobs: MaskJob[] = [
      { seed, sign: 1 },
      { seed: other, sign: -1 },
    ];
    await applyMasks(lanes, jobs, 16);
    expect(lanes).not.toEqual(plain);
    const undo = jobs.map((job): MaskJob => ({ ...job, sign: job.sign === 1 ? -1 : 1 }));
    await applyMasks(lanes, undo, 16, { keystream: webKeystream });
    expect(Buffer.compare(new Uint8Array(lanes.buffer), new Uint8Array(plain.buffer))).toBe(0);
  });

  it('refuse a modulus wider than a lane, or none', async () => {
    const cases = [
      [new Uint16Array(1), 17],
      [new Uint16Array(1), 0],
      [new Uint32Array(1), 33],
      [new Uint32Array(1), 2.5],
      [new Uint32Array(1), Number.NaN],
    ] as const;
    for (const [lanes, bits] of cases)
      await expect(applyMask(lanes, seed, 1, bits)).rejects.toMatchObject({
        code: 'encoding_overflow',
      });
  });
});

describe('maskUpdate', () => {
  const pairs: MaskJob[] = [
    { seed, sign: 1 },
    { seed: other, sign: -1 },
  ];
  const selfSeed = sha256(utf8('self'));

  it('is the update plus the self mask and the signed pair masks', async () => {
    const lanes = new Uint32Array([1, 2, 3]);
    await maskUpdate({ lanes, modulusBits: 32, selfSeed, pairs });
    const [self, plus, minus] = [selfSeed, seed, other].map(
      (key) => new Uint32Array(oneShot(key, 12).buffer),
    );
    const expected = [1, 2, 3].map((x, i) => (x + self![i]! + plus![i]! - minus![i]!) >>> 0);
    expect([...lanes]).toEqual(expected);
  });

  it('never leaves a partly masked update behind', async () => {
    const broken: MaskJob[] = [pairs[0]!, { seed: new Uint8Array(31), sign: 1 }];
    const failing = [
      { pairs: broken, code: 'key_invalid' },
      { pairs: pairs.slice(1), code: 'cohort_too_small' },
      { pairs, signal: AbortSignal.abort(), code: 'aborted' },
    ];
    for (const { code, ...rest } of failing) {
      const lanes = new Uint16Array(10).fill(7);
      const attempt = maskUpdate({ lanes, modulusBits: 16, selfSeed, ...rest });
      await expect(attempt).rejects.toMatchObject({ code });
      expect([...lanes]).toEqual(Array.from({ length: 10 }, () => 0));
    }
  });

  it('can be cancelled half way and lets the event loop run meanwhile', async () => {
    const abort = new AbortController();
    const lanes = new Uint16Array(16 << 20).fill(1);
    // A timer fires only if the masking yields; without a turn the work would finish first.
    setTimeout(() => abort.abort(), 0);
    const attempt = maskUpdate({
      lanes,
      modulusBits: 16,
      selfSeed,
      pairs: [...pairs, ...pairs],
      signal: abort.signal,
    });
    await expect(attempt).rejects.toMatchObject({ code: 'aborted' });
    expect(lanes.every((lane) => lane === 0)).toBe(true);
  });

  it('uses another self mask in another context, for another author, for another secret', () => {
    const [context, author] = [utf8('c'.repeat(32)), utf8('a'.repeat(32))];
    const secret = selfSecretOf(seed, other);
    const seeds = [
      selfMaskSeed(context, author, secret),
      selfMaskSeed(author, author, secret),
      selfMaskSeed(context, context, secret),
      selfMaskSeed(context, author, selfSecretOf(other, other)),
    ];
    expect(new Set(seeds.map(toHex)).size).toBe(4);
    // b alone makes the mask: e is opened to everybody with the bundle.
    expect(selfMaskSeed(context, author, selfSecretOf(seed, seed))).toEqual(seeds[0]);
    expect(() => selfMaskSeed(context, author, seed)).toThrow('expected 64 bytes');
  });

  it('the default is the one of the platform', () => {
    expect(platformKeystream).toBe(nodeKeystream);
  });
});
