/**
 * @module A simulated run with differential privacy and a robust rule over groups: the noise of
 * each group does alone, and the run verifies with what it claims.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeVerification } from '../../client/index.ts';
import { noiseFor } from '../../protocol/algorithm/segments.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { makeScenario, readRun, RUN_FILES, runScenario } from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-private-groups-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 240, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('opens noisy sums of groups, charges them as one sum, and verifies', async () => {
  const scenario = makeScenario({
    participants: 12,
    cohort: 12,
    rounds: 2,
    data: table,
    model: 'linear',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
    seed: 'private groups',
    aggregation: { type: 'median' },
    groupSize: 4,
    privacy: {
      type: 'skellam',
      epsilon: 8,
      delta: 1e-5,
      participations: 2,
      honest: 0.9,
      noiseMultiplier: 0,
    },
  });
  const { summary, folder: own } = await runScenario(scenario, { outDir: join(folder, 'runs') });
  expect(summary.history).toHaveLength(2);
  expect(summary.rule).toMatchObject({
    name: 'median',
    byzantine: 1,
    tolerated: 1,
    groupSize: 4,
    groups: 3,
  });
  for (const { groups } of summary.history) {
    expect(groups).toMatchObject({ opened: 3, leftOut: 0, suspects: [] });
    expect(groups?.norms.every((norm) => norm > 0)).toBe(true);
    expect(groups?.deviations).toHaveLength(3);
  }
  const report = await readFile(join(own, RUN_FILES.report), 'utf8');
  expect(report).toContain('median over the means of groups: bears 1 false of 12');
  expect(report).toContain('0 of 6 sums in 2 rounds');
  // A sum has three of a group of four at least, and both that add no noise may be among them.
  const claim = { minimum: 3, honestSurvivors: 1, participations: 2 };
  expect(summary.privacy).toMatchObject(claim);
  const stored = await readRun(own);
  expect(noiseFor(stored.spec)).toMatchObject({ honestSurvivors: 1 });
  const result = await verifyRun({
    spec: stored.spec,
    transcript: stored.transcript,
    store: directoryStore(join(stored.folder, RUN_FILES.blobs)),
    gate: sealedBoxGate(await identityFromSeed(stored.auditorSeed as Uint8Array)),
  });
  expect(result).toMatchObject({
    ok: true,
    level: 'L1',
    privacy: { ...claim, mechanism: 'skellam', spent: { participations: 2 } },
  });
  const lines = describeVerification(result).map(([, text]) => text);
  expect(lines.some((line) => line.includes('1 of at least 3 survivors of each group'))).toBe(true);
});
