/**
 * Reference: the Move VM of Sui 1.71.1 as wasm (`@zktx.io/sui-move-builder`). The interpreter
 * predicts results, objects, events and aborts; they are written as Move unit tests, which that VM
 * must pass. Then bugs are put into the interpreter: each must change a prediction that the VM has
 * confirmed.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type CompiledPackage,
  type PackageFiles,
  compilePackage,
  readPackage,
  testPackage,
} from '../../../devnet/move/compile.ts';
import { createVmWithFramework, moduleBytes } from '../../../devnet/move/index.ts';
import { runSequence, sequenceChecks } from './support/floe-sequences.ts';
import { MUTANTS, runMutants } from './support/mutants.ts';
import { CALLS, programChecks, runPrograms } from './support/programs-run.ts';
import { randomPrograms } from './support/programs.ts';

const PROGRAMS = 60;
const PROGRAM_SEED = 11;
const SEQUENCES = Array.from({ length: 24 }, (_, i) => 500 + i);
const LENGTH = 40;

const failures = (output: string): string =>
  output
    .split('\n')
    .filter((line) => !line.includes('PASS'))
    .join('\n')
    .slice(0, 4000);

let files: PackageFiles;
let compiled: CompiledPackage;
/**
 * The package with what `freeze_cohort` does after the draw open to calls: the draw is not the same
 * in two machines.
 */
let floe: CompiledPackage;

beforeAll(async () => {
  files = randomPrograms(PROGRAM_SEED, PROGRAMS);
  compiled = await compilePackage(files);
  const sources = await readPackage('move/floe');
  const run = sources['sources/run.move'] ?? '';
  expect(run.split('\nfun record_cohort(')).toHaveLength(2);
  floe = await compilePackage({
    ...sources,
    'sources/run.move': run.replace('\nfun record_cohort(', '\npublic fun record_cohort('),
  });
});

describe('against the Move VM', () => {
  test('random programs: results, aborts, arithmetic and vector errors', async () => {
    const modules = moduleBytes(compiled.modules);
    const outcomes = runPrograms(createVmWithFramework(), modules, PROGRAMS);
    expect(outcomes.filter(({ type }) => type === 'broken')).toEqual([]);
    // The sample must hold both kinds, or it shows little.
    expect(outcomes.filter(({ type }) => type === 'returned').length).toBeGreaterThan(40);
    expect(outcomes.filter(({ type }) => type === 'failed').length).toBeGreaterThan(20);
    const report = await testPackage({
      ...files,
      'sources/checks.move': programChecks(outcomes),
    });
    expect({ passed: report.passed, output: failures(report.output) }).toMatchObject({
      passed: true,
    });
    expect(report.output).toContain(`Total tests: ${PROGRAMS * CALLS}`);
  });

  test('a wrong prediction fails', async () => {
    const small = randomPrograms(1, 1);
    const wrong = programChecks([{ type: 'returned', hex: '00' }]);
    const report = await testPackage({ ...small, 'sources/checks.move': wrong });
    expect(report.passed).toBe(false);
  });

  test('sequences of transactions on the package floe', async () => {
    const vm = createVmWithFramework();
    const modules = moduleBytes(floe.modules);
    const runs = SEQUENCES.map((seed) => runSequence(vm, modules, seed, LENGTH));
    const transactions = runs.reduce((sum, run) => sum + run.transactions, 0);
    expect(transactions).toBeGreaterThan(150);
    expect(runs.filter((run) => run.aborted).length).toBeGreaterThan(8);
    const sources: Record<string, string> = { ...(await readPackage('move/floe')) };
    for (const path of Object.keys(sources)) if (path.startsWith('tests/')) delete sources[path];
    sources['sources/checks.move'] = sequenceChecks(runs);
    const report = await testPackage(sources);
    expect({ passed: report.passed, output: failures(report.output) }).toMatchObject({
      passed: true,
    });
    expect(report.output).toContain(`Total tests: ${SEQUENCES.length}`);
  });
});

test('every injected bug changes a confirmed prediction', async () => {
  const { right, seen } = await runMutants({
    programs: compiled.modules,
    programCount: PROGRAMS,
    floe: floe.modules,
    sequences: SEQUENCES.slice(0, 3),
    length: LENGTH,
  });
  // The copy itself predicts what the tests above have had confirmed.
  const modules = moduleBytes(compiled.modules);
  expect(right.outcomes).toEqual(runPrograms(createVmWithFramework(), modules, PROGRAMS));
  expect(MUTANTS.filter((_, i) => seen[i] !== true).map(({ name }) => name)).toEqual([]);
  expect(seen).toHaveLength(MUTANTS.length);
});
