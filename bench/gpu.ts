/**
 * @module Training on a GPU through WebGPU: parity of the recorded step with eager tfjs, then
 * samples per second. Prints one JSON line for each result; `bench/gpu.sh` compares them with
 * PyTorch's. Usage: `node bench/gpu.ts [--quick] [--software] [--unchanged] [--tune] [--profile]
 * [--adapter]`.
 */
import { parseArgs } from 'node:util';
import { createDataset } from '../client/data/dataset.ts';
import { PLAIN_SGD } from '../client/optimizer.ts';
import { randomStream } from '../client/random.ts';
import { planOf } from '../client/recorded/plan.ts';
import { record } from '../client/recorded/record.ts';
import { type GpuDevice, openGpu } from '../client/recorded/webgpu/device.ts';
import { profile } from '../client/recorded/webgpu/profile.ts';
import type { Replay } from '../client/recorded/webgpu/replay.ts';
import { type Session, createSession } from '../client/recorded/webgpu/session.ts';
import { tune } from '../client/recorded/webgpu/tune.ts';
import { type Backend, selectBackend } from '../client/tfjs/backends.ts';
import { layersEngine } from '../client/tfjs/layers-engine.ts';
import { targetsOf } from '../client/tfjs/losses.ts';
import { MODELS, type ModelName } from '../client/tfjs/models.ts';
import { manifestOf } from '../client/tfjs/topology.ts';
import { type Objective, objectiveOf } from '../client/tfjs/objective.ts';
import { tfjsTrainer } from '../client/tfjs/trainer.ts';
import { SMALL_MODELS, examplesFor } from './gpu-models.ts';
import { initialModel } from '../protocol/model/first-model.ts';
import { elementCount } from '../protocol/model/manifest.ts';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    software: { type: 'boolean', default: false },
    unchanged: { type: 'boolean', default: false },
    tune: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    adapter: { type: 'boolean', default: false },
  },
});

const now = (): number => performance.now();
const say = (line: object): void => {
  console.log(JSON.stringify(line));
};

const numbers = (length: number, label: string, scale: number): Float32Array => {
  const stream = randomStream(new Uint8Array(32), label);
  return Float32Array.from({ length }, () => (stream.uint32() / 2 ** 31 - 1) * scale);
};

const PIXELS = 784;
const CLASSES = 10;

interface Prepared {
  readonly session: Session;
  readonly replay: Replay;
  readonly weights: Float32Array;
  readonly objective: Objective;
}

const plansOf = (backend: Backend, name: ModelName, size: number) => {
  const model = MODELS[name](backend.tf);
  const objective = objectiveOf(backend.tf, model, { labels: new Int32Array(1) });
  const optimizer = PLAIN_SGD;
  const program = record({ tf: backend.tf, model, objective, size, optimizer });
  const manifest = manifestOf(model);
  return { model, manifest, objective, plan: planOf(program) };
};

const prepared = async (
  gpu: GpuDevice,
  backend: Backend,
  name: ModelName,
  size: number,
): Promise<Prepared> => {
  const { manifest, objective, plan } = plansOf(backend, name, size);
  const weights = manifest.tensors.map(({ shape }) => elementCount(shape));
  const session = createSession(gpu, { weights, state: [], outputs: CLASSES });
  let tileFor;
  if (flags.tune) {
    const tuned = await tune(session, plan, size, { least: 5e7, times: 20, now });
    for (const { key, tile, microseconds } of tuned.choices)
      say({
        what: 'tile',
        model: name,
        batch: size,
        key,
        tile: Object.values(tile).join(),
        microseconds,
      });
    ({ tileFor } = tuned);
  }
  const replay = await session.prepare(plan, size, tileFor);
  const flat = numbers(
    weights.reduce((a, b) => a + b, 0),
    'weights',
    0.03,
  );
  return { session, replay, objective, weights: flat };
};

/** Three steps from the same weights: recorded on the GPU, and tfjs on wasm. */
const parity = async (gpu: GpuDevice, backend: Backend, name: ModelName): Promise<boolean> => {
  const size = flags.quick ? 3 : 8;
  const steps = flags.quick ? 2 : 3;
  const { session, replay, weights } = await prepared(gpu, backend, name, size);
  const { model, manifest, objective } = plansOf(backend, name, size);
  const features = numbers(steps * size * PIXELS, 'features', 1);
  const labels = Int32Array.from({ length: steps * size }, (_, i) => (i * 7) % CLASSES);
  const targets = targetsOf(objective, labels, steps * size);
  session.load(weights);
  session.setExamples({ features, targets, size: steps * size });
  session.setOrder(Uint32Array.from(labels.keys()));
  const starts = Array.from({ length: steps }, (_, i) => i * size);
  const learningRate = 0.1;
  session.run(
    replay,
    starts.map((start) => ({ start, trail: start, learningRate, draws: [] })),
  );
  const actual = await session.readWeights();
  session.dispose();
  const engine = layersEngine(backend, model, manifest, objective);
  engine.load(weights);
  for (const start of starts) {
    const batch = {
      features: features.slice(start * PIXELS, (start + size) * PIXELS),
      labels: labels.slice(start, start + size),
      size,
    };
    const stream = randomStream(new Uint8Array(32), 'parity');
    // Each step starts from the weights of the one before.
    await engine.step({ batch, learningRate, optimizer: PLAIN_SGD, stream, scored: false });
  }
  const expected = await engine.read();
  const largest = (at: (i: number) => number): number =>
    expected.reduce((most, _, i) => Math.max(most, Math.abs(at(i))), 0);
  const worst = largest((i) => (actual[i] ?? NaN) - (expected[i] ?? 0));
  const moved = largest((i) => (expected[i] ?? 0) - (weights[i] ?? 0));
  const good = worst <= 1e-5 && moved > 1e-4;
  say({ what: 'parity', model: name, worst, moved, good });
  return good;
};

const measure = async (
  gpu: GpuDevice,
  backend: Backend,
  name: ModelName,
  size: number,
  budgetMs: number,
): Promise<void> => {
  const examples = flags.quick ? size * 2 : Math.max(size * 4, 8192);
  const began = now();
  const { session, replay, weights, objective } = await prepared(gpu, backend, name, size);
  session.load(weights);
  const labels = Int32Array.from({ length: examples }, (_, i) => (i * 7) % CLASSES);
  session.setExamples({
    features: numbers(examples * PIXELS, 'features', 1),
    targets: targetsOf(objective, labels, examples),
    size: examples,
  });
  session.setOrder(Uint32Array.from(labels.keys()));
  const ready = now() - began;
  const run = async (steps: number): Promise<number> => {
    const started = now();
    session.run(
      replay,
      Array.from({ length: steps }, (_, i) => {
        const start = (i * size) % (examples - size + 1);
        return { start, trail: start, learningRate: 1e-4, draws: [] };
      }),
    );
    const encoded = now() - started;
    await session.finished();
    const total = now() - started;
    return steps < 8 ? total / steps : Math.max(total, encoded) / steps;
  };
  await run(flags.quick ? 1 : 16);
  const first = await run(flags.quick ? 1 : 32);
  const steps = Math.min(4096, Math.max(1, Math.floor(budgetMs / first)));
  const times: number[] = [];
  // One after the other: they share the device.
  for (let i = 0; i < (flags.quick ? 1 : 3); i++) times.push(await run(steps));
  const best = Math.min(...times);
  say({
    what: 'speed',
    engine: flags.unchanged ? 'floe-checked' : 'floe',
    model: name,
    batch: size,
    samplesPerSecond: Math.round((size / best) * 1000),
    msPerStep: best,
    readyMs: Math.round(ready),
  });
  if (flags.profile)
    for (const { label, microseconds, gigaflops } of await profile(session, replay, 30, now))
      say({ what: 'kernel', model: name, batch: size, label, microseconds, gigaflops });
  session.dispose();
};

const gpu = await openGpu({
  software: flags.software,
  ...(flags.unchanged ? { flags: [] } : {}),
});
say({ what: 'adapter', name: gpu.name, software: gpu.software });
if (flags.adapter) process.exit(0);
const backend = await selectBackend({ prefer: 'wasm' });
let good = true;

/**
 * The view of a participant: whole calls of the trainer; the same seed must give the same bytes.
 */
const rounds = async (name: ModelName, size: number, batchSize: number): Promise<boolean> => {
  const started = now();
  const labels = Int32Array.from({ length: size }, (_, i) => (i * 7) % CLASSES);
  const data = createDataset({
    features: numbers(size * PIXELS, 'features', 1),
    labels,
    featureShape: [28, 28, 1],
    classes: CLASSES,
  });
  const gpuBackend = await selectBackend({ prefer: 'webgpu', softwareGpu: flags.software });
  const trainer = await tfjsTrainer({ model: MODELS[name], data, backend: gpuBackend });
  const seed = new Uint8Array(32);
  const weights = initialModel({ ...trainer.manifest, seed });
  const request = { weights, round: 1, epochs: 1, batchSize, learningRate: 0.01, seed };
  const first = await trainer.train(request);
  const ready = now() - started;
  const again = now();
  const second = await trainer.train(request);
  const seconds = (now() - again) / 1000;
  const same = first.weights.every((value, i) => value === second.weights[i]);
  say({
    what: 'round',
    model: name,
    batch: batchSize,
    examples: size,
    seconds,
    firstMs: ready,
    same,
  });
  trainer.dispose();
  return same;
};

/** Each kind of layer: a round on the GPU against a round in plain JavaScript. */
const layers = async (): Promise<boolean> => {
  let all = true;
  const cpu = await selectBackend({ prefer: 'cpu' });
  const onGpu = await selectBackend({ prefer: 'webgpu', softwareGpu: flags.software });
  for (const small of SMALL_MODELS) {
    const data = examplesFor(small, 11);
    const trained: Float32Array[] = [];
    const losses: number[] = [];
    for (const where of [cpu, onGpu]) {
      const trainer = await tfjsTrainer({ model: small.model, data, backend: where });
      const seed = new Uint8Array(32);
      const weights = initialModel({ ...trainer.manifest, seed });
      const request = { weights, round: 1, epochs: 2, batchSize: 4, learningRate: 0.1, seed };
      trained.push((await trainer.train(request)).weights);
      losses.push((await trainer.evaluate(weights)).lossSum);
      trainer.dispose();
    }
    const [eager = new Float32Array(), recorded = new Float32Array()] = trained;
    const worst = eager.reduce(
      (most, v, i) => Math.max(most, Math.abs(v - (recorded[i] ?? NaN))),
      0,
    );
    const apart = Math.abs((losses[0] ?? 0) - (losses[1] ?? NaN));
    const fine = worst <= 2e-5 && apart <= 1e-3;
    if (!fine) all = false;
    say({ what: 'parity', model: small.name, worst, evaluation: apart, good: fine });
  }
  return all;
};
// In order: parity first, and one measurement at a time.
for (const name of ['mlp-2nn', 'cnn'] as const) {
  if (!(await parity(gpu, backend, name))) good = false;
}
if (!(await layers())) good = false;
const CASES: readonly (readonly [ModelName, number])[] = flags.quick
  ? [
      ['mlp-2nn', 10],
      ['cnn', 4],
    ]
  : [
      ['mlp-2nn', 10],
      ['mlp-2nn', 256],
      ['cnn', 32],
      ['cnn', 256],
    ];
for (const [name, size] of CASES) await measure(gpu, backend, name, size, flags.quick ? 1 : 1500);
if (!flags.quick) {
  if (!(await rounds('mlp-2nn', 600, 10))) good = false;
  if (!(await rounds('mlp-2nn', 60_000, 256))) good = false;
  if (!(await rounds('cnn', 600, 10))) good = false;
  if (!(await rounds('cnn', 60_000, 256))) good = false;
}
process.exit(good ? 0 : 1);
