/**
 * @module A run that stops at an accuracy: the first version that reaches it is the final model,
 * whatever the number of workers and however slowly models are scored.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as task from '../../examples/simulation/task.ts';
import { makeScenario, runScenario, simulate, type Summary } from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-target-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 360, features: 6, classes: 3 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SMALL = { participants: 5, cohort: 5, baseline: false, substrate: 'local' } as const;

/** What must follow from the seed. */
const outcomeOf = ({ status, rounds, modelHash, testAccuracy, history }: Summary) => ({
  status,
  rounds,
  modelHash,
  testAccuracy,
  scores: history.map((attempt) => attempt.testAccuracy),
});

describe('--target-accuracy', () => {
  it('ends with the same model on one, two and three workers', async () => {
    const outcomes = [];
    for (const workers of [1, 2, 3]) {
      const scenario = makeScenario({
        ...SMALL,
        rounds: 100,
        data: table,
        model: 'mlp:8',
        backend: 'wasm',
        learningRate: 0.003,
        targetAccuracy: 0.8,
        workers,
      });
      const { summary } = await runScenario(scenario, { outDir: join(folder, 'runs') });
      outcomes.push(outcomeOf(summary));
    }
    expect(outcomes[0]?.status).toBe('target');
    expect(outcomes[0]?.rounds).toBeGreaterThan(2);
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
  });

  it('ends with the same model where scoring takes longer than rounds', async () => {
    /** @param turns of the event loop that a score waits for the next round's commit */
    const run = async (turns: number): Promise<Summary> => {
      const seen = { committed: 0, scored: 0 };
      const { summary } = await simulate({
        ...SMALL,
        rounds: 30,
        learningRate: 0.02,
        targetAccuracy: 0.84,
        outDir: join(folder, 'runs'),
        data: task.data,
        name: task.name,
        onEvent: (event) => {
          if (event.type === 'round') seen.committed = event.round.version;
        },
        trainer: (init) => {
          const trainer = task.trainer(init);
          return {
            ...trainer,
            evaluate: async (...request) => {
              seen.scored += 1;
              for (let turn = 0; turn < turns && seen.committed <= seen.scored; turn += 1)
                await setImmediate();
              return trainer.evaluate(...request);
            },
          };
        },
      });
      return summary;
    };
    const [quick, slow] = [await run(0), await run(20_000)];
    expect(quick.status).toBe('target');
    expect(quick.rounds).toBeGreaterThan(1);
    expect(quick.history.slice(0, -1).every((attempt) => (attempt.testAccuracy ?? 1) < 0.84)).toBe(
      true,
    );
    expect(outcomeOf(slow)).toEqual(outcomeOf(quick));
  });
});
