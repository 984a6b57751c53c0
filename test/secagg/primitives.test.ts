/**
 * The primitives, native and portable, against known answers (RFC 7748, RFC 5869, the AES-GCM test
 * cases of McGrew and Viega), and each against the other: the two must give equal bytes, and refuse
 * alike.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import {
  nativePrimitives,
  platformPrimitives,
  portablePrimitives,
  ready,
} from '../../protocol/secagg/index.ts';

beforeAll(ready);

const native = nativePrimitives!;
const portable = portablePrimitives(seededRandom(utf8('kem')));
const both = [
  ['native', native],
  ['portable', portable],
] as const;
const bytes = (label: string): Uint8Array => sha256(utf8(label));
const seed = Uint8Array.from({ length: 64 }, (_, i) => i);
const code = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

it('the platform takes the native ones under Node', () => {
  expect(platformPrimitives).toBe(native);
  expect([native.kind, portable.kind]).toEqual(['native', 'portable']);
});

describe.each(both)('%s', (_name, primitives) => {
  it('X25519 gives the secret of RFC 7748, section 6.1', () => {
    const bob = primitives.pointPair(
      fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
    );
    expect(toHex(bob.publicKey)).toBe(
      'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    );
    const alice = fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(toHex(bob.agree(primitives.pointKey(alice)))).toBe(
      '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    );
  });

  it('HKDF gives test case 1 of RFC 5869', () => {
    const okm = primitives.hkdf(
      new Uint8Array(22).fill(0x0b),
      fromHex('000102030405060708090a0b0c'),
      fromHex('f0f1f2f3f4f5f6f7f8f9'),
      42,
    );
    expect(toHex(okm)).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    );
  });

  it('AES-256-GCM gives test cases 13 and 14, and refuses what was altered', async () => {
    const [key, none] = [new Uint8Array(32), new Uint8Array(0)];
    expect(toHex(await primitives.seal(key, none, none))).toBe('530f8afbc74536b9a963b4f1c4cb738b');
    const sealed = await primitives.seal(key, none, new Uint8Array(16));
    expect(toHex(sealed)).toBe('cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919');
    expect(await primitives.open(key, none, sealed)).toEqual(new Uint8Array(16));
    for (let at = 0; at < sealed.length; at += 1)
      expect(await primitives.open(key, none, sealed.with(at, sealed[at]! ^ 1))).toBeUndefined();
    expect(await primitives.open(key, bytes('other'), sealed)).toBeUndefined();
    expect(await primitives.open(bytes('other'), none, sealed)).toBeUndefined();
    for (const length of [0, 15])
      expect(await primitives.open(key, none, sealed.subarray(0, length))).toBeUndefined();
  });

  it('ML-KEM-768 refuses ciphertexts of another length, and encapsulates afresh each time', () => {
    const pair = primitives.kemPair(seed);
    const key = primitives.kemKey(pair.publicKey);
    const [one, two] = [key.encapsulate(), key.encapsulate()];
    expect(one.secret).not.toEqual(two.secret);
    expect(pair.decapsulate(one.ciphertext)).toEqual(one.secret);
    expect(code(() => pair.decapsulate(one.ciphertext.subarray(1)))).toBe('share_invalid');
  });

  it('refuses points of low order', () => {
    const pair = primitives.pointPair(bytes('scalar'));
    for (const hex of [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
    ])
      expect(
        code(() => pair.agree(primitives.pointKey(fromHex(hex)))),
        hex,
      ).toBe('key_invalid');
  });
});

describe('native and portable agree', () => {
  it('on the keys of a seed, and each opens what the other encapsulates', () => {
    const [left, right] = [native.kemPair(seed), portable.kemPair(seed)];
    expect(left.publicKey).toEqual(right.publicKey);
    const toNative = portable.kemKey(left.publicKey).encapsulate();
    expect(left.decapsulate(toNative.ciphertext)).toEqual(toNative.secret);
    const toPortable = native.kemKey(right.publicKey).encapsulate();
    expect(right.decapsulate(toPortable.ciphertext)).toEqual(toPortable.secret);
    // Implicit rejection: the secret of a broken ciphertext is a function of the seed.
    const broken = toNative.ciphertext.with(9, toNative.ciphertext[9]! ^ 1);
    expect(left.decapsulate(broken)).toEqual(right.decapsulate(broken));
    expect(left.decapsulate(broken)).not.toEqual(toNative.secret);
  });

  it('on X25519, also between a native secret and a portable key', () => {
    for (let i = 0; i < 20; i += 1) {
      const [a, b] = [bytes(`a${i}`), bytes(`b${i}`)];
      const peer = portable.pointPair(b).publicKey;
      expect(native.pointPair(a).publicKey).toEqual(portable.pointPair(a).publicKey);
      const shared = portable.pointPair(a).agree(portable.pointKey(peer));
      expect(native.pointPair(a).agree(native.pointKey(peer))).toEqual(shared);
      expect(native.pointPair(a).agree(portable.pointKey(peer))).toEqual(shared);
      // The top bit of a point does not count (RFC 7748, section 5).
      const high = peer.with(31, peer[31]! | 0x80);
      expect(native.pointPair(a).agree(native.pointKey(high))).toEqual(shared);
      expect(portable.pointPair(a).agree(portable.pointKey(high))).toEqual(shared);
    }
  });

  it('on HKDF and on sealed bytes', async () => {
    for (const length of [0, 1, 98, 1000]) {
      const [key, aad, plain] = [bytes(`k${length}`), bytes('aad'), new Uint8Array(length).fill(7)];
      const sealed = await native.seal(key, aad, plain);
      expect(await portable.seal(key, aad, plain)).toEqual(sealed);
      expect(await portable.open(key, aad, sealed)).toEqual(plain);
      const out = native.hkdf(key, aad, utf8('info'), length + 1);
      expect(portable.hkdf(key, aad, utf8('info'), length + 1)).toEqual(out);
    }
  });
});
