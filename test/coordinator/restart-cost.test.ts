/**
 * @module A restart costs the same after many rounds as after a few: what it asks of the disk and
 * of the journal is counted.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAnomalyWatch, openJournal, type Journal } from '../../coordinator/index.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import type { Disk } from '../../protocol/ports/disk.ts';
import { memoryDisk } from '../../protocol/ports/memory-disk.ts';
import { connect, createStage, testSpec, turns } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar'];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-restart-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The size of an answer: rows and bytes that were read. */
const sizeOf = (answer: unknown): number => {
  if (answer instanceof Uint8Array) return answer.length;
  if (Array.isArray(answer)) return answer.reduce((sum: number, each) => sum + 1 + sizeOf(each), 0);
  return answer !== null && typeof answer === 'object' ? sizeOf(Object.values(answer)) : 0;
};

/** The same object, whose calls go to `note` with the size of what they gave. */
const noting = <Port extends object>(
  port: Port,
  note: (call: string, size: number) => void,
): Port =>
  new Proxy(port, {
    get: (target, name, receiver) => {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const result: unknown = value.apply(target, args);
        if (!(result instanceof Promise)) {
          note(String(name), 0);
          return result;
        }
        return result.then((answer: unknown) => {
          note(String(name), sizeOf(answer));
          return answer;
        });
      };
    },
  });

/** Calls of a restart after so many rounds, with the sizes of the answers, and files by then. */
const restartAfter = async (rounds: number) => {
  const calls: string[] = [];
  let bytes = 0;
  let isRestart = false;
  const note = (call: string, size: number): void => {
    if (!isRestart) return;
    calls.push(call);
    bytes += size;
  };
  const files = memoryDisk();
  const disk: Disk = noting(files, note);
  const store = directoryStore('blobs', { disk });
  const path = join(folder, `${rounds}.sqlite`);
  let journal: Journal = await openJournal(path, { synced: false });
  const spec = await testSpec({ rounds: 100, cohort: { size: 3, minimum: 3 } });
  const stage = await createStage(spec, { journal });
  const ended = Promise.withResolvers<void>();
  const coordinator = stage.create({
    store,
    removal: store,
    onEvent: (event) => {
      if (event.type !== 'committed' || coordinator.status().committed < rounds) return;
      ended.resolve(coordinator.stop());
    },
  });
  await coordinator.start();
  for (const name of NAMES)
    connect(coordinator, await stage.participant(name, { store: { ...stage.store, ...store } }));
  await ended.promise;
  await journal.close();
  isRestart = true;
  journal = noting(await openJournal(path, { synced: false }), note);
  // Beside the restart the anomaly report measures a bounded number of commits again.
  const anomalies = createAnomalyWatch();
  const again = (await createStage(spec, { journal })).create({ store, removal: store, anomalies });
  await again.start();
  await turns();
  expect(again.status().committed).toBe(rounds);
  await again.stop();
  await journal.close();
  return { calls, bytes, files: files.files.size };
};

it('a restart reads as much after sixteen rounds as after four', async () => {
  const [few, many] = [await restartAfter(4), await restartAfter(16)];
  expect(many.files).toBeGreaterThan(3 * few.files);
  expect(many.calls.length).toBeGreaterThan(0);
  expect(many.calls).toEqual(few.calls);
  // What a round leaves is of another length each time by a few bytes.
  expect(many.bytes).toBeLessThan(1.1 * few.bytes);
}, 60_000);
