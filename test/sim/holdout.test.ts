/**
 * A masked run that holds examples out: what is reported of a round is the score of all held-out
 * examples together, with the model that the round began with.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Dataset } from '../../client/index.ts';
import * as task from '../../examples/simulation/task.ts';
import { simulate } from '../../sim/index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-holdout-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const rowsOf = ({ indices, size }: Dataset): readonly number[] =>
  Array.from({ length: size }, (_, i) => indices?.[i] ?? i);

it('reports the score of the pooled held-out examples, of the model before', async () => {
  /** What held-out examples gave, by the weights that were tested. */
  const tested = new Map<string, { examples: number; correct: number; lossSum: number }>();
  const began: string[] = [];
  const { summary } = await simulate({
    data: task.data,
    trainer: (init) => {
      const own = task.trainer(init);
      const training = new Set(rowsOf(init.data));
      return {
        ...own,
        train: async (request) => {
          began.push(request.weights.join());
          return own.train(request);
        },
        evaluate: async (weights, on) => {
          const result = await own.evaluate(weights, on);
          // The analyst scores the test set of the simulation.
          if (init.index === undefined || on === undefined) return result;
          expect(rowsOf(on).some((row) => training.has(row))).toBe(false);
          const before = tested.get(weights.join()) ?? { examples: 0, correct: 0, lossSum: 0 };
          tested.set(weights.join(), {
            examples: before.examples + result.examples,
            correct: before.correct + result.correct,
            lossSum: before.lossSum + result.lossSum,
          });
          return result;
        },
      };
    },
    participants: 4,
    cohort: 4,
    rounds: 3,
    holdout: 0.2,
    learningRate: 0.5,
    substrate: 'local',
    outDir: join(folder, 'runs'),
  });
  const models = [...new Set(began)];
  expect(models).toHaveLength(3);
  for (const [i, round] of summary.history.entries()) {
    const pooled = tested.get(models[i] ?? '');
    expect(pooled?.examples).toBe(120);
    expect(round.training['testExamples']).toBe(120);
    expect(round.training['testAccuracy']).toBeCloseTo((pooled?.correct ?? 0) / 120, 4);
    expect(round.training['testLoss']).toBeCloseTo((pooled?.lossSum ?? 0) / 120, 3);
    expect(round.training).toHaveProperty('trainAccuracy');
    expect(round.training).not.toHaveProperty('accuracy');
  }
});
