/** Sweeps: their axes, their table, and what two kills leave of them. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FloeError } from '../../protocol/errors.ts';
import type { ScenarioInput } from '../../sim/index.ts';
import { parseAxis } from '../../sim/sweep/axes.ts';
import { gridOf } from '../../sim/sweep/grid.ts';
import type { Summary } from '../../sim/summary.ts';
import { jobsFor, runPool } from '../../sim/sweep/pool.ts';
import { runSweep, type RunPoint, type SweepOptions } from '../../sim/sweep/run-sweep.ts';
import { linesOfTable, spreadOf } from '../../sim/sweep/table.ts';
import { runInChild } from '../../sim/sweep/point-child.ts';
import { summaryOf } from '../support/summary.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-sweep-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('an axis', () => {
  it.each([
    ['seed=1..3', ['1', '2', '3']],
    ['learning-rate=0.1,0.5', [0.1, 0.5].map(String)],
    ['model=mlp:64,32|linear', ['mlp:64,32', 'linear']],
    ['partition=iid,dirichlet:0.5', ['iid', 'dirichlet:0.5']],
  ])('%s', (text, values) => {
    expect(parseAxis(text).values.map((value) => value.text)).toEqual(values);
  });

  it.each([
    ['seed', 'name=values'],
    ['seed=5..1', 'ascending'],
    ['sed=1', 'seed'],
    ['rounds=1.5', '--over rounds'],
    ['seed=1,1', 'each value once'],
    ['workers=1,2', 'a setting of a simulation'],
    ['server-learning-rate=x', 'a number'],
  ])('%s is refused', (text, words) => {
    expect(() => parseAxis(text)).toThrow(words);
  });

  it('is named as a flag or as in a scenario file', () => {
    expect(parseAxis('learningRate=0.1,0.3')).toEqual(parseAxis('learning-rate=0.1,0.3'));
    expect(parseAxis('serverLearningRate=0.1').name).toBe('server-learning-rate');
  });

  it('of strategies and their parameters makes one strategy, whatever the order', () => {
    const axes = ['server-learning-rate=0.1', 'strategy=fedadam', 'seed=1..2'].map(parseAxis);
    const points = gridOf({ rounds: 3 }, axes);
    expect(points.map(({ name }) => name)).toEqual([
      'server-learning-rate=0.1,strategy=fedadam,seed=1',
      'server-learning-rate=0.1,strategy=fedadam,seed=2',
    ]);
    expect(points[0]?.input).toMatchObject({
      rounds: 3,
      seed: '1',
      strategy: { name: 'fedadam', parameters: { serverLearningRate: 0.1 } },
    });
  });
});

it('as many runs at once as cores and memory allow, and one in any case', async () => {
  const machine = (cores: number, gib: number) => ({ cores, available: () => gib * 2 ** 30 });
  expect(jobsFor(machine(8, 4), 20)).toBe(3);
  expect(jobsFor(machine(2, 64), 20)).toBe(2);
  expect(jobsFor(machine(8, 0.1), 20)).toBe(1);
  let [running, most] = [0, 0];
  const run = async (): Promise<number> => {
    most = Math.max(most, (running += 1));
    await Promise.resolve();
    running -= 1;
    return 5 * 2 ** 30;
  };
  const { signal } = new AbortController();
  await runPool({ items: [1, 2, 3, 4], jobs: 4, machine: machine(4, 1), run, signal });
  expect(most).toBe(1);
});

it('mean and sample standard deviation', () => {
  expect(spreadOf([1, 2, undefined, 3])).toEqual({ mean: 2, deviation: 1, count: 3 });
  expect(spreadOf([2])).toEqual({ mean: 2, deviation: undefined, count: 1 });
  expect(spreadOf([undefined])).toBeUndefined();
});

/** Writes what a run of these settings would leave. */
const fake: RunPoint = async ({ input, outDir }, signal) => {
  if (input.batchSize === 7) throw new FloeError('data_unfit', 'too few examples');
  await mkdir(join(outDir, 'run.partial'), { recursive: true });
  await Promise.resolve();
  signal.throwIfAborted();
  const accuracy = 0.5 + Number(input.seed) / 100 + (input.batchSize ?? 0) / 1000;
  await mkdir(join(outDir, 'run'), { recursive: true });
  const summary = summaryOf({ seed: String(input.seed), testAccuracies: [0.4, accuracy] });
  await writeFile(join(outDir, 'run/summary.json'), JSON.stringify(summary));
};

const FAKE = {
  base: { substrate: 'local' } satisfies ScenarioInput,
  over: ['batch-size=5,7,9', 'seed=1..3'],
  target: 0.51,
  jobs: 2,
};

const table = async (at: string, name = 'table.csv') => readFile(join(at, name), 'utf8');

describe('a sweep', () => {
  it('stopped twice ends with the table of the undisturbed one; errors have their rows', async () => {
    const sweep = (to: string, more: Partial<SweepOptions> = {}) =>
      runSweep({ ...FAKE, folder: join(folder, to), runPoint: fake, ...more });
    const whole = await sweep('whole');
    const begun: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      const abort = new AbortController();
      let finished = 0;
      const stopped = sweep('stopped', {
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type === 'point') begun.push(event.name);
          if (event.type === 'point-finished' && (finished += 1) === 2) abort.abort();
        },
      });
      await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    }
    // A kill while a summary is written leaves half of it.
    const half = join(folder, 'stopped/points/batch-size=9,seed=3/run');
    await mkdir(half, { recursive: true });
    await writeFile(join(half, 'summary.json'), '{"format":');
    const last = await sweep('stopped', {
      onEvent: (event) => event.type === 'point' && begun.push(event.name),
    });
    expect(last.table).toEqual(whole.table);
    for (const name of ['table.csv', 'over-seeds.csv', 'table.json'])
      expect(await table(last.folder, name)).toBe(await table(whole.folder, name));
    // What is finished is not run again.
    expect(begun.filter((name) => name === 'batch-size=5,seed=1')).toHaveLength(1);
    const rows = (await table(whole.folder)).trim().split('\n');
    expect(rows).toHaveLength(10);
    expect(rows[4]).toMatch(/^7,1,failed,.*data_unfit: too few examples$/);
    expect(await table(whole.folder, 'over-seeds.csv')).toContain('\n9,3,0,0.529,0.01');
    expect(linesOfTable(whole.table)[1]).toMatch(/^5 +3 +52\.50 % ± 1\.00 %/);
  });

  it('that is finished is drawn by the same call with a map; one axis is refused before a run', async () => {
    const init = { ...FAKE, folder: join(folder, 'whole'), map: true };
    await expect(runSweep({ ...init, runPoint: fake })).rejects.toMatchObject({ code: 'usage' });
    const over = ['batch-size=5,9', 'rounds=1,2', 'seed=1..3'];
    const begun: string[] = [];
    const again = { ...init, folder: join(folder, 'drawn'), over };
    await runSweep({ ...again, map: false, runPoint: fake });
    const { map } = await runSweep({
      ...again,
      runPoint: fake,
      onEvent: (event) => event.type === 'point' && begun.push(event.name),
    });
    expect(begun).toEqual([]);
    expect(map?.measures[0]?.cells[0]?.[0]).toEqual({ value: 0.525, finished: 3, runs: 3 });
    expect(await table(again.folder, 'map.html')).toContain('52.50 %');
  });

  it('of other settings does not share a folder', async () => {
    const init = { ...FAKE, folder: join(folder, 'whole'), runPoint: fake };
    await expect(runSweep({ ...init, over: ['seed=1..2'] })).rejects.toMatchObject({
      code: 'usage',
    });
  });
});

it.each([
  ['real', {}],
  ['virtual', { speed: { type: 'log-normal', median: 50, sigma: 1 }, minimum: 3 }],
] as const)(
  'a point in its own process is killed twice in %s time, and ends as the undisturbed one',
  async (kind, more) => {
    const input = {
      substrate: 'local',
      participants: 5,
      cohort: 5,
      rounds: 8,
      learningRate: 0.5,
      workers: 1,
      ...more,
    } as const;
    const module = pathToFileURL('examples/simulation/task.ts').href;
    const order = { type: 'run', input, module, exports: [], strategyModules: [] } as const;
    const { signal } = new AbortController();
    const read = async (to: string) =>
      JSON.parse(await readFile(join(folder, kind, to, 'run/summary.json'), 'utf8')) as Summary;
    const outDir = join(folder, kind, 'killed');
    await runInChild(
      { ...order, outDir: join(folder, kind, 'undisturbed') },
      signal,
      () => undefined,
    );
    const first: number[] = [];
    for (const last of [2, 5]) {
      let begun = false;
      const killed = runInChild({ ...order, outDir }, signal, (version, _, pid) => {
        if (!begun) first.push(version);
        begun = true;
        if (version === last) process.kill(Number(pid), 'SIGKILL');
      });
      await expect(killed).rejects.toMatchObject({ code: 'internal' });
    }
    await runInChild({ ...order, outDir }, signal, (version) => first.push(version));
    expect(first[1]).toBeGreaterThan(2);
    expect(first[2]).toBeGreaterThan(5);
    const [killed, whole] = [await read('killed'), await read('undisturbed')];
    expect(killed.modelHash).toBe(whole.modelHash);
    expect(killed.resumed).toBe(2);
    const times = ({ history }: Summary) => history.map(({ virtualTime }) => virtualTime);
    expect(times(killed)).toEqual(times(whole));
  },
);
