/**
 * @module What compression saves and costs: bytes of an upload next to those of the update as
 * float32, and rounds to 97 % on MNIST (2NN, 100 participants, ten a round, one epoch, batches of
 * ten, learning rate 0.1; McMahan et al. 2017, table 2) next to those of the same run with all
 * coordinates in ring32, which rounds them by 2^-27 of the clip norm.
 *
 *   node bench/compression.ts [--rounds 80] [--seeds 1] [--only ring16,random-k:rate=0.1]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { layoutOf } from '../protocol/algorithm/round.ts';
import { trainableOf } from '../protocol/algorithm/segments.ts';
import { makeScenario, readRun, runScenario, type ScenarioInput } from '../sim/index.ts';
import { report } from './table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '80' },
    seeds: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});

const EXAMPLES = 600;
const COHORT = 10;
const FLOAT_BYTES = 4;

const randomK = (rate: number, mode: 'unbiased' | 'feedback' = 'unbiased'): ScenarioInput => ({
  compression: { type: 'random-k', rate, mode },
});

const EXACT = 'ring32';
const SETTINGS: Readonly<Record<string, ScenarioInput>> = {
  [EXACT]: { ring: 'ring32' },
  ring16: {},
  'random-k:rate=0.25': randomK(0.25),
  'random-k:rate=0.1': randomK(0.1),
  'feedback:rate=0.25': randomK(0.25, 'feedback'),
};

interface Outcome {
  /** Infinity where the target was not reached. */
  readonly rounds: number;
  readonly best: number;
  readonly uploadBytes: number;
  readonly floatBytes: number;
}

const folder = await mkdtemp(join(tmpdir(), 'floe-bench-compression-'));

const run = async (input: ScenarioInput, seed: number): Promise<Outcome> => {
  const scenario = makeScenario({
    model: 'mlp-2nn',
    partition: { type: 'iid' },
    participants: 100,
    cohort: COHORT,
    epochs: 1,
    batchSize: 10,
    learningRate: 0.1,
    targetAccuracy: 0.97,
    rounds: Number(values.rounds),
    seed: String(seed),
    baseline: false,
    substrate: 'local',
    ...input,
  });
  let best = 0;
  const { summary, folder: kept } = await runScenario(scenario, {
    outDir: folder,
    onEvent: (event) => {
      if (event.type === 'scored') best = Math.max(best, event.testAccuracy ?? 0);
    },
  });
  const { spec } = await readRun(kept);
  return {
    rounds: summary.status === 'target' ? summary.rounds : Infinity,
    best,
    uploadBytes: layoutOf(spec, COHORT, EXAMPLES).byteLength,
    floatBytes: FLOAT_BYTES * trainableOf(spec),
  };
};

const names = [EXACT, ...(values.only?.split(',') ?? Object.keys(SETTINGS))];
const unknown = names.find((name) => !(name in SETTINGS));
if (unknown !== undefined)
  throw new Error(`--only: expected some of ${Object.keys(SETTINGS).join(', ')}, got ${unknown}`);

try {
  for (let seed = 1; seed <= Number(values.seeds); seed += 1) {
    let exact: Outcome | undefined;
    for (const name of new Set(names)) {
      const found = await run(SETTINGS[name]!, seed);
      exact ??= found;
      report({
        what: `${name}, seed ${seed}: bytes of an upload`,
        value: found.uploadBytes,
        unit: 'bytes',
        ratio: { value: found.floatBytes / found.uploadBytes, to: 'fewer than float32' },
      });
      report({
        what: `${name}, seed ${seed}: rounds to 97 %, best ${(100 * found.best).toFixed(2)} %`,
        value: found.rounds,
        unit: 'rounds',
        ratio: { value: found.rounds / exact.rounds, to: EXACT },
      });
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
