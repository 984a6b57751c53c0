/**
 * @module Moves of a coordinator that holds the right to write to its run on chain.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { localBeacon } from '../../protocol/ledger/beacon.ts';
import { hashRunSpec } from '../../protocol/run-spec.ts';
import type { Devnet } from '../../sim/devnet/index.ts';
import { connect, fund, keyOf, publicKeyOf, specFor, startNetwork } from '../substrate/support.ts';

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, sealServers: 2, sealThreshold: 2 });
});
afterAll(async () => {
  await devnet.stop();
});

const owner = keyOf(300);
const members = [301, 302, 303].map((index) => publicKeyOf(keyOf(index)));
const bytes = (value: number): Uint8Array => new Uint8Array(32).fill(value);

const coordinatorOf = async () => {
  await fund(devnet, owner);
  const spec = specFor(owner);
  const { ledger } = await connect(devnet, owner, spec);
  return { ledger, run: hashRunSpec(spec) };
};

/** Beacons the coordinator would like: one of 256. */
const isLiked = (beacon: Uint8Array): boolean => beacon[0] === 7;

it('the coordinator grinds the beacon of a round before it freezes the cohort', async () => {
  const { ledger, run } = await coordinatorOf();
  const root = bytes(1);
  const guesses = Array.from({ length: 10_000 }, (_, guess) => {
    const entropy = bytes(2);
    new DataView(entropy.buffer).setUint32(0, guess);
    return entropy;
  });
  const entropy = guesses.find((guess) => isLiked(localBeacon(root, guess)));
  if (entropy === undefined) throw new Error('expected one of 10,000 guesses to be liked');
  const { beacon } = await ledger.freezeCohort({ run, round: 1, root, members, entropy });
  expect(isLiked(beacon)).toBe(true);
  expect((await ledger.readCohort(run, 1))?.beacon).toEqual(beacon);
});
