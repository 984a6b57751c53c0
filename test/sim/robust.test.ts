/**
 * Runs with a robust rule: two of nine participants send the reverse of what they trained, as long
 * as the norm check allows. The mean follows them, the rules do not; such a run verifies, and its
 * rule is part of what is verified.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRun, type Trainer } from '../../client/index.ts';
import { readJournalLedger } from '../../coordinator/index.ts';
import * as task from '../../examples/simulation/task.ts';
import { simulate, type RunResult, type SimulateOptions } from '../../sim/index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-robust-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const LIARS = 4;

/** The reverse of the update, at the length that is clipped. */
const reversed = (honest: Trainer): Trainer => ({
  ...honest,
  train: async (request) => {
    const result = await honest.train(request);
    const weights = request.weights.map((value, i) => value - 1000 * (result.weights[i]! - value));
    return { ...result, weights };
  },
});

const run = (options: SimulateOptions): Promise<RunResult> =>
  simulate({
    participants: 9,
    cohort: 9,
    minimum: 9,
    rounds: 4,
    learningRate: 0.5,
    clipNorm: 2,
    mask: false,
    baseline: false,
    substrate: 'local',
    outDir: join(folder, 'runs'),
    data: task.data,
    trainer: (init) => {
      const honest = task.trainer(init);
      return init.index !== undefined && init.index < LIARS ? reversed(honest) : honest;
    },
    ...options,
  });

it('the mean of nine follows four that lie', async () => {
  expect((await run({})).summary.testAccuracy).toBeLessThan(0.8);
});

it.each([
  [{ type: 'median' }],
  [{ type: 'trimmed-mean' }],
  [{ type: 'rfa', iterations: 8, smoothing: 0.1 }],
  [{ type: 'centred-clipping', iterations: 3, radius: 1 }],
] as const)('%o does not, and its run verifies to level 1', async (aggregation) => {
  const { summary, folder: own } = await run({ aggregation, byzantine: LIARS });
  expect(summary.testAccuracy).toBeGreaterThan(0.9);
  await using opened = await openRun(own, { journalLedger: readJournalLedger });
  expect(opened.spec.robust).toEqual({ rule: aggregation, byzantine: LIARS });
  expect(await opened.verify()).toMatchObject({ ok: true, level: 'L1' });
});
