/**
 * @module Child process of `mutants.ts`: imports each copy of the interpreter and says whether what
 * it makes of the job differs from what the unchanged one makes of it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Interpreter from '../../../../devnet/move/index.ts';
import { runSequence } from './floe-sequences.ts';
import { type Outcome, runPrograms } from './programs-run.ts';
import { shaped } from './shape.ts';

interface Job {
  readonly programs: readonly string[];
  readonly programCount: number;
  readonly floe: readonly string[];
  readonly sequences: readonly number[];
  readonly length: number;
  readonly homes: readonly string[];
}

interface Found {
  readonly outcomes: readonly Outcome[];
  readonly traces: readonly string[];
}

/** Runs one copy; with `right` only until it differs. */
const run = async (home: string, right?: Found): Promise<Found> => {
  const url = pathToFileURL(join(home, 'devnet/move/index.ts')).href;
  const move = shaped<typeof Interpreter>()(await import(url));
  // Most bugs show in the programs, which need 0x1 only; the rest of the framework is loaded for
  // what is left.
  const vm = move.createVm();
  const { std } = move.compiledFramework();
  const only = { storageId: move.STD_ID, modules: move.moduleBytes(std), dependencies: [] };
  if (vm.publish(only).status === 'failure') return { outcomes: [], traces: [] };
  const modules = move.moduleBytes(job.programs);
  const outcomes = runPrograms(vm, modules, job.programCount, right?.outcomes);
  if (right !== undefined && JSON.stringify(outcomes) !== JSON.stringify(right.outcomes))
    return { outcomes, traces: [] };
  const floe = move.moduleBytes(job.floe);
  const whole = move.createVmWithFramework();
  const traces = job.sequences.map((seed) => runSequence(whole, floe, seed, job.length).trace);
  return { outcomes, traces };
};

const job = shaped<Job>()(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
const [home = '', ...mutants] = job.homes;
const right = await run(home);
const seen: boolean[] = [];
for (const mutant of mutants) {
  try {
    seen.push(JSON.stringify(await run(mutant, right)) !== JSON.stringify(right));
  } catch (error) {
    // A mutant may break anything; that it does is what is asked here.
    process.stderr.write(`${mutant}: ${String(error)}\n`);
    seen.push(true);
  }
}
process.stdout.write(JSON.stringify({ right, seen }));
