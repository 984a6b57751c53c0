/**
 * @module Where blobs last is slow: the rounds continue beside it, one archive at a time, and the
 * run is over once all of it is there. The verifier reads from the lasting place alone.
 */
import { expect, it } from 'vitest';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { roundStore } from '../../protocol/ports/staging-store.ts';
import type { BlobOptions, BlobRef, BlobStore } from '../../protocol/ports/blob-store.ts';
import { sha256, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testSpec, turns, until } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

/** Promises at once, and carries out when `gate` opens; ids begin with `kept-`. */
const slowStore = () => {
  const kept = memoryStore();
  const strip = (ref: BlobRef): BlobRef => ({ ...ref, id: ref.id.replace('kept-', '') });
  const promised: (readonly Uint8Array[])[] = [];
  const open = Promise.withResolvers<void>();
  let refusals = 0;
  const settle = async ({ signal }: BlobOptions = {}): Promise<void> => {
    if (promised.length === 0) return;
    if (refusals > 0) {
      refusals -= 1;
      throw new FloeError('store_unavailable', 'the nodes are down');
    }
    const over = Promise.withResolvers<never>();
    signal?.addEventListener('abort', () => over.reject(signal.reason as Error), { once: true });
    await Promise.race([open.promise, over.promise]);
    for (const blobs of promised.splice(0)) for (const bytes of blobs) await kept.put(bytes);
  };
  const idOf = (bytes: Uint8Array): BlobRef => ({
    id: `kept-${toHex(sha256(bytes))}`,
    sha256: sha256(bytes),
    size: bytes.length,
  });
  return {
    promised,
    open: () => open.resolve(),
    refuse: (times: number) => {
      refusals = times;
    },
    store: {
      kind: 'slow',
      put: async (bytes: Uint8Array) => {
        await kept.put(bytes);
        return idOf(bytes);
      },
      get: (ref: BlobRef) => kept.get(strip(ref)),
      getRange: (ref: BlobRef, start: number, end: number) => kept.getRange(strip(ref), start, end),
      putTogether: async (blobs: readonly Uint8Array[]) => {
        promised.push(blobs);
        return blobs.map(idOf);
      },
      settle,
      sustain: () => Promise.reject(new Error('nothing expires here')),
    },
  };
};

const play = async (
  rounds: number,
  over: (name: string, lasting: ReturnType<typeof slowStore>) => Partial<BlobStore> = () => ({}),
) => {
  const spec = await testSpec({ rounds });
  const stage = await createStage(spec);
  const lasting = slowStore();
  const store = roundStore({ waiting: stage.store, lasting: lasting.store });
  const coordinator = stage.create({ store, staging: store, removal: store });
  await coordinator.start();
  const split = { ...store, put: stage.store.put };
  for (const name of NAMES) {
    const own = { ...split, ...over(name, lasting) };
    connect(coordinator, await stage.participant(name, { store: own }));
  }
  const reached = (type: string, attempt: number, phase?: string) =>
    until(
      () =>
        stage.progress.some(
          (event) =>
            event.type === type &&
            'attempt' in event &&
            event.attempt === attempt &&
            (phase === undefined || ('phase' in event && event.phase === phase)),
        ),
      `${type} ${phase ?? ''} of attempt ${attempt}`,
    );
  return { spec, stage, lasting, coordinator, reached };
};

it('the next round continues beside an archive, and commits when it is done', async () => {
  const { spec, stage, lasting, coordinator, reached } = await play(2);
  await reached('committed', 1);
  // A bundle and four uploads, promised and not there.
  expect(lasting.promised).toHaveLength(1);
  expect(lasting.promised[0]).toHaveLength(1 + NAMES.length);
  await reached('phase', 2, 'finishing');
  const early = await verifyRun({
    spec,
    transcript: await coordinator.transcript.whole(),
    store: lasting.store,
  });
  expect(early).toMatchObject({
    ok: true,
    attempts: [{ outcome: 'pending' }, { outcome: 'open' }],
  });
  expect(stage.progress.filter(({ type }) => type === 'committed')).toHaveLength(1);

  lasting.open();
  const outcome = await coordinator.finished;
  await coordinator.stop();
  expect(outcome.attempts).toBe(2);
  expect(lasting.promised).toEqual([]);
  const transcript = await coordinator.transcript.whole();
  expect(await verifyRun({ spec, transcript, store: lasting.store })).toMatchObject({
    ok: true,
    attempts: [{ outcome: 'committed' }, { outcome: 'committed' }],
  });
});

it('the run is not over before its last archive is where it lasts, however often that fails', async () => {
  const { lasting, coordinator, stage, reached } = await play(1);
  await reached('phase', 1, 'registering');
  const soon = await Promise.race([coordinator.finished, turns(50)]);
  expect(soon).toBe(undefined);
  expect(stage.progress.some(({ type }) => type === 'committed')).toBe(false);
  lasting.open();
  await coordinator.finished;
  expect(lasting.promised).toEqual([]);
  await coordinator.stop();
});

it('a store that refuses for a while delays the end and loses nothing', async () => {
  const { lasting, coordinator } = await play(1);
  lasting.refuse(2);
  lasting.open();
  const outcome = await coordinator.finished;
  expect(outcome.attempts).toBe(1);
  expect(lasting.promised).toEqual([]);
  await coordinator.stop();
});

it('an upload that lies elsewhere than where uploads wait is left out, and its round continues', async () => {
  const { lasting, coordinator, stage } = await play(1, (name, { store }) =>
    name === 'dorothea' ? { put: store.put } : {},
  );
  lasting.open();
  const outcome = await coordinator.finished;
  expect(outcome.attempts).toBe(1);
  expect(stage.progress.find(({ type }) => type === 'committed')).toMatchObject({ survivors: 3 });
  expect(stage.progress.find(({ type }) => type === 'upload-rejected')).toMatchObject({
    code: 'upload_mismatch',
  });
  await coordinator.stop();
});
