/**
 * @module Costs against the SDK's own arithmetic, the figures of Walrus's documentation, and real
 * quilts.
 */
import { encodeQuilt } from '@mysten/walrus';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { walrusClientOf } from '../../protocol/net/walrus/client.ts';
import { blobCost, encodedLength, quiltSizes, runCost, walrusOf } from '../../protocol/net/cost.ts';
import type { Devnet } from 'floe-devnet';
import { connect, keyOf, networkOf, specFor, startNetwork } from './support.ts';

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 3, sealServers: 1, sealThreshold: 1 });
});
afterAll(async () => {
  await devnet.stop();
});

const MAINNET = { shards: 1000, storagePerUnit: 100_000n, writePerUnit: 20_000n };

describe('one blob', () => {
  it("costs what the SDK's client says", async () => {
    const { client } = await connect(devnet, keyOf(1), specFor(keyOf(1)));
    const walrus = walrusClientOf(networkOf(devnet), client);
    const { committee, ...state } = await walrus.systemState();
    const prices = {
      shards: committee.n_shards,
      storagePerUnit: BigInt(state.storage_price_per_unit_size),
      writePerUnit: BigInt(state.write_price_per_unit_size),
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(1_500_000), fc.integer({ min: 1, max: 53 }), async (size, epochs) => {
        const { totalCost } = await walrus.storageCost(size, epochs);
        expect(blobCost(size, epochs, prices)).toBe(totalCost);
      }),
    );
  });

  it('takes about 64 MB of metadata at 1000 shards, and 4.5 times its size', () => {
    expect(encodedLength(1, 1000)).toBeGreaterThan(64e6);
    expect(encodedLength(1, 1000)).toBeLessThan(67e6);
    const gigabyte = 2 ** 30;
    expect(encodedLength(gigabyte, 1000) / gigabyte).toBeCloseTo(4.55, 1);
  });
});

describe('quilts', () => {
  it('have the sizes that the SDK makes, to its few bytes of header', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 30 }),
        fc.integer({ min: 4_000, max: 60_000 }),
        (count, size) => {
          const blobs = Array.from({ length: count }, (_, i) => ({
            contents: new Uint8Array(size),
            identifier: String(i).padStart(64, '0'),
          }));
          const { quilt } = encodeQuilt({ blobs, numShards: 52 });
          const [planned] = quiltSizes(count, size + 72, 52);
          expect(planned).toBe(quilt.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('save what the documentation says: hundreds of times for 10 KiB, about 13 times for 1 MiB', () => {
    const ratio = (size: number): number => {
      const [quilt = 0] = quiltSizes(600, size, 1000);
      const together = blobCost(quilt, 1, MAINNET);
      return Number(600n * blobCost(size, 1, MAINNET)) / Number(together);
    };
    expect(ratio(10 << 10)).toBeGreaterThan(350);
    expect(ratio(10 << 10)).toBeLessThan(450);
    expect(ratio(1 << 20)).toBeGreaterThan(11);
    expect(ratio(1 << 20)).toBeLessThan(15);
  });
});

const RATES = { blob: 1_000n, transaction: 10n, member: 1n };

describe('a run', () => {
  const input = {
    rounds: 50,
    uploads: 100,
    // mlp-2nn: 199,210 weights in 16 bits; the model in 32.
    uploadBytes: 398_500,
    modelBytes: 797_500,
    bundleBytes: 20_000,
    publication: [5_000_000],
    epochs: 2,
  };

  it('of 100 participants pays at most a tenth of what a blob each would cost', () => {
    for (const some of [input, { ...input, modelBytes: 1, bundleBytes: 1 }]) {
      const { round, total, separateRound, separateTotal } = runCost(some, MAINNET, RATES);
      expect(Number(separateRound) / Number(walrusOf(round))).toBeGreaterThan(10);
      expect(Number(separateTotal) / Number(walrusOf(total))).toBeGreaterThan(10);
    }
  });

  it('makes two transactions a blob, three a round', () => {
    const { round, once, total } = runCost({ ...input, rounds: 7 }, MAINNET, RATES);
    // Quilt and model; initial model and publication, which are three transactions more with the
    // run itself.
    expect(round.transactions).toBe(2 * 2 + 3);
    expect(once.transactions).toBe(2 * 2 + 3);
    expect(total.transactions).toBe(7 * 7 + 7);
    expect(total.gas).toBe(7n * (2n * 1_000n + 3n * 10n + 100n) + 2n * 1_000n + 3n * 10n + 100n);
  });
});
