/**
 * @module A simulated run with differential privacy: masks change nothing of its sums, and it
 * verifies.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeScenario, runScenario, type ScenarioInput } from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-private-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 240, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const privately = async (input: ScenarioInput = {}) => {
  const scenario = makeScenario({
    participants: 6,
    cohort: 5,
    rounds: 2,
    data: table,
    model: 'linear',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
    seed: 'private',
    privacy: {
      type: 'skellam',
      epsilon: 8,
      delta: 1e-5,
      participations: 2,
      honest: 0.8,
      noiseMultiplier: 0,
    },
    ...input,
  });
  return runScenario(scenario, { outDir: join(folder, 'runs') });
};

const modelsOf = ({ summary }: Awaited<ReturnType<typeof privately>>): readonly string[] =>
  summary.history.map(({ modelHash }) => modelHash);

it('gives the same models with masks and without, for the same noise', async () => {
  const [masked, plain] = [await privately(), await privately({ mask: false })];
  expect(modelsOf(masked)).toHaveLength(2);
  expect(modelsOf(plain)).toEqual(modelsOf(masked));
});

it('opens no round that would overspend: the run ends by name', async () => {
  const over = privately({ participants: 5, rounds: 3, minimum: 3, seed: 'over' });
  await expect(over).rejects.toThrow(expect.objectContaining({ code: 'privacy_budget_spent' }));
});
