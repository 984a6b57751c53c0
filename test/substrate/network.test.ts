/**
 * @module The network configuration and the keys: what is refused, and that no key shows in an
 * error.
 */
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Secp256k1Keypair } from '@mysten/sui/keypairs/secp256k1';
import { decodeSuiPrivateKey } from '@mysten/sui/cryptography';
import { toBase64 } from '@mysten/sui/utils';
import { describe, expect, it } from 'vitest';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { parseNetworkConfig } from '../../protocol/net/config.ts';
import {
  keyFromEnvironment,
  keyFromSeed,
  keyFromSuiKeystore,
  parseSuiKey,
} from '../../protocol/net/sui/keys.ts';

const id = `0x${'ab'.repeat(32)}`;
const config = {
  rpcUrl: 'http://127.0.0.1:9000',
  walrus: { systemObjectId: id, stakingPoolId: id },
  seal: { servers: [{ objectId: id }], threshold: 1 },
};

describe('network configuration', () => {
  it('takes what it needs and names what does not fit', () => {
    expect(parseNetworkConfig(config)).toEqual(config);
    for (const bad of [
      { ...config, rpcUrl: 'nowhere' },
      { ...config, walrus: { systemObjectId: '0x1', stakingPoolId: id } },
      { ...config, seal: { servers: [], threshold: 1 } },
      { ...config, seal: { servers: [{ objectId: id }], threshold: 2 } },
      null,
    ])
      expect(() => parseNetworkConfig(bad)).toThrow(/network configuration/);
  });
});

const stored = (secret: string, flag: number): string =>
  toBase64(new Uint8Array([flag, ...decodeSuiPrivateKey(secret).secretKey]));

describe('keys', () => {
  const key = keyFromSeed(new Uint8Array(32).fill(1));
  const other = keyFromSeed(new Uint8Array(32).fill(2));
  const foreign = new Secp256k1Keypair();

  it('of an identity are its Sui address', async () => {
    const identity = await identityFromSeed(new Uint8Array(32).fill(1));
    expect(key.toSuiAddress()).toBe(identity.address);
  });

  it('are read from both written forms and from the environment', () => {
    const secret = key.getSecretKey();
    for (const text of [secret, stored(secret, 0)])
      expect(parseSuiKey(text, 'test').toSuiAddress()).toBe(key.toSuiAddress());
    expect(keyFromEnvironment({ FLOE_SUI_KEY: ` ${secret}\n` })?.toSuiAddress()).toBe(
      key.toSuiAddress(),
    );
    expect(keyFromEnvironment({})).toBeUndefined();
  });

  it('are chosen from a keystore by address, when there are several', () => {
    const file = JSON.stringify([
      stored(key.getSecretKey(), 0),
      stored(foreign.getSecretKey(), 1),
      stored(other.getSecretKey(), 0),
    ]);
    expect(keyFromSuiKeystore(file, other.toSuiAddress()).toSuiAddress()).toBe(
      other.toSuiAddress(),
    );
    expect(() => keyFromSuiKeystore(file)).toThrow(/found 2 of 2/);
    expect(() => keyFromSuiKeystore(file, id)).toThrow(/found 0 of 2/);
    const one = JSON.stringify([stored(key.getSecretKey(), 0)]);
    expect(keyFromSuiKeystore(one).toSuiAddress()).toBe(key.toSuiAddress());
  });

  it('never show in an error', () => {
    const secret = Ed25519Keypair.generate().getSecretKey();
    for (const text of [`${secret}x`, secret.slice(0, -1), foreign.getSecretKey(), 'AAAA', '???']) {
      const thrown = (() => {
        try {
          return parseSuiKey(text, 'FLOE_SUI_KEY');
        } catch (error) {
          return error as Error;
        }
      })();
      expect(thrown).toMatchObject({ code: 'key_invalid' });
      expect(JSON.stringify([(thrown as Error).message, (thrown as Error).cause])).not.toContain(
        text,
      );
    }
  });
});
