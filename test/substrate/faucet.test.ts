/** @module Coins from a network's faucet: what arrives, and what is named where none does. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestCoins } from '../../client/index.ts';
import type { Devnet } from 'floe-devnet';
import { keyOf, networkOf, startNetwork } from './support.ts';

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, sealServers: 1, sealThreshold: 1 });
});
afterAll(() => devnet.stop());

it('gives SUI and WAL to an address, again and again', async () => {
  const address = keyOf(9).toSuiAddress();
  const first = await requestCoins(networkOf(devnet), address);
  expect(first).toMatchObject({ address, before: { sui: 0n, wal: 0n } });
  expect(first.after).toEqual({ sui: 10n ** 12n, wal: 10n ** 12n });
  const second = await requestCoins(networkOf(devnet), address);
  expect([second.before, second.after.wal]).toEqual([first.after, 2n * 10n ** 12n]);
});

it('a network without a faucet is named with what to do', async () => {
  const { faucetUrl: _, ...network } = networkOf(devnet);
  const address = keyOf(9).toSuiAddress();
  await expect(requestCoins(network, address, { from: 'net.json' })).rejects.toMatchObject({
    code: 'faucet_missing',
    message: 'net.json names no faucet (faucetUrl)',
    remedy: expect.stringMatching(/faucetUrl/u) as string,
  });
});

it('a faucet that does not answer is named, without the secret in its address', async () => {
  const network = { ...networkOf(devnet), faucetUrl: 'http://user:secret@127.0.0.1:1/' };
  const refused = requestCoins(network, keyOf(9).toSuiAddress());
  await expect(refused).rejects.toMatchObject({ code: 'faucet_refused' });
  await expect(refused).rejects.not.toThrow(/secret/u);
});
