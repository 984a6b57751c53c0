/**
 * @module An upload to Walrus killed at every step: whatever was done is not done again, nothing is
 * paid twice, nothing stays registered and uncertified. A crash is a journal that stops before or
 * after a state is written; the process that comes after has the journal's folder and the chain,
 * nothing else.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bcs } from '@mysten/sui/bcs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { folderUploadJournal } from '../../protocol/ports/upload-journal-folder.ts';
import type { UploadJournal, UploadState } from '../../protocol/ports/upload-journal.ts';
import { walrusClientOf } from '../../protocol/net/walrus/client.ts';
import type { Connected } from '../../protocol/net/network-ports.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { Devnet } from 'floe-devnet';
import { connect, fund, keyOf, networkOf, specFor, startNetwork } from './support.ts';

let devnet: Devnet;
let folder: string;
const owner = keyOf(1);
const random = seededRandom(new Uint8Array(32).fill(5));

beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 3 });
  await fund(devnet, owner);
});
afterAll(async () => {
  await devnet.stop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), 'floe-uploads-'));
});

class Crash extends Error {}

type Point = readonly [UploadState['step'], 'before' | 'after'];

/** Dies once, when a state of this step is written. */
const crashing = (journal: UploadJournal, [step, when]: Point): UploadJournal => {
  let alive = true;
  return {
    ...journal,
    save: async (key, state) => {
      if (!alive) throw new Crash();
      if (state.step !== step) return journal.save(key, state);
      alive = false;
      if (when === 'after') await journal.save(key, state);
      throw new Crash();
    },
  };
};

const start = (journal: UploadJournal): Promise<Connected> =>
  connect(devnet, owner, specFor(owner), { journal });

const walPaid = async (work: () => Promise<void>): Promise<bigint> => {
  const { client } = await start(folderUploadJournal(folder));
  const balance = async (): Promise<bigint> => {
    const type = [...devnet.chain.state.ownedBy({ type: 'address', address: owner.toSuiAddress() })]
      .map(({ objectType }) => objectType)
      .find((name) => name.includes('::wal::WAL>')) as string;
    const coinType = type.slice(type.indexOf('<') + 1, -1);
    const { balance: found } = await client.core.getBalance({
      owner: owner.toSuiAddress(),
      coinType,
    });
    return BigInt(found.balance);
  };
  const before = await balance();
  await work();
  return before - (await balance());
};

/** All Blob objects of the owner: id number and whether certified. */
const blobObjects = () =>
  devnet.chain.state
    .ownedBy({ type: 'address', address: owner.toSuiAddress() })
    .filter(({ objectType }) => objectType.endsWith('::blob::Blob'))
    .map(({ contents }) => {
      const layout = bcs.struct('Blob', {
        id: bcs.Address,
        registeredEpoch: bcs.u32(),
        blobId: bcs.u256(),
        size: bcs.u64(),
        encodingType: bcs.u8(),
        certifiedEpoch: bcs.option(bcs.u32()),
      });
      const { blobId, certifiedEpoch } = layout.parse(contents);
      return { blobId, certified: certifiedEpoch !== null };
    });

const SIZE = 4_000;
const priceOf = async (): Promise<bigint> => {
  const { client } = await start(folderUploadJournal(folder));
  const { totalCost } = await walrusClientOf(networkOf(devnet), client).storageCost(SIZE, 3);
  return totalCost;
};

describe('a crash during an upload', () => {
  const points: Point[] = [
    ['planned', 'before'],
    ['planned', 'after'],
    ['registering', 'before'],
    ['registering', 'after'],
    ['registered', 'before'],
    ['registered', 'after'],
    ['uploaded', 'before'],
    ['uploaded', 'after'],
    ['certified', 'before'],
    ['certified', 'after'],
  ];
  for (const point of points)
    it(`${point[1]} "${point[0]}" is written: paid once, certified, readable`, async () => {
      const bytes = random(SIZE);
      const count = blobObjects().length;
      const paid = await walPaid(async () => {
        const doomed = await start(crashing(folderUploadJournal(folder), point));
        await expect(doomed.store.put(bytes)).rejects.toBeInstanceOf(Crash);
        const next = await start(folderUploadJournal(folder));
        await next.store.resume();
        const ref = await next.store.put(bytes);
        expect(await next.store.get(ref)).toEqual(bytes);
      });
      expect(paid).toBe(await priceOf());
      const objects = blobObjects();
      expect(objects).toHaveLength(count + 1);
      expect(objects.every(({ certified }) => certified)).toBe(true);
    });

  it('leaves nothing behind when the caller never asks again', async () => {
    const doomed = await start(crashing(folderUploadJournal(folder), ['registered', 'after']));
    await expect(doomed.store.put(random(SIZE))).rejects.toBeInstanceOf(Crash);
    expect(blobObjects().filter(({ certified }) => !certified)).toHaveLength(1);
    const next = await start(folderUploadJournal(folder));
    expect(await next.store.resume()).toBe(1);
    expect(blobObjects().every(({ certified }) => certified)).toBe(true);
    expect(await (await start(folderUploadJournal(folder))).store.resume()).toBe(0);
  });

  it('registers anew when the coins of the prepared transaction were spent meanwhile', async () => {
    const bytes = random(SIZE);
    const paid = await walPaid(async () => {
      const doomed = await start(crashing(folderUploadJournal(folder), ['registering', 'after']));
      await expect(doomed.store.put(bytes)).rejects.toBeInstanceOf(Crash);
      const next = await start(folderUploadJournal(folder));
      await next.store.put(random(SIZE));
      expect(await next.store.get(await next.store.put(bytes))).toEqual(bytes);
    });
    expect(paid).toBe(2n * (await priceOf()));
  });

  it('continues with a new certificate when the epoch changed in between', async () => {
    const bytes = random(SIZE);
    const doomed = await start(crashing(folderUploadJournal(folder), ['uploaded', 'after']));
    await expect(doomed.store.put(bytes)).rejects.toBeInstanceOf(Crash);
    devnet.faults.advanceEpoch();
    const next = await start(folderUploadJournal(folder));
    expect(await next.store.get(await next.store.put(bytes))).toEqual(bytes);
    expect(blobObjects().every(({ certified }) => certified)).toBe(true);
  });
});

describe('quilts', () => {
  it('continue after a crash as well', async () => {
    const blobs = [random(900), random(1_700), random(30)];
    const count = blobObjects().length;
    const doomed = await start(crashing(folderUploadJournal(folder), ['uploaded', 'before']));
    const promised = await doomed.store.putTogether(blobs);
    await expect(doomed.store.settle()).rejects.toBeInstanceOf(Crash);
    const next = await start(folderUploadJournal(folder));
    expect(await next.store.resume()).toBe(1);
    const refs = await next.store.putTogether(blobs);
    expect(refs).toEqual(promised);
    await next.store.settle();
    expect(blobObjects()).toHaveLength(count + 1);
    expect(await Promise.all(refs.map((ref) => next.store.get(ref)))).toEqual(blobs);
  });

  it('are not lost once they have been promised, paid for or not', async () => {
    const blobs = [random(500), random(600)];
    const doomed = await start(crashing(folderUploadJournal(folder), ['registering', 'before']));
    const refs = await doomed.store.putTogether(blobs);
    await expect(doomed.store.settle()).rejects.toBeInstanceOf(Crash);
    const next = await start(folderUploadJournal(folder));
    expect(await next.store.resume()).toBe(1);
    expect(await Promise.all(refs.map((ref) => next.store.get(ref)))).toEqual(blobs);
  });
});
