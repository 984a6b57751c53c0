/**
 * @module What compression saves and costs: bytes of an upload and of a model next to those of the
 * same as float32, and rounds to 97 % on MNIST (2NN, 100 participants, ten a round, one epoch,
 * batches of ten, learning rate 0.1; McMahan et al. 2017, table 2) next to those of the same run
 * with all coordinates in ring32, which rounds them by 2^-27 of the clip norm.
 *
 * `down:step8` moves the model by steps of one byte, and counts what participants of that run would
 * download where they took the steps since their last model in place of the model. Floe has no such
 * download: see "The step in place of the model" in docs/architecture.md.
 *
 * Without masks unless told: they change neither bytes nor models.
 *
 *   node bench/compression.ts [--rounds 80] [--seeds 1] [--only ring16,random-k:rate=0.1]
 *     [--masked] [--state compression.json] [--budget SECONDS]
 */
import { parseArgs } from 'node:util';
import { toHex } from '../protocol/bytes.ts';
import { layoutOf } from '../protocol/algorithm/round.ts';
import { trainableOf } from '../protocol/algorithm/segments.ts';
import { decodeTranscript } from '../protocol/records/transcript.ts';
import { readRun, type ScenarioInput } from '../sim/index.ts';
import { openCells } from './learning/cells.ts';
import { bestOf, curveOf, roundsTo, type Curve } from './learning/curve.ts';
import { expectedDownload, meanDownload } from './learning/downloads.ts';
import { budgetOf, cellOptions, namesOf, wholeOf } from './learning/flags.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { storedBy } from '../protocol/spec/size-of-run.ts';
import { report } from './table.ts';

const EXAMPLES = 600;
const COHORT = 10;
const FLOAT_BYTES = 4;
const TARGET = 0.97;

const randomK = (rate: number, mode: 'unbiased' | 'feedback' = 'unbiased'): ScenarioInput => ({
  compression: { type: 'random-k', rate, mode },
});

const lowRank = (rank: number, mode: 'unbiased' | 'feedback' = 'unbiased'): ScenarioInput => ({
  compression: { type: 'low-rank', rank, mode },
});

const EXACT = 'ring32';
const STEPS = 'down:step8';
const SETTINGS: Readonly<Record<string, ScenarioInput>> = {
  [EXACT]: { ring: 'ring32' },
  ring16: {},
  'random-k:rate=0.25': randomK(0.25),
  'random-k:rate=0.1': randomK(0.1),
  'feedback:rate=0.25': randomK(0.25, 'feedback'),
  'feedback:rate=0.1': randomK(0.1, 'feedback'),
  'low-rank:rank=64': lowRank(64),
  'low-rank:rank=32': lowRank(32),
  'low-rank-feedback:rank=64': lowRank(64, 'feedback'),
  'down:bfloat16': { modelPrecision: 'bfloat16' },
  [STEPS]: {
    strategyModules: [new URL('learning/step8.ts', import.meta.url).href],
    strategy: { name: 'fedavg-step8', parameters: {} },
  },
};

const { values } = parseArgs({
  options: {
    ...cellOptions('compression.json'),
    rounds: { type: 'string', default: '80' },
    only: { type: 'string', default: Object.keys(SETTINGS).join() },
    masked: { type: 'boolean', default: false },
  },
});
const names = new Set([EXACT, ...namesOf('only', values.only, SETTINGS)]);
const rounds = wholeOf('rounds', values.rounds);

interface Outcome extends Curve {
  readonly uploadBytes: number;
  readonly floatBytes: number;
  /** Of the blob of a version, and of one of float32. */
  readonly modelBytes: number;
  readonly floatModelBytes: number;
  /** Of models, a download of a participant in the run on average. */
  readonly downloadBytes: number;
}
const cells = await openCells<Outcome>(values.state, budgetOf(values.budget));

const asFloats = (spec: RunSpec): RunSpec => ({
  ...spec,
  model: {
    ...spec.model,
    tensors: spec.model.tensors.map((tensor) => ({ ...tensor, dtype: 'float32' })),
  },
});

/** The members of each round that was committed or not: they download at its beginning. */
const cohortsOf = ({ entries }: ReturnType<typeof decodeTranscript>): string[][] =>
  entries.flatMap(({ record }) =>
    record.type === 'cohort' ? [record.body.members.map(toHex)] : [],
  );

const run = async (label: string, input: ScenarioInput, seed: number): Promise<Outcome> => {
  const bytes = {
    uploadBytes: 0,
    floatBytes: 0,
    modelBytes: 0,
    floatModelBytes: 0,
    downloadBytes: 0,
  };
  const curve = await curveOf(
    label,
    {
      model: 'mlp-2nn',
      partition: { type: 'iid' },
      participants: 100,
      cohort: COHORT,
      epochs: 1,
      batchSize: 10,
      learningRate: 0.1,
      targetAccuracy: TARGET,
      rounds,
      mask: values.masked,
      seed: String(seed),
      ...input,
    },
    async (folder) => {
      const { spec, transcript } = await readRun(folder);
      bytes.uploadBytes = layoutOf(spec, COHORT, EXAMPLES).byteLength;
      bytes.floatBytes = FLOAT_BYTES * trainableOf(spec);
      bytes.modelBytes = storedBy(spec, 1, 1).modelBytes;
      bytes.floatModelBytes = storedBy(asFloats(spec), 1, 1).modelBytes;
      const step = label.startsWith(STEPS) ? trainableOf(spec) : undefined;
      bytes.downloadBytes = meanDownload(
        cohortsOf(decodeTranscript(hashRunSpec(spec), transcript)),
        bytes.modelBytes,
        step,
      );
    },
  );
  return { ...curve, ...bytes };
};

for (let seed = 1; seed <= wholeOf('seeds', values.seeds); seed += 1) {
  let exact: number | undefined;
  for (const name of names) {
    const label = `${name}, seed ${seed}`;
    const found = await cells.take(
      `${label}, ${rounds} rounds, both ways${values.masked ? ', masked' : ''}`,
      () => run(label, SETTINGS[name]!, seed),
    );
    if (found === undefined) continue;
    const needed = roundsTo(found, TARGET);
    if (name === EXACT) exact = needed;
    report({
      what: `${label}: bytes of an upload`,
      value: found.uploadBytes,
      unit: 'bytes',
      ratio: { value: found.floatBytes / found.uploadBytes, to: 'fewer than float32' },
    });
    report({
      what: `${label}: bytes of a model`,
      value: found.modelBytes,
      unit: 'bytes',
      ratio: { value: found.floatModelBytes / found.modelBytes, to: 'fewer than float32' },
    });
    report({
      what: `${label}: bytes of a participant's download of a model`,
      value: found.downloadBytes,
      unit: 'bytes',
      ratio: { value: found.floatModelBytes / found.downloadBytes, to: 'fewer than float32' },
    });
    report({
      what: `${label}: rounds to ${100 * TARGET} %, best ${(100 * bestOf(found)).toFixed(2)} %`,
      value: needed,
      unit: 'rounds',
      ...(Number.isFinite(needed / exact!) ? { ratio: { value: needed / exact!, to: EXACT } } : {}),
    });
  }
}
// By the share of the participants that a round draws, with either model for those that missed
// too many rounds.
for (const share of [1, 0.9, 0.5, 0.2, 0.1, 0.01])
  for (const [model, bits] of [
    ['float32', 32],
    ['bfloat16', 16],
  ] as const) {
    const value = expectedDownload(share, bits, 8);
    report({
      what: `steps of 8 bits or ${model}, ${100 * share} % in a round: bits down for a parameter`,
      value,
      unit: 'bits',
      ratio: { value: 16 / value, to: 'fewer than bfloat16' },
    });
  }
console.log(cells.tally());
