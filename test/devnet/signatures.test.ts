/**
 * @module The devnet's native Ed25519 decides as the library does, also where RFC 8032 and ZIP 215
 * differ; its bounded memory.
 */
import { createPublicKey, verify } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { Lru } from '../../devnet/lru.ts';
import { verifyEd25519 } from '../../devnet/signatures.ts';

test('Ed25519: what the library says, permanently, altered and malformed signatures', () => {
  const { secretKey, publicKey } = ed25519.keygen();
  const message = new TextEncoder().encode('a request');
  const good = ed25519.sign(message, secretKey);
  expect(verifyEd25519(good, message, publicKey)).toBe(true);
  for (const at of [0, 31, 32, 63]) {
    const bad = Uint8Array.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    expect(verifyEd25519(bad, message, publicKey)).toBe(false);
  }
  expect(verifyEd25519(good, message.slice(1), publicKey)).toBe(false);
  expect(verifyEd25519(good, message, ed25519.keygen().publicKey)).toBe(false);
  expect(verifyEd25519(good.slice(1), message, publicKey)).toBe(false);
  expect(verifyEd25519(good, message, publicKey.slice(1))).toBe(false);
  expect(verifyEd25519(good, message, new Uint8Array(32).fill(255))).toBe(false);
});

test('Ed25519: what only ZIP 215 accepts (torsion in R) the system refuses, and it stays good', () => {
  const { Point } = ed25519;
  const { Fn } = Point;
  const torsion = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');
  const message = new TextEncoder().encode('a request');
  const [secret, nonce] = [123_456_789n, 987_654_321n];
  const key = Point.BASE.multiply(secret).toBytes();
  const r = Point.BASE.multiply(nonce).add(torsion).toBytes();
  const hash = sha512(Buffer.concat([r, key, message]));
  const challenge = Fn.create(BigInt(`0x${Buffer.from(hash.toReversed()).toString('hex')}`));
  const s = Fn.toBytes(Fn.add(nonce, Fn.mul(challenge, secret)));
  const signature = Buffer.concat([r, s]);
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]);
  const system = createPublicKey({ key: der, format: 'der', type: 'spki' });
  expect(verify(null, message, system, signature)).toBe(false);
  expect(ed25519.verify(signature, message, key)).toBe(true);
  expect(verifyEd25519(signature, message, key)).toBe(true);
});

test('the bounded memory drops what was used longest ago, never the newest', () => {
  const memory = new Lru<string>(10);
  memory.set('a', 'A', 4);
  memory.set('b', 'B', 4);
  expect(memory.get('a')).toBe('A');
  memory.set('c', 'C', 4);
  expect([memory.get('a'), memory.get('b'), memory.get('c')]).toEqual(['A', undefined, 'C']);
  memory.set('d', 'D', 100);
  expect([memory.size, memory.total, memory.get('d')]).toEqual([1, 100, 'D']);
  memory.set('d', 'E', 1);
  expect([memory.total, memory.getOrCreate('d', () => 'F')]).toEqual([1, 'E']);
});
