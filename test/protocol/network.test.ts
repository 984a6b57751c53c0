/**
 * What is told of a network, and which network is taken: cases by hand, and keys hidden in
 * addresses as attacks on who tells.
 */
import { initialModelHash } from '../../protocol/model/first-model.ts';
import { describe, expect, it } from 'vitest';
import { chooseNetwork } from '../../client/network.ts';
import {
  networkDifference,
  parseNetworkConfig,
  publicNetwork,
  sealingDifference,
} from '../../protocol/net/config.ts';
import { mayBeginWith } from '../../protocol/spec/first-version.ts';
import { decodeRunSpec, encodeRunSpec, hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { toHex } from '../../protocol/bytes.ts';
import { testSpec } from '../support/run.ts';

const id = (digit: string): string => `0x${digit.repeat(64)}`;
const config = parseNetworkConfig({
  rpcUrl: 'https://me:SECRET1@rpc.example/v2?key=SECRET2#SECRET3',
  faucetUrl: 'https://faucet.example/?SECRET4',
  walrus: {
    systemObjectId: id('1'),
    stakingPoolId: id('2'),
    relayUrl: 'https://relay.example/SECRET5',
    aggregatorUrl: 'https://SECRET6@aggregator.example/',
    epochs: 7,
  },
  seal: {
    servers: [
      { objectId: id('3'), url: 'https://seal.example/?k=SECRET7' },
      { objectId: id('4'), aggregatorUrl: 'https://a:SECRET8@seal.example/x' },
    ],
    decryptOnly: [{ objectId: id('8'), url: 'https://old.example/?k=SECRET9' }],
    threshold: 2,
  },
  floe: { packageId: id('5') },
});

describe('what others are told of a network', () => {
  const told = publicNetwork(config);

  it('is a configuration that works for readers, without anything that could be a key', () => {
    expect(JSON.stringify(told)).not.toContain('SECRET');
    expect(parseNetworkConfig(told)).toEqual(told);
    expect(told.rpcUrl).toBe('https://rpc.example/v2');
    expect(told.walrus.aggregatorUrl).toBe('https://aggregator.example');
    expect(told).not.toHaveProperty('faucetUrl');
    expect(told.walrus).not.toHaveProperty('relayUrl');
  });

  it('names the same network; another package or committee does not; key servers have to be listed', () => {
    expect(networkDifference(config, told)).toBeUndefined();
    expect(networkDifference(config, { ...told, floe: { packageId: id('6') } })).toMatch(/^floe/u);
    const { walrus, seal } = told;
    const moved = { ...told, walrus: { ...walrus, systemObjectId: id('9') } };
    expect(networkDifference(config, moved)).toMatch(/^walrus\.systemObjectId/u);
    const { servers } = seal;
    const fewer = { ...told, seal: { ...seal, servers: servers.slice(1), threshold: 2 } };
    expect(sealingDifference(config, fewer)).toBeUndefined();
    const foreign = { ...told, seal: { ...seal, servers: [...servers, { objectId: id('7') }] } };
    expect(networkDifference(config, foreign)).toBeUndefined();
    expect(sealingDifference(config, foreign)).toMatch(/^seal\.servers.*0x7777/u);
    const listed = { ...config, seal: { ...config.seal, decryptOnly: [{ objectId: id('7') }] } };
    expect(sealingDifference(listed, foreign)).toBeUndefined();
    const weaker = { ...told, seal: { ...seal, threshold: 1 } };
    expect(sealingDifference(config, weaker)).toMatch(/^seal\.threshold/u);
    const reversed = { ...told, seal: { ...seal, servers: seal.servers.toReversed() } };
    expect(networkDifference(config, reversed)).toBeUndefined();
    expect(sealingDifference(config, reversed)).toBeUndefined();
  });
});

it.each(['javascript:alert(1)', 'file:///etc/passwd', 'data:text/plain,x', 'ftp://a.example'])(
  'an address %s is none of a network',
  (address) => {
    const { walrus } = config;
    for (const wrong of [
      { ...config, rpcUrl: address },
      { ...config, walrus: { ...walrus, aggregatorUrl: address } },
    ])
      expect(() => parseNetworkConfig(wrong)).toThrow(/http/u);
  },
);

describe('a participant takes', () => {
  const announced = { ...publicNetwork(config), rpcUrl: 'https://liar.example' };
  const refused = expect.objectContaining({ code: 'network_mismatch' });

  it('its own configuration, wherever the coordinator says the same network is', () => {
    expect(chooseNetwork(config, announced)).toBe(config);
    expect(chooseNetwork(undefined, undefined)).toBeUndefined();
  });

  it("the coordinator's only when told to", () => {
    expect(() => chooseNetwork(undefined, announced)).toThrow(refused);
    expect(chooseNetwork('announced', announced)).toBe(announced);
    expect(chooseNetwork('announced', undefined)).toBeUndefined();
  });

  it('no other network, and no coordinator of its own where a network was expected', () => {
    const elsewhere = { ...announced, floe: { packageId: id('6') } };
    expect(() => chooseNetwork(config, elsewhere)).toThrow(refused);
    expect(() => chooseNetwork(config, undefined)).toThrow(refused);
    expect(() => chooseNetwork(config, undefined)).not.toThrow(/SECRET/u);
  });
});

describe('a specification that names what it starts from', () => {
  const hash = new Uint8Array(32).fill(1);

  it('survives encoding, has another hash, and holds the initial model to it', async () => {
    const plain = await testSpec();
    const forked = await testSpec({
      parent: { modelHash: hash, object: new Uint8Array(32).fill(2) },
    });
    expect(decodeRunSpec(encodeRunSpec(forked))).toEqual(forked);
    expect(toHex(hashRunSpec(forked))).not.toBe(toHex(hashRunSpec(plain)));
    expect(toHex(hashRunSpec({ ...plain, parent: undefined }))).toBe(toHex(hashRunSpec(plain)));
    expect(mayBeginWith(plain, hash)).toBe(false);
    expect(mayBeginWith(plain, initialModelHash(plain.model))).toBe(true);
    expect(mayBeginWith(forked, hash)).toBe(true);
    expect(mayBeginWith(forked, new Uint8Array(32))).toBe(false);
  });
});
