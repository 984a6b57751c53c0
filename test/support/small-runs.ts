/**
 * @module Simulated runs of a few rounds on a small table, in this process, and what the auditor of
 * one finds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { verifyRun, type Verification } from '../../protocol/verify/index.ts';
import {
  makeScenario,
  readRun,
  RUN_FILES,
  runScenario,
  type RunResult,
  type ScenarioInput,
} from '../../sim/index.ts';
import { writeTable } from './table.ts';

/**
 * Runs of the tests of a file.
 *
 * @param name of the file's folder, and the seed
 * @param shape of the table: 3 classes
 * @param usual settings of each run
 */
export const smallRuns = (
  name: string,
  shape: { readonly rows: number; readonly features: number },
  usual: ScenarioInput,
): ((input?: ScenarioInput) => Promise<RunResult>) => {
  let folder = '';
  let data = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `floe-${name}-`));
    data = await writeTable(join(folder, 'table.csv'), { ...shape, classes: 3 });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return (input = {}) => {
    const fixed = { backend: 'wasm', workers: 1, baseline: false, substrate: 'local' } as const;
    const settings = { data, seed: name, model: 'linear', ...fixed, ...usual, ...input };
    return runScenario(makeScenario(settings), { outDir: join(folder, 'runs') });
  };
};

/** @param change what another coordinator would say that the run agreed on */
export const verifiedRun = async (
  own: string,
  change: (spec: RunSpec) => RunSpec = (spec) => spec,
): Promise<Verification> => {
  const stored = await readRun(own);
  return verifyRun({
    spec: change(stored.spec),
    transcript: stored.transcript,
    store: directoryStore(join(stored.folder, RUN_FILES.blobs)),
    gate: sealedBoxGate(await identityFromSeed(stored.auditorSeed as Uint8Array)),
  });
};

/** Hashes of the models, by round. */
export const modelsOf = ({ summary }: RunResult): readonly string[] =>
  summary.history.map(({ modelHash }) => modelHash);
