/**
 * Simulated runs that send a part of each update: masked as unmasked, verified, with error feedback
 * over losses; smaller uploads, and a model that learns.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import {
  makeScenario,
  readRun,
  RUN_FILES,
  runScenario,
  type ScenarioInput,
} from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-compression-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 360, features: 20, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const run = async (input: ScenarioInput) => {
  const scenario = makeScenario({
    participants: 6,
    cohort: 5,
    minimum: 3,
    rounds: 3,
    data: table,
    model: 'mlp:16',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
    seed: 'compression',
    drops: { upload: 1 / 5 },
    ...input,
  });
  return runScenario(scenario, { outDir: join(folder, 'runs') });
};

const WAYS: readonly ScenarioInput[] = [
  { compression: { type: 'random-k', rate: 0.25, mode: 'feedback' } },
  { compression: { type: 'low-rank', rank: 4, mode: 'feedback' }, modelPrecision: 'bfloat16' },
];

describe('a simulated run that compresses', () => {
  it.each(WAYS)('ends with the same model masked and unmasked, and verifies: %j', async (way) => {
    const masked = await run(way);
    const open = await run({ ...way, mask: false });
    const hashes = masked.summary.history.map(({ modelHash }) => modelHash);
    expect(open.summary.history.map(({ modelHash }) => modelHash)).toEqual(hashes);
    expect(new Set(hashes).size).toBe(3);
    expect(masked.summary.encoding.rounding.words).toContain(`${way.compression!.type}: `);
    const stored = await readRun(masked.folder);
    const result = await verifyRun({
      spec: stored.spec,
      transcript: stored.transcript,
      store: directoryStore(join(stored.folder, RUN_FILES.blobs)),
      gate: sealedBoxGate(await identityFromSeed(stored.auditorSeed as Uint8Array)),
    });
    expect(result).toMatchObject({ ok: true, level: 'L1', modelHash: hashes.at(-1) });
  });
});
