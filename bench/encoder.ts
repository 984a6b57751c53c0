/**
 * @module Fine-tunes a published text encoder with adapters: `FLOE_ENCODER=FOLDER node
 * bench/encoder.ts [rounds]`, with a folder that `scripts/fetch-encoder.ts` wrote. Ten
 * participants, all in every round, masked, on the CPU, local ports; the run is verified from its
 * folder. Figures: accuracy, compared with that of always predicting the larger class; bytes of one
 * masked upload and of one model, compared with those of training all weights with the same
 * settings (counted by the code that lays them out); processor seconds and peak memory of the whole
 * process. The variables of examples/encoder/task.ts choose the size of the run, and the first line
 * prints it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRun } from '../client/index.ts';
import { readJournalLedger } from '../coordinator/index.ts';
import * as task from '../examples/encoder/task.ts';
import { layoutOf } from '../protocol/algorithm/round.ts';
import { elementCount, parameterCount } from '../protocol/model/manifest.ts';
import { storedBy } from '../protocol/spec/size-of-run.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { simulate } from '../sim/index.ts';
import { report } from './table.ts';

const PARTICIPANTS = 10;
const KIB = 1024;
const rounds = Number(process.argv[2] ?? 5);

/** The same run where every weight of the encoder trains and travels. */
const whole = (spec: RunSpec): RunSpec => {
  const { base: _, ...model } = spec.model;
  // Of the base's tensors only their number counts here.
  const tensors = task.base().manifest.tensors.map(({ name, shape, dtype }) => ({
    name,
    shape: [...shape],
    dtype,
  }));
  const heads = model.tensors.filter(({ name }) => name.startsWith('head/'));
  return { ...spec, model: { ...model, tensors: [...tensors, ...heads] } };
};

const { train, test } = task.data();
const tokens = elementCount(train.featureShape);
const each = Math.ceil(train.size / PARTICIPANTS);
console.log(
  `${PARTICIPANTS} participants, ${train.size} texts to train on and ${test.size} to test, ${tokens} ` +
    `tokens each, ${rounds} rounds of one epoch, batches of 4, learning rate 0.5, wasm`,
);
const folder = await mkdtemp(join(tmpdir(), 'floe-bench-encoder-'));
try {
  const before = process.cpuUsage();
  const { summary, folder: out } = await simulate({
    module: new URL('../examples/encoder/task.ts', import.meta.url),
    participants: PARTICIPANTS,
    cohort: PARTICIPANTS,
    rounds,
    epochs: 1,
    batchSize: 4,
    learningRate: 0.5,
    weightCap: each,
    workers: 1,
    backend: 'wasm',
    baseline: false,
    substrate: 'local',
    outDir: folder,
  });
  const { user, system } = process.cpuUsage(before);
  await using run = await openRun(out, { journalLedger: readJournalLedger });
  const { ok, level } = await run.verify();
  console.log(`${summary.backend}\nverified: ${String(ok)}, level ${level}`);
  const spam = Array.from(test.labels).reduce((sum, label) => sum + label, 0) / test.size;
  const majority = Math.max(spam, 1 - spam);
  const accuracy = summary.testAccuracy ?? 0;
  report({
    what: 'accuracy on the test texts',
    value: accuracy,
    unit: '',
    ratio: { value: accuracy / majority, to: 'the larger class' },
  });
  const full = whole(run.spec);
  const parameters = parameterCount(run.spec.model);
  const all = parameterCount(full.model);
  report({
    what: 'parameters that travel',
    value: parameters,
    unit: '',
    ratio: { value: all / parameters, to: 'fewer than all' },
  });
  const upload = layoutOf(run.spec, PARTICIPANTS, each).byteLength;
  report({
    what: 'one masked upload',
    value: upload / KIB,
    unit: 'KiB',
    ratio: { value: layoutOf(full, PARTICIPANTS, each).byteLength / upload, to: 'less than all' },
  });
  const [own, theirs] = [run.spec, full].map((spec) => storedBy(spec, 1, 1).modelBytes);
  report({
    what: 'one model',
    value: (own ?? 0) / KIB,
    unit: 'KiB',
    ratio: { value: (theirs ?? 0) / (own ?? 1), to: 'less than all' },
  });
  report({
    what: 'all bytes of a round, both ways',
    value: (summary.bytesUp + summary.bytesDown) / summary.rounds / KIB,
    unit: 'KiB',
  });
  const texts = train.size * rounds;
  report({
    what: 'processor seconds a text trained on',
    value: (user + system) / 1e6 / texts,
    unit: 's',
  });
  report({ what: 'peak memory', value: process.resourceUsage().maxRSS / KIB, unit: 'MiB' });
} finally {
  await rm(folder, { recursive: true, force: true });
}
