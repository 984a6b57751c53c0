/**
 * `join` with examples trains in a thread of its own; examples that do not fit are named through
 * it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  beginningOf,
  createDataset,
  join,
  memoryKeystore,
  type JoinOptions,
  type JoinedRun,
} from '../../client/index.ts';
import { startCoordinator, type StartedCoordinator } from '../../coordinator/index.ts';
import { makeRunSpec } from '../../protocol/index.ts';
import { TEST_ADMISSION } from '../support/admission.ts';

const data = createDataset({
  features: Float32Array.from({ length: 8 * 4 }, (_, i) => Math.sin(i * 3)),
  labels: Int32Array.from({ length: 8 }, (_, i) => i % 2),
  featureShape: [4],
  classes: 2,
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'floe-thread-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = async (): Promise<StartedCoordinator> =>
  startCoordinator({
    folder: joinPath(folder, 'state'),
    keys: await memoryKeystore(new Uint8Array(32).fill(1)),
    run: {
      settings: { rounds: 1 },
      begin: () => beginningOf({ model: 'linear', inputs: 4, classes: 2 }),
      spec: (fixed) =>
        makeRunSpec({
          ...fixed,
          rounds: 1,
          cohort: { size: 3, minimum: 3 },
          encoding: { clipNorm: 1 },
        }),
    },
  });

const take = (url: string, options: Partial<JoinOptions>): Promise<JoinedRun> =>
  join(url, { data, backend: 'cpu', require: TEST_ADMISSION, log: () => undefined, ...options });

/** Ports of threads that this process holds. */
const threads = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

it('trains in a thread, and with `thread: false` in the own one', async () => {
  await using run = await start();
  const before = threads();
  const backends: string[] = [];
  let most = 0;
  const onEvent: NonNullable<JoinOptions['onEvent']> = (event) => {
    most = Math.max(most, threads() - before);
    if (event.type === 'connected') backends.push(event.backend);
  };
  // Of other examples than the model takes: named as such, through the thread.
  const wide = createDataset({ ...data, featureShape: [8], labels: data.labels.slice(0, 4) });
  const refused = await take(run.joinUrl, { data: wide });
  await expect(refused.finished).rejects.toMatchObject({ code: 'data_unfit' });
  const people = await Promise.all(
    [true, true, false].map((thread) => take(run.joinUrl, { thread, onEvent })),
  );
  const outcomes = await Promise.all(people.map(({ finished }) => finished));
  expect(outcomes.map(({ type }) => type)).toEqual(['finished', 'finished', 'finished']);
  expect(new Set(backends).size).toBe(1);
  expect(most).toBeGreaterThan(0);
});
