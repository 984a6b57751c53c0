/**
 * The bytes of a model do not depend on the version of Floe. These hashes change only with the
 * arithmetic: last when the bits of a lane followed the announced mean (masked), and when tables
 * were normalised by the contract that a simulation infers (both).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeScenario, runScenario, type ScenarioInput } from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-same-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 240, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const modelsOf = async (input: ScenarioInput): Promise<readonly string[]> => {
  const scenario = makeScenario({
    participants: 6,
    cohort: 4,
    rounds: 3,
    data: table,
    model: 'mlp:8',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
    seed: 'same model',
    ...input,
  });
  const { summary } = await runScenario(scenario, { outDir: join(folder, 'runs') });
  return summary.history.map(({ modelHash }) => modelHash.slice(0, 16));
};

describe('a seeded run of FedAvg', () => {
  it('gives the same models as before, masked', async () => {
    expect(await modelsOf({})).toEqual([
      'c5df5e4ad41c8536',
      '995eab872b3778b2',
      'eb614151bcf3b7e5',
    ]);
  });

  it('gives the same models as before, without masks, clipped, in ring24', async () => {
    expect(await modelsOf({ mask: false, ring: 'ring24', bits: 12, clipNorm: 0.2 })).toEqual([
      'e99e6fcb1d0f8664',
      '60b8816806f708ad',
      'abcd1e5aebaa5a82',
    ]);
  });
});
