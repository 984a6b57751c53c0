/**
 * @module Walrus keeps a blob for the epochs that were paid: what runs out soon is extended, what has run out is stored again under
 * the same id, an upload whose registration has run out is registered anew.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  memoryUploadJournal,
  type UploadJournal,
  type UploadState,
} from '../../protocol/blobs/upload-journal.ts';
import type { Connected } from '../../protocol/connect.ts';
import { seededRandom } from '../../protocol/random.ts';
import type { Devnet } from '../../sim/devnet/index.ts';
import { connect, fund, keyOf, quick, specFor, startNetwork } from './support.ts';

const owner = keyOf(1);
const random = seededRandom(new Uint8Array(32).fill(21));
const EPOCHS = 3;

let devnet: Devnet;
const opened: Connected[] = [];
beforeAll(async () => {
  devnet = await startNetwork();
  await fund(devnet, owner);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((connected) => connected.close()));
});
afterAll(async () => {
  await devnet.stop();
});

const payer = async (journal: UploadJournal = memoryUploadJournal()): Promise<Connected> => {
  const store = { ...quick, epochs: EPOCHS, cacheBytes: 0 };
  const connected = await connect(devnet, owner, specFor(owner), { store, journal });
  opened.push(connected);
  return connected;
};

/** Somebody else, who has nothing in memory. */
const reader = async (): Promise<Connected> => {
  const connected = await connect(devnet, keyOf(2), specFor(owner), {
    store: { ...quick, missingMs: 300, cacheBytes: 0 },
  });
  opened.push(connected);
  return connected;
};

const epochsPass = (count: number): void => {
  for (let i = 0; i < count; i += 1) devnet.faults.advanceEpoch();
};

const gone = expect.objectContaining({ code: 'blob_not_found' });

describe('what has run out', () => {
  it('is stored again when it is put again, under the same id', async () => {
    const journal = memoryUploadJournal();
    const { store } = await payer(journal);
    const bytes = random(5_000);
    const ref = await store.put(bytes);
    epochsPass(EPOCHS);
    await expect((await reader()).store.get(ref)).rejects.toEqual(gone);
    expect(await store.put(bytes)).toEqual(ref);
    expect(await (await reader()).store.get(ref)).toEqual(bytes);
    // After a restart too: the journal says that it was certified once.
    epochsPass(EPOCHS);
    expect(await (await payer(journal)).store.put(bytes)).toEqual(ref);
    expect(await (await reader()).store.get(ref)).toEqual(bytes);
  });

  it.each(['registered', 'uploaded'] as const)(
    'is registered anew where a crash left it %s',
    async (step) => {
      const inner = memoryUploadJournal();
      const crash = new Error('crash');
      /** Dies once the step is written. */
      const dying: UploadJournal = {
        ...inner,
        save: async (key: string, state: UploadState) => {
          await inner.save(key, state);
          if (state.step === step) throw crash;
        },
      };
      const bytes = random(5_000);
      await expect((await payer(dying)).store.put(bytes)).rejects.toThrow('crash');
      epochsPass(EPOCHS);
      const { store } = await payer(inner);
      expect(await store.resume()).toBe(1);
      const ref = await store.put(bytes);
      expect(await (await reader()).store.get(ref)).toEqual(bytes);
    },
  );
});
