/**
 * What the commands do, from the library alone: a coordinator is started from a folder, joined,
 * read by its address and from its folder, stopped and resumed.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  functionTrainer,
  join,
  memoryKeystore,
  openRun,
  type Keystore,
} from '../../client/index.ts';
import {
  readJournalLedger,
  startCoordinator,
  type StartedCoordinator,
  type StartEvent,
  type StartOptions,
} from '../../coordinator/index.ts';
import { makeRunSpec } from '../../protocol/index.ts';
import { TEST_ADMISSION } from '../support/admission.ts';

const TENSORS = [{ name: 'w', shape: [64], dtype: 'float32' as const }];
const MODEL = { architecture: 'custom', tensors: TENSORS };

let folder: string;
let keys: Keystore;
let auditor: Keystore;
beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'floe-library-'));
  keys = await memoryKeystore(new Uint8Array(32).fill(1));
  auditor = await memoryKeystore(new Uint8Array(32).fill(2));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (options: Partial<StartOptions> = {}): Promise<StartedCoordinator> =>
  startCoordinator({
    folder: joinPath(folder, 'state'),
    keys,
    run: {
      settings: { rounds: 2 },
      begin: async () => ({ model: MODEL }),
      spec: (fixed) =>
        makeRunSpec({
          ...fixed,
          rounds: 2,
          auditors: [auditor.identity.publicKey],
          cohort: { size: 3, minimum: 3 },
          encoding: { clipNorm: 1 },
        }),
    },
    ...options,
  });

const take = (url: string, index: number) =>
  join(url, {
    trainer: functionTrainer({
      manifest: { tensors: TENSORS },
      train: ({ weights }) => ({
        weights: weights.map((weight) => weight + 0.01 * (index + 1)),
        examples: 10,
        lossSum: 1,
        correct: 5,
      }),
    }),
    require: TEST_ADMISSION,
    log: () => undefined,
  });

describe('a run of the library', () => {
  const events: StartEvent['type'][] = [];

  it('is started, joined and finished; what it was begun with is in its folder', async () => {
    await using run = await start({ onEvent: ({ type }) => events.push(type) });
    const participants = await Promise.all([0, 1, 2].map((index) => take(run.joinUrl, index)));
    const { outcome, publication } = await run.finished;
    expect(outcome).toMatchObject({ rounds: 2 });
    expect(publication).toBeUndefined();

    // While it is served, others read it from its address.
    await using read = await openRun(run.url, { identity: auditor.identity });
    expect(read.spec).toEqual(run.spec);
    expect(await read.verify()).toMatchObject({ ok: true, level: 'L1' });
    expect(read.models().map(({ version }) => version)).toEqual([0, 1, 2]);
    const { model, weights } = await read.pull();
    expect(model.hash).toEqual(outcome.model.hash);
    expect(weights).toHaveLength(64);
    await expect(read.pull({ attempt: 9 })).rejects.toMatchObject({ code: 'usage' });
    await expect(read.fork()).rejects.toMatchObject({ code: 'usage' });
    await expect(read.receipts(`0x${'1'.repeat(64)}`)).rejects.toMatchObject({ code: 'usage' });

    await run.farewell();
    const ended = await Promise.all(participants.map(({ finished }) => finished));
    expect(ended.map(({ type }) => type)).toEqual(['finished', 'finished', 'finished']);
    expect(events.filter((type) => type !== 'progress')).toEqual([
      'opened',
      'ports',
      'listening',
      'presence',
      'presence',
      'presence',
      'finished',
    ]);
    const settings = await readFile(joinPath(folder, 'state', 'settings.json'), 'utf8');
    expect(JSON.parse(settings)).toEqual({ rounds: 2 });
  });

  it('is read from its folder, with the freezes of its journal or without', async () => {
    const state = joinPath(folder, 'state');
    const progress: number[] = [];
    await using bare = await openRun(state);
    expect(bare).toMatchObject({ reader: undefined, ledger: undefined });
    await expect(bare.pull()).rejects.toMatchObject({ code: 'access_denied' });
    await using run = await openRun(state, {
      identity: auditor.identity,
      journalLedger: readJournalLedger,
    });
    expect(run.ledger).toBe('journal');
    const verified = await run.verify({ onProgress: (done) => progress.push(done) });
    expect(verified).toMatchObject({ ok: true, level: 'L1', files: { wrong: [] } });
    expect(progress.at(-1)).toBe(2);
    const stop = new AbortController();
    stop.abort();
    await expect(run.verify({ signal: stop.signal })).rejects.toThrow(/abort/iu);
  });

  it('is refused where another was agreed on, and resumed where it was begun', async () => {
    const state = joinPath(folder, 'state');
    const expectRun = new Uint8Array(32);
    await expect(openRun(state, { expectRun })).rejects.toMatchObject({ code: 'spec_mismatch' });
    const seen: StartEvent[] = [];
    await using again = await start({ onEvent: (event) => seen.push(event) });
    expect(seen[0]).toMatchObject({ type: 'opened', resumed: true });
    expect((await again.finished).outcome.rounds).toBe(2);
  });
});

it('a run that is stopped says so, and its folder keeps it', async () => {
  const stop = new AbortController();
  const run = await start({ folder: joinPath(folder, 'other'), signal: stop.signal });
  stop.abort();
  await expect(run.finished).rejects.toMatchObject({ code: 'aborted' });
  await run.stop();
  await run.stop();
  await using again = await start({ folder: joinPath(folder, 'other') });
  expect(again.spec).toEqual(run.spec);
});
