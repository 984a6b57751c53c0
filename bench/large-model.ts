/**
 * @module Memory of a large model at one participant and at the coordinator: `npx node
 * bench/large-model.ts [million parameters...] [--tfjs]`, default 26 and 100. A process for each
 * size: a trainer takes one step (a plain function, or with `--tfjs` a dense network on wasm); its
 * update is encoded and masked for a cohort of ten, packed, put into a folder, and folded from
 * there. After each part it prints the peak resident set so far, as a ratio to the float32 size of
 * the model, and how often the event loop had a turn. The first line is Node alone.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createDataset } from '../client/data/dataset.ts';
import { functionTrainer, type Trainer } from '../client/trainer.ts';
import {
  addInto,
  createLanes,
  encodeSteps,
  LANES_PER_STEP,
  packSteps,
  ringLayout,
  unpack,
} from '../protocol/encoding/index.ts';
import { chunkRootSteps } from '../protocol/encoding/leaves.ts';
import { parameterCount } from '../protocol/model/manifest.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { cipherStream } from '../protocol/ports/random.ts';
import { maskUpdate, type Lanes } from '../protocol/secagg/index.ts';
import { SPEC_DEFAULTS } from '../protocol/spec/run-spec.ts';
import { inTurns, type Steps } from '../protocol/steps.ts';
import { report } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tfjs: { type: 'boolean', default: false },
    /** Measures here, not in a process of its own. */
    here: { type: 'boolean', default: false },
  },
});

const INPUTS = 784;
const CLASSES = 10;
const PARTICIPANTS = 10;
const spec = SPEC_DEFAULTS.encoding;
const seedOf = (i: number): Uint8Array => new Uint8Array(32).fill(i);

/** A dense network of two hidden layers of equal width, about as large. */
const dense = async (parameters: number): Promise<Trainer> => {
  const { selectBackend } = await import('../client/tfjs/backends.ts');
  const { chooseModel } = await import('../client/tfjs/choose-model.ts');
  const { tfjsTrainer } = await import('../client/tfjs/trainer.ts');
  const data = createDataset({
    features: Float32Array.from({ length: 2 * INPUTS }, (_, i) => Math.sin(i)),
    labels: Int32Array.of(1, 2),
    featureShape: [INPUTS],
    classes: CLASSES,
  });
  const sides = INPUTS + CLASSES + 2;
  const units = Math.round((Math.sqrt(sides ** 2 + 4 * parameters) - sides) / 2);
  const { build } = chooseModel(`mlp:${units},${units}`, data);
  const backend = await selectBackend({ prefer: 'wasm' });
  return tfjsTrainer({ model: build, data, backend });
};

/** A step in a direction that nobody computes. */
const plain = (parameters: number): Trainer =>
  functionTrainer({
    manifest: { tensors: [{ name: 'w', shape: [parameters], dtype: 'float32' }] },
    train: ({ weights }) => {
      const after = new Float32Array(weights.length);
      for (let i = 0; i < after.length; i += 1) after[i] = (weights[i] ?? 0) + ((i % 7) - 3) * 1e-5;
      return { weights: after, examples: 600, lossSum: 1, correct: 1 };
    },
  });

const measure = async (millions: number): Promise<void> => {
  const label = `${millions} M`;
  let bytes = 4e6 * millions;
  let turns = 0;
  const count = (): void => void (turns += 1);
  const part = (what: string): void => {
    const peak = process.resourceUsage().maxRSS * 1024;
    const said = turns === 0 ? '' : `, ${turns} turns`;
    report({
      what: `${label}: ${what}${said}`,
      value: peak / 1e6,
      unit: 'MB peak',
      ratio: { value: peak / bytes, to: 'the model' },
    });
    turns = 0;
  };
  const run = <Result>(steps: Steps<Result>): Promise<Result> =>
    inTurns(steps, { every: LANES_PER_STEP, onTurn: count });

  part('Node');
  const trainer = values.tfjs ? await dense(1e6 * millions) : plain(1e6 * millions);
  const dimension = parameterCount(trainer.manifest);
  bytes = 4 * dimension;
  part(`start, ${(dimension / 1e6).toFixed(1)} M parameters`);

  const weights = new Float32Array(dimension).fill(0.001);
  const { weights: delta } = await trainer.train({
    weights,
    round: 1,
    epochs: 1,
    batchSize: 2,
    learningRate: 0.1,
    seed: seedOf(0),
  });
  trainer.dispose();
  part('one step');

  for (let i = 0; i < dimension; i++) delta[i] = (delta[i] ?? 0) - (weights[i] ?? 0);
  const layout = ringLayout(spec, PARTICIPANTS, dimension);
  const { modulusBits } = layout;
  const { lanes } = await run(
    encodeSteps({
      delta,
      examples: 600,
      spec,
      n: PARTICIPANTS,
      rotationSeed: seedOf(1),
      random: cipherStream(seedOf(2)),
    }),
  );
  part('encode');
  await maskUpdate({
    lanes: lanes as Lanes,
    modulusBits,
    selfSeed: seedOf(3),
    pairs: Array.from({ length: PARTICIPANTS - 1 }, (_, i) => ({ seed: seedOf(4 + i), sign: 1 })),
    onTurn: count,
  });
  part(`mask, ${PARTICIPANTS} masks`);
  const packed = await run(packSteps(lanes, modulusBits));
  await run(chunkRootSteps(layout, packed));
  part(`pack and hash, ${(packed.length / 1e6).toFixed(0)} MB`);

  const folder = await mkdtemp(join(tmpdir(), 'floe-large-'));
  try {
    const store = directoryStore(folder);
    const blob = await store.put(packed);
    part('upload');
    const sum = createLanes(layout.lanes, modulusBits);
    addInto(sum, unpack(await store.get(blob), modulusBits, layout.lanes), modulusBits);
    part('fold');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** In a process of its own, as a peak only rises. */
const apart = async (millions: number): Promise<void> => {
  const more = values.tfjs ? ['--tfjs'] : [];
  const child = fork(fileURLToPath(import.meta.url), [String(millions), '--here', ...more], {
    stdio: 'inherit',
  });
  child.on('message', (row) => process.send?.(row));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${millions} M parameters: ended with ${String(code)}`);
};

const sizes = positionals.length === 0 ? [26, 100] : positionals.map(Number);
for (const millions of sizes) await (values.here ? measure(millions) : apart(millions));
