/**
 * @module Training speed on one core: samples per CPU second of every engine that runs here, on the
 * models of McMahan et al. (2017), compared with the published wasm backend of TensorFlow.js and,
 * with `--python PATH`, with PyTorch on one thread in the same run. Engines alternate, and the best
 * result of each counts, because the machine is shared. Usage: `node bench/training.ts [--python
 * venv/bin/python]`.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
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
  readonly denseFastPath?: boolean;
  readonly recorded?: boolean;
  /** Default: all. */
  readonly models?: readonly ModelName[];
}

const CASES: readonly Case[] = [
  {
    label: 'tfjs wasm as published',
    backend: { prefer: 'wasm', ownKernels: false },
    recorded: false,
    // It has no gradient of a convolution's filter.
    models: ['mlp-2nn'],
  },
  { label: "tfjs on Floe's wasm kernels", backend: { prefer: 'wasm' }, recorded: false },
  { label: 'recorded steps on wasm', backend: { prefer: 'wasm' } },
  {
    label: 'dense path on wasm',
    backend: { prefer: 'wasm' },
    denseFastPath: true,
    models: ['mlp-2nn'],
  },
  { label: 'recorded steps on ONNX Runtime', backend: { prefer: 'onnx' } },
  { label: 'tfjs-node', backend: { prefer: 'tensorflow' } },
  { label: 'recorded steps on WebGPU', backend: { prefer: 'webgpu' } },
];

const TABLE: readonly (readonly [ModelName, number])[] = [
  ['mlp-2nn', 10],
  ['mlp-2nn', 32],
  ['mlp-2nn', 256],
  ['cnn', 10],
  ['cnn', 32],
];

const TURNS = 4;
/** Each turn trains for about this long. */
const TURN_SECONDS = 0.4;

const train = await loadMnist('train');
const seed = new Uint8Array(32);

interface Runner {
  readonly label: string;
  /** Samples per CPU second of one turn. */
  turn(): Promise<number>;
  dispose(): void;
}

const openEngine = async (
  { label, backend, denseFastPath = false, recorded = true }: Case,
  model: ModelName,
  batchSize: number,
): Promise<Runner> => {
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
    const started = process.cpuUsage();
    await part.train({ weights, round: 1, epochs: 1, batchSize, learningRate: 0.1, seed });
    const { user, system } = process.cpuUsage(started);
    part.dispose();
    return (examples / (user + system)) * 1e6;
  };
  await run(batchSize);
  const speed = await run(batchSize * 2);
  const steps = Math.max(2, Math.floor((speed * TURN_SECONDS) / batchSize));
  const examples = Math.min(train.size - (train.size % batchSize), steps * batchSize);
  return {
    label,
    turn: async () => run(examples),
    dispose: () => {
      whole.dispose();
    },
  };
};

/** PyTorch in a separate process, one line for each measurement. */
const openTorch = (python: string) => {
  const script = fileURLToPath(new URL('training.py', import.meta.url));
  const child = spawn(python, [script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    runner: (model: ModelName, batchSize: number): Runner => ({
      label: 'PyTorch, one thread',
      turn: async () => {
        const steps = Math.max(2, Math.floor((model === 'cnn' ? 150 : 8000) / batchSize));
        child.stdin.write(`${model} ${batchSize} ${steps}\n`);
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`${python} has no torch, or ended`);
        return Number(value);
      },
      dispose: () => undefined,
    }),
    end: () => child.stdin.end(),
  };
};

const { values: flags } = parseArgs({ options: { python: { type: 'string' } } });
const torch = flags.python === undefined ? undefined : openTorch(flags.python);
const reports = await listBackends();
for (const { name, available, detail } of reports)
  console.log(`${name}: ${available ? detail : `not available (${detail})`}`);
if (torch === undefined) console.log('PyTorch: not requested (--python PATH)');

// One after the other: they share the processor.
for (const [model, batchSize] of TABLE) {
  console.log(`\n${model}, batch ${batchSize}, samples per CPU second`);
  const runners: Runner[] = [];
  for (const entry of CASES) {
    const available = reports.some((r) => r.name === entry.backend.prefer && r.available);
    if (available && entry.models?.includes(model) !== false)
      runners.push(await openEngine(entry, model, batchSize));
  }
  if (torch !== undefined) runners.push(torch.runner(model, batchSize));
  const best = runners.map(() => 0);
  for (let turn = 0; turn < TURNS; turn++)
    for (const [i, runner] of runners.entries())
      best[i] = Math.max(best[i] ?? 0, await runner.turn());
  // PyTorch is the last of them.
  const compared = torch === undefined ? 0 : runners.length - 1;
  const reference = { label: runners[compared]?.label ?? '', speed: best[compared] ?? 1 };
  for (const [i, { label }] of runners.entries())
    report({
      what: `${model}, batch ${batchSize}, ${label}`,
      value: best[i] ?? 0,
      unit: 'samples/s',
      ratio: { value: (best[i] ?? 0) / reference.speed, to: reference.label },
    });
  for (const runner of runners) runner.dispose();
}
torch?.end();
