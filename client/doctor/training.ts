/**
 * @module How fast each installed backend trains the models of McMahan et al. (2017): samples per
 * second over about a second each, in batches of ten, examples of noise.
 */
import { type Check, check } from '../../protocol/health-checks.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { createDataset } from '../data/dataset.ts';
import { randomStream } from '../random.ts';
import { type BackendName, selectBackend } from '../tfjs/backends.ts';
import { MODELS, type ModelName } from '../tfjs/models.ts';
import { tfjsTrainer } from '../tfjs/trainer.ts';

const BUDGET_MS = 1000;
const BATCH = 10;
const SEED = new Uint8Array(32);

/** Examples of one call; a convolution costs plain JavaScript seconds an example. */
const EXAMPLES: Readonly<Record<ModelName, number>> = { 'mlp-2nn': 200, cnn: 20 };

const noise = (size: number) => {
  const stream = randomStream(SEED, 'doctor');
  return createDataset({
    features: Float32Array.from({ length: size * 784 }, () => stream.uint32() / 2 ** 32),
    labels: Int32Array.from({ length: size }, (_, i) => i % 10),
    featureShape: [28, 28, 1],
    classes: 10,
  });
};

/** Samples per second, after a first call that makes everything ready. */
const speedOf = async (name: BackendName, model: ModelName): Promise<number> => {
  const data = noise(EXAMPLES[model]);
  const backend = await selectBackend({ prefer: name });
  const trainer = await tfjsTrainer({ model: MODELS[model], data, backend });
  try {
    const request = {
      weights: initialModel({ ...trainer.manifest, seed: SEED }),
      round: 1,
      epochs: 1,
      batchSize: BATCH,
      learningRate: 0.01,
      seed: SEED,
    };
    await trainer.train(request);
    const started = systemClock.monotonic();
    let samples = 0;
    let elapsed = 0;
    while (elapsed < BUDGET_MS) {
      // One after the other: it measures speed.
      const { examples } = await trainer.train(request);
      samples += examples;
      elapsed = systemClock.monotonic() - started;
    }
    return (samples * 1000) / elapsed;
  } finally {
    trainer.dispose();
  }
};

/** One check for each backend. Plain JavaScript is not asked for convolutions. */
export const examineSpeed = async (backends: readonly BackendName[]): Promise<Check[]> => {
  const checks: Check[] = [];
  for (const name of backends) {
    const models: readonly ModelName[] = name === 'cpu' ? ['mlp-2nn'] : ['mlp-2nn', 'cnn'];
    const found = check(`speed ${name}`, false, async () => {
      const speeds: string[] = [];
      for (const model of models) speeds.push(`${model} ${Math.round(await speedOf(name, model))}`);
      return `${speeds.join(', ')} samples/s in batches of ${BATCH}`;
    });
    checks.push(await found);
  }
  return checks;
};
