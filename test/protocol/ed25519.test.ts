/**
 * Ed25519: the platform's answers against libsodium's, also on the signatures that implementations
 * disagree about (Chalkias, Garillot and Nikolaenko 2020, "Taming the many EdDSAs"): points of
 * small and mixed order, encodings beyond p, S beyond L.
 */
import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import sodium from 'libsodium-wrappers';
import { beforeAll, expect, it } from 'vitest';
import { concatBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { signerOf, verifyEd25519 } from '../../protocol/records/ed25519.ts';

beforeAll(async () => sodium.ready);

const { Point } = ed25519;
const L = Point.Fn.ORDER;
const P = Point.Fp.ORDER;
const little = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
const number = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) + BigInt(byte), 0n);
const h = (r: Uint8Array, a: Uint8Array, message: Uint8Array): bigint =>
  number(sha512(concatBytes(r, a, message))) % L;

/** Whether both say the same, and what. */
const verdict = (message: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean => {
  const mine = verifyEd25519(message, signature, key);
  const theirs = sodium.crypto_sign_verify_detached(signature, message, key);
  expect(mine, `${toHex(signature)} under ${toHex(key)}`).toBe(theirs);
  return mine;
};

it('signs as RFC 8032, section 7.1, test 2 and as libsodium does', () => {
  const seed = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
  expect(toHex(signerOf(seed)(fromHex('72')))).toBe(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  for (let i = 0; i < 20; i += 1) {
    const [own, message] = [sha256(utf8(`seed ${i}`)), new Uint8Array(50 * i).fill(i)];
    const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(own);
    const signature = signerOf(own)(message);
    expect(signature).toEqual(sodium.crypto_sign_detached(message, privateKey));
    expect(verdict(message, signature, publicKey)).toBe(true);
    for (let at = 0; at < 64; at += 7)
      expect(verdict(message, signature.with(at, signature[at]! ^ 1), publicKey)).toBe(false);
  }
});

it('refuses S + L, which verifies the same equation', () => {
  const seed = sha256(utf8('malleable'));
  const { publicKey } = sodium.crypto_sign_seed_keypair(seed);
  const signature = signerOf(seed)(utf8('m'));
  const s = number(signature.subarray(32));
  const more = concatBytes(signature.subarray(0, 32), little(s + L));
  expect(verdict(utf8('m'), more, publicKey)).toBe(false);
});

it('refuses keys and R of small order, in each of their encodings', () => {
  const small = ED25519_TORSION_SUBGROUP.map((hex) => fromHex(hex));
  const encodings = small.flatMap((point) => {
    const y = number(point.with(31, point[31]! & 0x7f));
    const both = [point, point.with(31, point[31]! ^ 0x80)];
    return y < 19n ? [...both, little(y + P), little(y + P + (1n << 255n))] : both;
  });
  for (const key of encodings)
    for (const r of encodings)
      for (const s of [0n, 1n])
        for (let i = 0; i < 4; i += 1)
          expect(verdict(utf8(`${i}`), concatBytes(r, little(s)), key)).toBe(false);
});

it('answers alike for keys and R of mixed order', () => {
  const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex));
  const answers = new Set<boolean>();
  for (const [i, inKey] of torsion.entries())
    for (const [j, inR] of torsion.entries())
      for (let k = 0; k < 8; k += 1) {
        const [a, r] = [BigInt(1000 + 8 * i + k), BigInt(2000 + j)];
        const key = Point.BASE.multiply(a).add(inKey).toBytes();
        const point = Point.BASE.multiply(r).add(inR).toBytes();
        const message = utf8(`${i}/${j}/${k}`);
        const s = (r + h(point, key, message) * a) % L;
        answers.add(verdict(message, concatBytes(point, little(s)), key));
      }
  // The set holds signatures of both kinds, so the comparison is not vacuous.
  expect(answers).toEqual(new Set([true, false]));
});

it('answers alike for keys and R beyond p', () => {
  for (let y = 0n; y < 19n; y += 1n)
    for (const sign of [0n, 1n << 255n]) {
      const key = little(y + P + sign);
      const r = Point.BASE.multiply(7n).toBytes();
      for (const s of [0n, 7n, 8n]) {
        expect(verdict(utf8('m'), concatBytes(r, little(s)), key)).toBe(false);
        expect(verdict(utf8('m'), concatBytes(key, little(s)), r)).toBe(false);
      }
    }
});
