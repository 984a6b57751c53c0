/**
 * Simulations of the caller's own data, model and trainer: as a module outside the project, and as
 * values.
 */
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataset, openRun } from '../../client/index.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import * as task from '../../examples/simulation/task.ts';
import { simulate, type RunResult, type SimulateOptions } from '../../sim/index.ts';
import { floeIn } from '../support/floe.ts';
import { resultOf } from '../support/json-lines.ts';

let folder: string;
let url: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-task-'));
  await cp('examples/simulation/task.ts', join(folder, 'task.ts'));
  url = pathToFileURL(join(folder, 'task.ts')).href;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SMALL = {
  participants: 5,
  cohort: 5,
  rounds: 3,
  learningRate: 0.5,
  workers: 2,
  substrate: 'local',
} as const;

const run = (options: SimulateOptions): Promise<RunResult> =>
  simulate({ ...SMALL, outDir: join(folder, 'runs'), ...options });

describe('a trainer that is not tfjs', () => {
  let fromModule: RunResult;

  it('comes from a module outside the project, in worker threads; its run verifies to level 1', async () => {
    fromModule = await run({ module: url, baseline: true });
    const { summary } = fromModule;
    expect(summary).toMatchObject({
      rounds: 3,
      attemptsAborted: 0,
      parameters: 5,
      model: 'logistic regression',
      backend: 'plain JavaScript',
      data: { source: 'two shifted clouds', train: 600, test: 200 },
    });
    expect(summary.testAccuracy).toBeGreaterThan(0.9);
    expect(summary.baselineAccuracy).toBeGreaterThan(0.9);
    expect(await readdir(fromModule.folder)).not.toContain('tfjs');
    expect(summary.files).not.toHaveProperty('tfjs');
    await using opened = await openRun(fromModule.folder, { journalLedger: readJournalLedger });
    expect(await opened.verify()).toMatchObject({ ok: true, level: 'L1' });
    expect((await opened.pull()).weights).toHaveLength(5);
  });

  it('or is a function of the caller, in its own thread, with the same model bit for bit', async () => {
    const { data, name, trainer } = task;
    const { summary } = await run({ data, name, trainer });
    expect(summary.modelHash).toBe(fromModule.summary.modelHash);
    expect(summary.workers).toBe(1);
  });

  it('is what floe sim --module runs', async () => {
    const floe = floeIn(() => folder);
    const flags = ['--local', '--participants', '5', '--cohort', '5', '--rounds', '3', '--json'];
    const more = ['--learning-rate', '0.5', '--workers', '1', '--no-baseline'];
    const { code, stdout } = await floe(['sim', '--module', 'task.ts', ...flags, ...more]);
    expect(code).toBe(0);
    expect(resultOf(stdout)).toMatchObject({ modelHash: fromModule.summary.modelHash });
  });
});

it("a model of tfjs and examples of the caller's own are trained by tfjs", async () => {
  const { train, test } = task.data(new Uint8Array(32));
  const { summary } = await run({
    data: { train: createDataset(train), test },
    model: (tf) =>
      tf.sequential({
        layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [4] })],
      }),
    name: 'one layer',
    backend: 'cpu',
    baseline: false,
  });
  expect(summary).toMatchObject({ model: 'one layer', parameters: 10 });
  expect(summary.testAccuracy).toBeGreaterThan(0.8);
});

describe('what is refused by name', () => {
  it('a module that is not there, or exports nothing of use', async () => {
    const none = pathToFileURL(join(folder, 'none.ts')).href;
    await expect(run({ module: none })).rejects.toMatchObject({ code: 'file_not_found' });
    const empty = join(folder, 'empty.ts');
    await writeFile(empty, 'export const other = 1;\n');
    await expect(run({ module: pathToFileURL(empty) })).rejects.toMatchObject({ code: 'usage' });
  });

  it('a trainer that is no function, a trainer beside a model, a module beside a trainer', async () => {
    const { trainer } = task;
    const wrong = { trainer: 7 } as unknown as SimulateOptions;
    await expect(run(wrong)).rejects.toThrow(/trainer: expected a function/u);
    const model = () => {
      throw new Error('never built');
    };
    await expect(run({ trainer, model })).rejects.toMatchObject({ code: 'usage' });
    await expect(run({ trainer, module: url })).rejects.toMatchObject({ code: 'usage' });
  });
});
