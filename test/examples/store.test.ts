/**
 * @module A store from outside of the project: it passes the compliance suite, consistent at once
 * or late, and a coordinator runs on it. The example imports public entries only.
 */
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { objectStore } from '../../examples/store/object-store.ts';
import { startObjectServer } from '../../examples/store/object-server.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { quickClock } from '../sim/quick-clock.ts';
import { blobStoreSuite } from '../../testing/index.ts';
import { connect, createStage, testSpec } from '../support/run.ts';

const open = async (lag: number) => {
  const server = await startObjectServer({ lag });
  return { server, store: objectStore(server.url, { clock: quickClock(50) }) };
};

for (const lag of [0, 3])
  blobStoreSuite({ describe, expect, it }, `objects, ${lag} requests late`, async () => {
    const { server, store } = await open(lag);
    return {
      store,
      corrupt: async (id) => {
        const bytes = server.objects.get(`blobs/${id}`) as Uint8Array;
        bytes[7]! ^= 1;
      },
      close: () => server.close(),
    };
  });

it('lists what is stored and forgets what is removed', async () => {
  const { server, store } = await open(0);
  const refs = [];
  for (const value of [1, 2, 3]) refs.push(await store.put(new Uint8Array(9).fill(value)));
  expect(await store.list()).toEqual(refs.map(({ id }) => id).toSorted());
  await store.discard(refs.slice(0, 2));
  await store.discard(refs.slice(0, 2));
  expect(await store.list()).toEqual([refs[2]!.id]);
  await server.close();
});

it('says that a store is unavailable where an object never shows', async () => {
  const server = await startObjectServer({ lag: 1e9 });
  const store = objectStore(server.url, { looks: 3, clock: quickClock(50) });
  await expect(store.put(new Uint8Array(3))).rejects.toMatchObject({ code: 'store_unavailable' });
  await server.close();
});

it('carries a whole run, which verifies from it alone', async () => {
  const { server, store } = await open(2);
  const spec = await testSpec({ rounds: 2 });
  const stage = await createStage(spec);
  const coordinator = stage.create({ store, removal: store });
  await coordinator.start();
  for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
    connect(coordinator, await stage.participant(name, { store }));
  expect(await coordinator.finished).toMatchObject({ rounds: 2, attempts: 2 });
  await coordinator.stop();
  expect(stage.store.blobs.size).toBe(0);
  const transcript = await coordinator.transcript.whole();
  const gate = sealedBoxGate(stage.coordinatorIdentity);
  expect(await verifyRun({ spec, transcript, store, gate })).toMatchObject({ ok: true });
  await server.close();
});

it('the example imports public entries only', async () => {
  const folder = new URL('../../examples/store/', import.meta.url);
  const entry =
    /^(?:node:[\w/]+|\.\/[\w-]+\.ts|\.\.\/\.\.\/(?:protocol|client|coordinator|sim|testing)\/index\.ts)$/u;
  let imports = 0;
  for (const name of await readdir(folder)) {
    const text = await readFile(new URL(name, folder), 'utf8');
    for (const { groups } of text.matchAll(/^(?:import|\}) [^;]*?from '(?<from>[^']+)'/gmu)) {
      imports += 1;
      expect(groups?.['from']).toMatch(entry);
    }
  }
  expect(imports).toBeGreaterThan(2);
});
