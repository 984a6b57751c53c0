/**
 * @module The compliance suite of the Keystore port.
 */
import type { TestApi } from './api.ts';
import { EMPTY_RUN, type Keystore, type RunMemory } from '../client/keystore/index.ts';

const filled = (value: number, length = 32): Uint8Array => new Uint8Array(length).fill(value);

export const fullMemory: RunMemory = {
  v: 2,
  last: { attempt: 7, open: filled(1), withdrawn: 'trainer_failed' },
  commit: filled(2, 900),
  commits: 4,
  checked: { commit: filled(18), leaf: 3 },
  proof: filled(19, 120),
  spent: {
    model: filled(20),
    answered: [[`0x${'ab'.repeat(32)}`, `0x${'cd'.repeat(32)}`]],
    uploaded: [{ attempt: 6, cohort: [`0x${'ab'.repeat(32)}`], threshold: 3 }],
  },
  past: [
    { model: filled(21), named: [filled(23)] },
    { model: filled(22), named: [], left: true },
  ],
  culprits: [`0x${'ef'.repeat(32)}`],
  attempt: {
    attempt: 7,
    open: filled(3, 500),
    sigma: filled(4),
    seal: filled(18),
    register: filled(5, 1300),
    cohort: filled(6),
    guard: {
      run: 'ab'.repeat(32),
      attempt: 7,
      context: 'cd'.repeat(32),
      self: 'ef'.repeat(32),
      upload: { hash: '01'.repeat(32), sharers: ['02'.repeat(32)] },
      answer: { survivors: ['02'.repeat(32)], dropped: [] },
    },
    sharing: {
      selfSecret: filled(7, 64),
      own: { self: filled(8, 65), key: filled(9, 33) },
      frame: filled(10, 9000),
    },
    sharers: filled(11),
    opened: [{ author: filled(19), self: filled(20, 65), key: filled(21, 33), seed: filled(22) }],
    complaint: filled(23, 1500),
    vector: { sha256: filled(12), size: 10, chunkRoot: filled(13), envelope: filled(14, 200) },
    upload: filled(15, 400),
    consistent: filled(16, 250),
    unmask: filled(17, 700),
  },
};

export interface KeystoreFixture {
  readonly keystore: Keystore;
  /** The same keystore as a new process finds it, where one can. */
  readonly reopen: (closed: Keystore) => Promise<Keystore>;
}

export const keystoreSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  create: () => Promise<KeystoreFixture>,
): void => {
  describe(`keystore: ${name}`, () => {
    it('has an identity that signs and a training secret, both the same after reopening', async () => {
      const { keystore, reopen } = await create();
      const before = keystore.identity.sign('test', filled(1));
      expect(keystore.trainingSecret).toHaveLength(32);
      const again = await reopen(keystore);
      expect(again.identity.publicKey).toEqual(keystore.identity.publicKey);
      expect(again.identity.sign('test', filled(1))).toEqual(before);
      expect(again.trainingSecret).toEqual(keystore.trainingSecret);
      await again.close();
    });

    it('a model belongs to the run that claimed it first, also after reopening', async () => {
      const { keystore, reopen } = await create();
      expect(await keystore.ownerOf(filled(9))).toBeUndefined();
      const both = [filled(1), filled(2)].map((run) => keystore.claimModel(filled(9), run));
      expect(await Promise.all(both)).toEqual([filled(1), filled(1)]);
      expect(await keystore.claimModel(filled(10), filled(2))).toEqual(filled(2));
      const again = await reopen(keystore);
      expect(await again.ownerOf(filled(9))).toEqual(filled(1));
      expect(await again.claimModel(filled(9), filled(2))).toEqual(filled(1));
      expect(await again.ownerOf(filled(11))).toBeUndefined();
      await again.close();
    });

    it('gives back every field that was saved, and only what was saved last', async () => {
      const { keystore, reopen } = await create();
      const run = filled(1);
      expect(await keystore.load(run)).toBeUndefined();
      await keystore.save(run, EMPTY_RUN);
      await keystore.save(run, fullMemory);
      const again = await reopen(keystore);
      expect(await again.load(run)).toEqual(fullMemory);
      const { attempt: _, ...ended } = fullMemory;
      await again.save(run, ended);
      expect(await again.load(run)).toEqual(ended);
      await again.close();
    });

    it('keeps two runs apart', async () => {
      const { keystore } = await create();
      await keystore.save(filled(1), fullMemory);
      await keystore.saveVector(filled(1), filled(3, 100));
      expect(await keystore.load(filled(2))).toBeUndefined();
      expect(await keystore.loadVector(filled(2))).toBeUndefined();
      await keystore.close();
    });

    it('keeps a vector until it is erased, whatever happens to the buffer it came in', async () => {
      const { keystore, reopen } = await create();
      const run = filled(1);
      const vector = filled(5, 70_000);
      await keystore.saveVector(run, vector);
      vector.fill(0);
      const again = await reopen(keystore);
      expect(await again.loadVector(run)).toEqual(filled(5, 70_000));
      await again.eraseVector(run);
      await again.eraseVector(run);
      expect(await again.loadVector(run)).toBeUndefined();
      await again.close();
    });

    it('keeps the local values of each run and part, the last ones, in a copy', async () => {
      const { keystore, reopen } = await create();
      const values = filled(6, 500);
      expect(await keystore.loadLocal(filled(1), 'layers')).toBeUndefined();
      await keystore.saveLocal(filled(1), 'layers', filled(5, 100));
      await keystore.saveLocal(filled(1), 'layers', values);
      await keystore.saveLocal(filled(1), 'strategy', filled(7, 20));
      values.fill(0);
      (await keystore.loadLocal(filled(1), 'layers'))?.fill(0);
      const again = await reopen(keystore);
      expect(await again.loadLocal(filled(1), 'layers')).toEqual(filled(6, 500));
      expect(await again.loadLocal(filled(1), 'strategy')).toEqual(filled(7, 20));
      expect(await again.loadLocal(filled(1), 'residual')).toBeUndefined();
      expect(await again.loadLocal(filled(2), 'layers')).toBeUndefined();
      await again.eraseLocal(filled(1), 'layers');
      await again.eraseLocal(filled(1), 'layers');
      expect(await again.loadLocal(filled(1), 'layers')).toBeUndefined();
      expect(await again.loadLocal(filled(1), 'strategy')).toEqual(filled(7, 20));
      await again.close();
    });

    it('changes the privacy ledger one call after the other, and keeps it', async () => {
      const { keystore, reopen } = await create();
      expect(await keystore.loadLedger()).toBeUndefined();
      const more = (before: Uint8Array | undefined): Uint8Array =>
        new Uint8Array((before?.length ?? 0) + 1).fill(7);
      await Promise.all([1, 2, 3].map(() => keystore.changeLedger(more)));
      expect(await keystore.changeLedger(() => undefined)).toBe(false);
      (await keystore.loadLedger())?.fill(0);
      const again = await reopen(keystore);
      expect(await again.loadLedger()).toEqual(new Uint8Array(3).fill(7));
      await again.close();
    });

    it('does not hand out what a caller can change', async () => {
      const { keystore } = await create();
      await keystore.save(filled(1), fullMemory);
      (await keystore.load(filled(1)))?.attempt?.sigma.fill(0);
      expect((await keystore.load(filled(1)))?.attempt?.sigma).toEqual(filled(4));
      await keystore.close();
      await keystore.close();
    });
  });
};
