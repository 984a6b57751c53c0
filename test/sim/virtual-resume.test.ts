/**
 * Simulations in virtual time that are killed and resumed. A kill is a copy of the run's folder,
 * taken while an event is reported: it holds exactly what `kill -9` would have left then.
 */
import { cpSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRun } from '../../client/index.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import * as task from '../../examples/simulation/task.ts';
import { simulate, type RunResult, type SimulateOptions } from '../../sim/index.ts';
import { readCheckpoint, writeCheckpoint } from '../../sim/resume/checkpoint.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-virtual-resume-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (options: SimulateOptions): Promise<RunResult> =>
  simulate({
    participants: 9,
    cohort: 5,
    minimum: 3,
    rounds: 4,
    learningRate: 0.5,
    substrate: 'local',
    outDir: join(folder, 'runs'),
    exports: ['csv'],
    data: task.data,
    trainer: task.trainer,
    name: task.name,
    ...options,
  });

let kills = 0;
/** What a kill leaves in this phase, so many rounds after the beginning. @returns its folder */
const killAt = async (
  [rounds, phase]: readonly [number, string],
  options: SimulateOptions,
): Promise<string> => {
  const abort = new AbortController();
  let at = '';
  let done = 0;
  let left: string | undefined;
  const stopped = run({
    ...options,
    signal: abort.signal,
    onEvent: (event) => {
      if (event.type === 'started') at = event.folder;
      if (event.type === 'resumed') done = event.rounds;
      if (event.type === 'round') done += 1;
      const isHere = event.type === 'phase' && event.phase === phase && done === rounds;
      if (!isHere || left !== undefined) return;
      kills += 1;
      left = join(folder, `kill-${kills}.partial`);
      cpSync(at, left, { recursive: true });
      abort.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
  if (left === undefined) throw new Error(`no phase ${phase} after ${rounds} rounds`);
  return left;
};

/** The columns of a CSV file that do not measure this machine. */
const columnsOf = async (at: string, name: string): Promise<readonly string[]> => {
  const text = await readFile(join(at, 'metrics', name), 'utf8');
  const [head = [], ...rows] = text.split('\n').map((line) => line.split(','));
  const own = head.flatMap((column, i) =>
    /^(?:time\/|phase\/|trainSeconds)/u.test(column) ? [] : [i],
  );
  return [head, ...rows].map((row) => own.map((i) => row[i]).join());
};

/** Kills a run at each point, one after the other, resumes it, and compares it with a whole one. */
const killedIsWhole = async (
  points: readonly (readonly [number, string])[],
  options: SimulateOptions,
): Promise<RunResult> => {
  const whole = await run(options);
  let resume: string | undefined;
  for (const point of points)
    resume = await killAt(point, { ...options, ...(resume === undefined ? {} : { resume }) });
  const again = await run({ ...options, ...(resume === undefined ? {} : { resume }) });
  expect(again.summary.resumed).toBe(points.length);
  expect(again.summary.modelHash).toBe(whole.summary.modelHash);
  expect(again.summary.virtualSeconds).toBe(whole.summary.virtualSeconds);
  for (const name of ['rounds.csv', 'participants.csv', 'classes.csv'])
    expect(await columnsOf(again.folder, name), name).toEqual(await columnsOf(whole.folder, name));
  return again;
};

const slow = { type: 'log-normal', median: 20, sigma: 1 } as const;

describe('a simulation in virtual time that was killed twice', () => {
  it('equals the undisturbed one, with participants that miss the deadline', async () => {
    const { folder: own, summary } = await killedIsWhole(
      [
        [1, 'upload'],
        [2, 'unmask'],
      ],
      {
        participants: 12,
        cohort: 6,
        speed: { type: 'log-normal', median: 100, sigma: 1 },
        bandwidth: { type: 'log-normal', median: 0.5, sigma: 0 },
        uploadDeadline: 20,
      },
    );
    expect(summary.history.some(({ survivors, cohort }) => survivors < cohort)).toBe(true);
    await using opened = await openRun(own, { journalLedger: readJournalLedger });
    expect(await opened.verify()).toMatchObject({ ok: true, level: 'L1' });
  });

  it.each([
    ['by the time of day', { type: 'diurnal', day: 60, open: 0.6 }],
    ['by chance', { type: 'poisson', rate: 0.7 }],
  ] as const)('equals the undisturbed one, with presence %s', async (_, participation) => {
    await killedIsWhole(
      [
        [2, 'register'],
        [3, 'share'],
      ],
      { participation, speed: { type: 'same', median: 20 } },
    );
  });

  it('equals the undisturbed one, with lost participants', async () => {
    await killedIsWhole(
      [
        [1, 'unmask'],
        [2, 'consistency'],
      ],
      { speed: slow, drops: { unmask: 1 / 5 } },
    );
  });

  it('equals the undisturbed one, with attackers that remember earlier rounds', async () => {
    await killedIsWhole(
      [
        [1, 'upload'],
        [2, 'opening'],
      ],
      { participants: 6, attack: ['replay:0.16', 'free-rider-last:0.16'] },
    );
  });

  it('is not resumed where updates waited in a buffer', async () => {
    const options: SimulateOptions = { cohort: 3, buffer: 3, speed: slow, rounds: 2 };
    const left = await killAt([1, 'register'], options);
    await expect(run({ ...options, resume: left })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('buffer') as string,
    });
  });

  it('is not resumed from a checkpoint that has no virtual time', async () => {
    const options: SimulateOptions = { speed: slow, rounds: 2 };
    const left = await killAt([1, 'register'], options);
    const checkpoint = await readCheckpoint(left);
    if (checkpoint === undefined) throw new Error('no checkpoint');
    expect(checkpoint.virtual?.elapsed).toBeGreaterThan(0);
    const { virtual: _, ...others } = checkpoint;
    writeCheckpoint(left, others);
    await expect(run({ ...options, resume: left })).rejects.toMatchObject({
      code: 'run_outdated',
    });
  });
});
