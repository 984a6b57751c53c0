/**
 * @module Training speed: samples per second of every engine that runs here, on the models of
 * McMahan et al. (2017), as ratios within one run: the machine's speed cancels. Usage:
 * `node bench/training.ts`.
 */
import { initialModel } from '../protocol/model/first-model.ts';
import { subset } from '../client/data/dataset.ts';
import { loadMnist } from '../client/data/mnist-node.ts';
import { type BackendOptions, listBackends } from '../client/tfjs/backends.ts';
import { MODELS, type ModelName } from '../client/tfjs/models.ts';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import { report } from './table.ts';

interface Case {
  readonly label: string;
  readonly backend: BackendOptions;
  readonly denseFastPath: boolean;
  readonly recorded?: boolean;
  readonly models: readonly ModelName[];
}

const CASES: readonly Case[] = [
  {
    label: 'wasm as published',
    backend: { prefer: 'wasm', ownKernels: false },
    denseFastPath: false,
    recorded: false,
    // It has no gradient of a convolution's filter.
    models: ['mlp-2nn'],
  },
  { label: 'cpu', backend: { prefer: 'cpu' }, denseFastPath: false, models: ['mlp-2nn', 'cnn'] },
  {
    label: "wasm, Floe's kernels under tfjs",
    backend: { prefer: 'wasm' },
    denseFastPath: false,
    recorded: false,
    models: ['mlp-2nn', 'cnn'],
  },
  {
    label: 'wasm, recorded steps',
    backend: { prefer: 'wasm' },
    denseFastPath: false,
    models: ['mlp-2nn', 'cnn'],
  },
  {
    label: "wasm, Floe's dense path",
    backend: { prefer: 'wasm' },
    denseFastPath: true,
    models: ['mlp-2nn'],
  },
  {
    label: 'webgpu',
    backend: { prefer: 'webgpu' },
    denseFastPath: false,
    models: ['mlp-2nn', 'cnn'],
  },
  {
    label: 'tfjs-node',
    backend: { prefer: 'tensorflow' },
    denseFastPath: false,
    models: ['mlp-2nn', 'cnn'],
  },
];

/**
 * Each measurement trains for about this long, three times; the best counts, as others share the
 * machine.
 */
const BUDGET_MS = 700;

const train = await loadMnist('train');
const seed = new Uint8Array(32);

const samplesPerSecond = async (
  { backend, denseFastPath, recorded = true }: Case,
  model: ModelName,
  batchSize: number,
): Promise<number> => {
  const whole = await tfjsTrainer({
    model: MODELS[model],
    backend,
    denseFastPath,
    recorded,
    data: subset(train, [0]),
  });
  const weights = initialModel({ ...whole.manifest, seed });
  const run = async (examples: number): Promise<number> => {
    const part = whole.withData(subset(train, [...Array(examples).keys()]));
    const started = performance.now();
    await part.train({ weights, round: 1, epochs: 1, batchSize, learningRate: 0.1, seed });
    part.dispose();
    return (examples / (performance.now() - started)) * 1000;
  };
  await run(batchSize);
  const speed = await run(batchSize);
  const steps = Math.max(1, Math.floor((speed * BUDGET_MS) / 1000 / batchSize));
  const examples = Math.min(train.size, steps * batchSize);
  let best = speed;
  // One after the other: they share the processor.
  // oxlint-disable-next-line no-await-in-loop
  for (let i = 0; i < 3; i++) best = Math.max(best, await run(examples));
  whole.dispose();
  return best;
};

const reports = await listBackends();
for (const { name, available, detail } of reports)
  console.log(`${name}: ${available ? detail : `not available (${detail})`}`);

const TABLE: readonly (readonly [ModelName, number])[] = [
  ['mlp-2nn', 10],
  ['mlp-2nn', 32],
  ['cnn', 10],
];

for (const [model, batchSize] of TABLE) {
  console.log(`\n${model}, batch ${batchSize}`);
  let reference: { readonly label: string; readonly speed: number } | undefined;
  for (const entry of CASES) {
    const available = reports.some((r) => r.name === entry.backend.prefer && r.available);
    if (!available || !entry.models.includes(model)) continue;
    // oxlint-disable-next-line no-await-in-loop
    const speed = await samplesPerSecond(entry, model, batchSize);
    reference ??= { label: entry.label, speed };
    report({
      what: `${model}, batch ${batchSize}, ${entry.label}`,
      value: speed,
      unit: 'samples/s',
      ratio: { value: speed / reference.speed, to: reference.label },
    });
  }
}
