/**
 * @module Walrus keeps a blob for the epochs that were paid: what runs out soon is extended, what
 * has run out is stored again under the same id, an upload whose registration has run out is
 * registered anew.
 */
import { Transaction } from '@mysten/sui/transactions';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  memoryUploadJournal,
  type UploadJournal,
  type UploadState,
} from '../../protocol/ports/upload-journal.ts';
import type { Connected } from '../../protocol/net/network-ports.ts';
import { networkPorts } from '../../client/network.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { suiClientOf } from '../../protocol/net/walrus/client.ts';
import type { BlobRef, BlobStore } from '../../protocol/ports/blob-store.ts';
import { equalBytes, sha256, toHex } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { Devnet } from 'floe-devnet';
import { connect, fund, keyOf, networkOf, quick, specFor, startNetwork } from './support.ts';

const owner = keyOf(1);
const random = seededRandom(new Uint8Array(32).fill(21));
const EPOCHS = 3;

let devnet: Devnet;
const opened: { close(): Promise<void> }[] = [];
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

/** All its WAL, to somebody else. */
const giveAway = async (key: ReturnType<typeof keyOf>): Promise<void> => {
  const client = suiClientOf(networkOf(devnet));
  const own = key.toSuiAddress();
  const { balances } = await client.core.listBalances({ owner: own });
  const wal = balances.find(({ coinType }) => coinType.endsWith('::wal::WAL'))?.coinType ?? '';
  const { objects } = await client.core.listCoins({ owner: own, coinType: wal });
  const transaction = new Transaction();
  transaction.transferObjects(
    objects.map(({ objectId }) => transaction.object(objectId)),
    owner.toSuiAddress(),
  );
  await key.signAndExecuteTransaction({ transaction, client });
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

describe('what is to be kept', () => {
  it('is left alone while it is paid for the next epoch, and paid for longer in its last', async () => {
    const { store } = await payer();
    const ref = await store.put(random(5_000));
    const first = await store.sustain([ref]);
    expect(first).toMatchObject({ endEpoch: first.epoch + EPOCHS, extended: 0, restored: 0 });
    epochsPass(EPOCHS - 1);
    const last = await store.sustain([ref]);
    expect(last).toMatchObject({ endEpoch: last.epoch + EPOCHS, extended: 1, restored: 0 });
    expect(last.epoch).toBe(first.epoch + EPOCHS - 1);
    expect((await store.sustain([ref])).extended).toBe(0);
    epochsPass(EPOCHS - 1);
    expect(await (await reader()).store.get(ref)).toHaveLength(5_000);
  });

  it('is the quilt of what was archived together, after a restart too', async () => {
    const journal = memoryUploadJournal();
    const { store } = await payer(journal);
    const blobs = [900, 40, 3_000].map((size) => random(size));
    const refs = await store.putTogether(blobs);
    await store.settle();
    epochsPass(EPOCHS - 1);
    const again = await payer(journal);
    expect(await again.store.sustain(refs)).toMatchObject({ extended: 1, restored: 0 });
    epochsPass(EPOCHS);
    const copy = async ({ sha256: hash }: BlobRef): Promise<Uint8Array> =>
      blobs.find((bytes) => equalBytes(sha256(bytes), hash)) as Uint8Array;
    const late = await payer(journal);
    expect(await late.store.sustain(refs, { copy })).toMatchObject({ extended: 0, restored: 1 });
    const other = await reader();
    for (const [at, ref] of refs.entries()) expect(await other.store.get(ref)).toEqual(blobs[at]);
  });

  it('is named when it has run out and nobody has a copy', async () => {
    const { store } = await payer();
    const ref = await store.put(random(5_000));
    const { endEpoch } = await store.sustain([ref]);
    epochsPass(EPOCHS);
    const fresh = await payer();
    const failure = await fresh.store.sustain([ref]).catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'blob_expired', details: { blob: ref.id } });
    const known = await store
      .sustain([ref], { copy: () => Promise.reject(new Error('the folder is gone')) })
      .catch((thrown: unknown) => thrown as Error);
    expect((known as Error).message).toContain(`until epoch ${endEpoch}, it is epoch ${endEpoch}`);
  });

  it('stays while it is paid for, where no more can be paid; the warning says so', async () => {
    const poor = keyOf(7);
    await fund(devnet, poor);
    const warnings: string[] = [];
    const connected = await connect(devnet, poor, specFor(poor), {
      store: { ...quick, epochs: EPOCHS, cacheBytes: 0 },
      warn: (message) => warnings.push(message),
    });
    opened.push(connected);
    const ref = await connected.store.put(random(5_000));
    await giveAway(poor);
    epochsPass(EPOCHS - 1);
    const lease = await connected.store.sustain([ref]);
    expect(lease).toMatchObject({ endEpoch: lease.epoch + 1, extended: 0, restored: 0 });
    expect(warnings.join('\n')).toMatch(/cannot be paid for longer now/u);
  });
});

describe('a participant that reads what has run out', () => {
  const portsWith = async (uploads: BlobStore, warn: (message: string) => void) => {
    const ports = await networkPorts(networkOf(devnet), {
      identity: await identityFromSeed(new Uint8Array(32).fill(5)),
      spec: specFor(owner),
      uploads,
      limits: { store: { ...quick, missingMs: 300, cacheBytes: 0 } },
      warn,
    });
    opened.push(ports);
    return ports.store;
  };

  it("reads the coordinator's copy and says so, or says who has to store it again", async () => {
    const { store } = await payer();
    const bytes = random(5_000);
    const ref = await store.put(bytes);
    const coordinator = memoryStore();
    const warnings: string[] = [];
    const own = await portsWith(coordinator, (message) => warnings.push(message));
    expect(await own.get(ref)).toEqual(bytes);
    expect(warnings).toEqual([]);
    epochsPass(EPOCHS);
    await expect(own.get(ref)).rejects.toMatchObject({
      code: 'blob_expired',
      message: expect.stringContaining('the coordinator signed and pays for'),
    });
    await coordinator.put(bytes);
    expect(await own.get(ref)).toEqual(bytes);
    expect(await own.getRange(ref, 10, 20)).toEqual(bytes.slice(10, 20));
    expect(warnings.at(-1)).toMatch(/keeps blob .* no more; read from the copy/u);
  });

  it('takes no other bytes for it', async () => {
    const { store } = await payer();
    const ref = await store.put(random(5_000));
    epochsPass(EPOCHS);
    const liar = memoryStore();
    liar.blobs.set(toHex(ref.sha256), random(5_000));
    const own = await portsWith(liar, () => undefined);
    await expect(own.get(ref)).rejects.toMatchObject({ code: 'blob_expired' });
  });
});
