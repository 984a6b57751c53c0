/**
 * @module The correction of local steps: the proximal term of FedProx on every engine beside
 * float64, in closed form on a quadratic, and the refusal of a trainer that does not know it.
 */
import { describe, expect, it } from 'vitest';
import type { Optimizer } from '../../client/optimizer.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { functionTrainer, type TrainRequest } from '../../client/trainer.ts';
import { ALL_ENGINES, FEATURES, ROWS, data, linear } from './linear-task.ts';

const START = Float32Array.of(0.5, -1, 2, 0.1);
const RATE = 0.1;
const SGD: Optimizer = { rule: { type: 'sgd' }, weightDecay: 0 };
const RULES: readonly [string, Optimizer][] = [
  ['plain SGD', SGD],
  ['momentum with decay', { rule: { type: 'momentum', momentum: 0.9 }, weightDecay: 0.2 }],
  ['SGD, clipped', { ...SGD, clipGradient: 0.3 }],
];

const NONE = START.map(() => 0);

/**
 * Least squares by full batches in float64: the gradient plus mu (w - w0) plus a vector, then the
 * optimiser.
 */
const reference = (
  optimizer: Optimizer,
  mu: number,
  steps: number,
  added: Float32Array = NONE,
): readonly number[] => {
  const w = [...START];
  const velocity = w.map(() => 0);
  const { rule, weightDecay, clipGradient = Infinity } = optimizer;
  for (let step = 0; step < steps; step++) {
    const g = w.map((value, j) => mu * (value - START[j]!) + added[j]!);
    for (let r = 0; r < ROWS; r++) {
      const x = [...data.features.subarray(r * FEATURES, (r + 1) * FEATURES), 1];
      const error = x.reduce((sum, value, j) => sum + value * w[j]!, 0) - data.labels[r]!;
      for (const [j, value] of x.entries()) g[j]! += (2 * error * value) / ROWS;
    }
    const scale = Math.min(1, clipGradient / (Math.hypot(...g) + 1e-6));
    for (const j of w.keys()) {
      const own = g[j]! * scale + weightDecay * w[j]!;
      velocity[j] = (rule.type === 'momentum' ? rule.momentum : 0) * velocity[j]! + own;
      w[j]! -= RATE * velocity[j];
    }
  }
  return w;
};

const close = (actual: Float32Array, expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries())
    expect(Math.abs(actual[i]! - value)).toBeLessThan(5e-6);
};

describe.each(ALL_ENGINES)('on %s', (_, engine) => {
  it.each(RULES)(
    '%s: eight corrected steps as in float64, anew in each call',
    async (_name, optimizer) => {
      const trainer = await tfjsTrainer({ model: linear, data, ...engine });
      const request = {
        weights: START,
        round: 1,
        learningRate: RATE,
        batchSize: ROWS,
        epochs: 8,
        seed: new Uint8Array(32),
        optimizer,
      };
      const free = await trainer.train(request);
      close(free.weights, reference(optimizer, 0, 8));
      for (const proximal of [0.5, 2, 2]) {
        const { weights } = await trainer.train({ ...request, correction: { proximal } });
        close(weights, reference(optimizer, proximal, 8));
      }
      // A vector that changes from call to call, alone and with the proximal term.
      for (const [proximal, scale] of [
        [0, 0.4],
        [0, -0.3],
        [2, 0.2],
      ] as const) {
        const added = Float32Array.of(1, -2, 0.5, 3).map((value) => value * scale);
        const correction = { proximal, linear: added };
        const { weights } = await trainer.train({ ...request, correction });
        close(weights, reference(optimizer, proximal, 8, added));
      }
      // Nothing of a correction stays, and one of 0 is none, to the bit.
      expect((await trainer.train(request)).weights).toEqual(free.weights);
      const zero = await trainer.train({ ...request, correction: { proximal: 0 } });
      expect(zero.weights).toEqual(free.weights);
      trainer.dispose();
    },
  );
});

describe('a trainer of a function', () => {
  const manifest = { tensors: [{ name: 'w', shape: [1], dtype: 'float32' as const }] };
  const request: TrainRequest = {
    weights: Float32Array.of(1),
    round: 1,
    epochs: 1,
    batchSize: 1,
    learningRate: 0.1,
    seed: new Uint8Array(32),
    correction: { proximal: 0.25 },
  };
  const train = ({ correction }: TrainRequest) => ({
    weights: Float32Array.of(correction?.proximal ?? 0),
    examples: 1,
    lossSum: 0,
    correct: 0,
  });

  it('is given the correction where it declares corrections, and refused by name elsewhere', async () => {
    const knows = functionTrainer({ manifest, train, corrections: true });
    expect((await knows.train(request)).weights).toEqual(Float32Array.of(0.25));
    const ignorant = functionTrainer({ manifest, train, backend: 'a script' });
    await expect(ignorant.train(request)).rejects.toMatchObject({
      code: 'correction_unsupported',
      message: expect.stringContaining('a script') as string,
    });
  });
});
