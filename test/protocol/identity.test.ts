/**
 * @module The identity port knows nothing of a chain: the signer of Sui's SDKs is derived from it,
 * and no room above protocol/net imports a vendor's SDK.
 */
import { readdir, readFile } from 'node:fs/promises';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { verifyPersonalMessageSignature, verifyTransactionSignature } from '@mysten/sui/verify';
import { expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../protocol/bytes.ts';
import { suiSignerOf } from '../../protocol/net/sui/signer.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';

const seed = new Uint8Array(32).fill(7);
const message = utf8('an offer of words');

it('the signer of an identity is the key pair of its seed, for Sui', async () => {
  const identity = await identityFromSeed(seed);
  const [signer, pair] = [suiSignerOf(identity), Ed25519Keypair.fromSecretKey(seed)];
  expect(signer.toSuiAddress()).toBe(identity.address);
  expect(signer.toSuiAddress()).toBe(pair.toSuiAddress());
  const personal = await signer.signPersonalMessage(message);
  expect(personal).toEqual(await pair.signPersonalMessage(message));
  const key = await verifyPersonalMessageSignature(message, personal.signature);
  expect(key.toSuiAddress()).toBe(identity.address);
  const transaction = await signer.signTransaction(message);
  await verifyTransactionSignature(message, transaction.signature);
});

it('signs nothing as a digest that could be a message of its own', async () => {
  const identity = await identityFromSeed(seed);
  expect(identity.signDigest(new Uint8Array(32))).toHaveLength(64);
  const own = concatBytes(utf8('floe/login/v1'), new Uint8Array(19));
  const cose = concatBytes(new Uint8Array([0x84, 0x6a]), utf8('Signature1'), new Uint8Array(20));
  for (const bytes of [own, cose, new Uint8Array(31), new Uint8Array(33), new Uint8Array()])
    expect(() => identity.signDigest(bytes)).toThrow(/expected a digest/u);
});

it('no SDK is imported outside of protocol/net', async () => {
  const root = new URL('../../', import.meta.url);
  const found: string[] = [];
  for (const room of ['protocol', 'client', 'coordinator', 'sim', 'testing', 'examples/store'])
    for (const name of await readdir(new URL(room, root), { recursive: true })) {
      const path = `${room}/${name}`;
      if (!name.endsWith('.ts') || path.startsWith('protocol/net/')) continue;
      const text = await readFile(new URL(path, root), 'utf8');
      if (/from '@mysten|import\('@mysten/u.test(text)) found.push(path);
    }
  expect(found).toEqual([]);
});
