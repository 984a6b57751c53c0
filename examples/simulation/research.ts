/**
 * @module A whole experiment in one module: data, model, strategy and attacker of one's own, and
 * the settings they are meant for. It needs nothing of Floe but types. One command runs it:
 *
 *   floe sim --local --module examples/simulation/research.ts
 */
import type { Strategy } from '../../protocol/index.ts';
import type { Attack, ModelFunction, SimulationModule } from '../../sim/index.ts';

const FEATURES = 8;
const CLASSES = 3;

/** Uniform in [0, 1): a simulation repeats itself only if its module does. */
const generator = (seed: Uint8Array): (() => number) => {
  let state = seed.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 1);
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
};

/** Class c is a cloud round a corner of its own. */
const cloud = (rows: number, random: () => number) => {
  const labels = Int32Array.from({ length: rows }, () => Math.floor(random() * CLASSES));
  const features = Float32Array.from(
    { length: rows * FEATURES },
    (_, i) => (i % FEATURES === labels[Math.floor(i / FEATURES)] ? 2 : 0) + random() + random() - 1,
  );
  return { features, labels, size: rows, featureShape: [FEATURES], classes: CLASSES };
};

export const name = 'three clouds';

export const data: SimulationModule['data'] = (seed) => {
  const random = generator(seed);
  return { train: cloud(900, random), test: cloud(300, random), source: 'three clouds' };
};

export const model: ModelFunction = (tf) =>
  tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [FEATURES], units: 16, activation: 'relu' }),
      tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
    ],
  });

/** Each coordinate of the mean update moves the model by at most `most`. */
const capped: Strategy = {
  name: 'capped',
  summary: 'cuts each coordinate of the mean update',
  source: 'this example',
  state: [],
  parameters: [{ name: 'most', default: 0.05, above: 0, most: 10, help: 'most of a coordinate' }],
  step: ({ parameters, mean, before, after }) => {
    const most = parameters['most']!;
    for (let i = 0; i < after.length; i += 1)
      after[i] = before[i]! + Math.min(most, Math.max(-most, mean[i]!));
  },
};
export const strategies = [capped];

/** Trains honestly and sends the opposite, three times as far. */
export const attack: Attack =
  ({ trainer }) =>
  async (request) => {
    const result = await trainer.train(request);
    const weights = request.weights.map((before, i) => before - 3 * (result.weights[i]! - before));
    return { ...result, weights };
  };

/** Flags and a scenario file win over them. */
export const settings: SimulationModule['settings'] = {
  participants: 12,
  cohort: 6,
  rounds: 8,
  epochs: 2,
  strategy: { name: 'capped', parameters: { most: 0.1 } },
  partition: { type: 'label-dirichlet', alpha: 1 },
  attack: ['own:0.15'],
  speed: { type: 'log-normal', median: 50, sigma: 0.5 },
};
