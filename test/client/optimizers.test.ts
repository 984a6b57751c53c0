/**
 * @module The optimisers of local training: numbers as PyTorch gives them, computed by hand in
 * float64, on every engine; the learning rate over the rounds; state that is fresh in each round.
 */
import { describe, expect, it } from 'vitest';
import { type Optimizer, optimizerOf, rateOfRound } from '../../client/optimizer.ts';
import { flatState, updateFlat } from '../../client/tfjs/optimizer-steps.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { cpu } from './engines.ts';
import { ALL_ENGINES, FEATURES, ROWS, data, linear } from './linear-task.ts';

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const OPTIMIZERS: readonly [string, Optimizer][] = [
  ['momentum', { rule: { type: 'momentum', momentum: 0.9 }, weightDecay: 0 }],
  ['adam', { rule: { type: 'adam', ...adam }, weightDecay: 0 }],
  ['adam with decay', { rule: { type: 'adam', ...adam }, weightDecay: 0.1 }],
  ['adamw', { rule: { type: 'adamw', ...adam }, weightDecay: 0.1 }],
  ['sgd with decay', { rule: { type: 'sgd' }, weightDecay: 0.3 }],
  ['sgd, clipped', { rule: { type: 'sgd' }, weightDecay: 0, clipGradient: 0.05 }],
  [
    'momentum, clipped, with decay',
    { rule: { type: 'momentum', momentum: 0.5 }, weightDecay: 0.2, clipGradient: 0.1 },
  ],
];

describe('one weight, gradients 1 and then -2, rate 0.1', () => {
  // torch.optim with w = 1: each line by hand from the documentation's formulas.
  const expected: readonly [string, Optimizer, readonly number[]][] = [
    ['sgd', { rule: { type: 'sgd' }, weightDecay: 0 }, [0.9, 1.1]],
    // v = 1; v = 0.9 - 2 = -1.1.
    ['momentum', { rule: { type: 'momentum', momentum: 0.9 }, weightDecay: 0 }, [0.9, 1.01]],
    // g = 1 + 0.5; then g = -2 + 0.5 x 0.85.
    ['decay', { rule: { type: 'sgd' }, weightDecay: 0.5 }, [0.85, 1.0075]],
    // Scaled by 0.5, then by 0.25.
    ['clipped', { rule: { type: 'sgd' }, weightDecay: 0, clipGradient: 0.5 }, [0.95, 1]],
    // m = 0.1 / 0.1, v = 0.001 / 0.001; then m = -0.11 / 0.19, v = 0.004999 / 0.001999.
    [
      'adam',
      { rule: { type: 'adam', ...adam }, weightDecay: 0 },
      [0.9, 0.9 + (0.1 * (0.11 / 0.19)) / Math.sqrt(0.004999 / 0.001999)],
    ],
    // The same update, w first shrunk by 1 - 0.1 x 0.5.
    [
      'adamw',
      { rule: { type: 'adamw', ...adam }, weightDecay: 0.5 },
      [0.85, 0.85 * 0.95 + (0.1 * (0.11 / 0.19)) / Math.sqrt(0.004999 / 0.001999)],
    ],
  ];
  it.each(expected)('%s', (_, optimizer, weights) => {
    const w = Float32Array.of(1);
    const state = flatState(optimizer, 1);
    for (const [i, gradient] of [1, -2].entries()) {
      updateFlat(optimizer, state, w, Float32Array.of(gradient), 0.1);
      expect(w[0]).toBeCloseTo(weights[i] ?? NaN, 5);
    }
  });
});

/** Linear least squares by full batches in float64: the reference. */
const reference = (optimizer: Optimizer, start: Float32Array, steps: number, rate: number) => {
  const w = [...start];
  const { rule, weightDecay, clipGradient } = optimizer;
  const first = w.map(() => 0);
  const second = w.map(() => 0);
  for (let step = 1; step <= steps; step++) {
    const g = w.map(() => 0);
    for (let r = 0; r < ROWS; r++) {
      const x = [...data.features.subarray(r * FEATURES, (r + 1) * FEATURES), 1];
      const error = x.reduce((sum, value, j) => sum + value * w[j]!, 0) - data.labels[r]!;
      for (const [j, value] of x.entries()) g[j]! += (2 * error * value) / ROWS;
    }
    const norm = Math.hypot(...g);
    const scale = Math.min(1, (clipGradient ?? Infinity) / (norm + 1e-6));
    for (const j of w.keys()) {
      let own = g[j]! * scale;
      if (rule.type === 'adamw') w[j]! -= rate * weightDecay * w[j]!;
      else own += weightDecay * w[j]!;
      if (rule.type === 'sgd') w[j]! -= rate * own;
      else if (rule.type === 'momentum') {
        first[j] = rule.momentum * first[j]! + own;
        w[j]! -= rate * first[j];
      } else {
        first[j] = rule.beta1 * first[j]! + (1 - rule.beta1) * own;
        second[j] = rule.beta2 * second[j]! + (1 - rule.beta2) * own * own;
        const m = first[j] / (1 - rule.beta1 ** step);
        const v = second[j] / (1 - rule.beta2 ** step);
        w[j]! -= (rate * m) / (Math.sqrt(v) + rule.epsilon);
      }
    }
  }
  return w;
};

describe.each(ALL_ENGINES)('on %s', (_, engine) => {
  it.each(OPTIMIZERS)(
    '%s: five steps as in float64, fresh in each round',
    async (_name, optimizer) => {
      const trainer = await tfjsTrainer({ model: linear, data, ...engine });
      const weights = Float32Array.of(0.5, -1, 2, 0.1);
      const request = { weights, round: 1, learningRate: 0.1, seed: new Uint8Array(32), optimizer };
      const expected = reference(optimizer, weights, 5, 0.1);
      const result = await trainer.train({ ...request, epochs: 5, batchSize: ROWS });
      for (const [i, value] of expected.entries())
        expect(Math.abs((result.weights[i] ?? NaN) - value)).toBeLessThan(5e-6);
      // Batches of another size share what the optimiser keeps; another round does not.
      const uneven = { ...request, epochs: 2, batchSize: 4 };
      const once = await trainer.train(uneven);
      expect((await trainer.train(uneven)).weights).toEqual(once.weights);
      expect(once.weights).not.toEqual(result.weights);
      // Plain SGD afterwards is plain SGD.
      const plain = { rule: { type: 'sgd' }, weightDecay: 0 } as const;
      const { weights: after } = await trainer.train({
        ...request,
        optimizer: plain,
        epochs: 1,
        batchSize: ROWS,
      });
      for (const [i, value] of reference(plain, weights, 1, 0.1).entries())
        expect(Math.abs((after[i] ?? NaN) - value)).toBeLessThan(5e-6);
      trainer.dispose();
    },
  );
});

it('uneven batches: every engine goes the same way', async () => {
  const optimizer: Optimizer = {
    rule: { type: 'adamw', ...adam },
    weightDecay: 0.1,
    clipGradient: 0.5,
  };
  const ways: Float32Array[] = [];
  for (const [, engine] of ALL_ENGINES) {
    const trainer = await tfjsTrainer({ model: linear, data, ...engine });
    const { weights } = await trainer.train({
      weights: Float32Array.of(0.5, -1, 2, 0.1),
      round: 3,
      epochs: 3,
      batchSize: 4,
      learningRate: 0.1,
      seed: new Uint8Array(32),
      optimizer,
    });
    ways.push(weights);
    trainer.dispose();
  }
  for (const way of ways)
    for (const [i, value] of way.entries())
      expect(Math.abs(value - (ways[0]?.[i] ?? NaN))).toBeLessThan(5e-6);
});

describe('settings', () => {
  it('plain SGD is no optimiser of its own', () => {
    expect(optimizerOf({ learningRate: 0.1 })).toBeUndefined();
    expect(optimizerOf({ learningRate: 0.1, clipGradient: 1 })).toEqual({
      rule: { type: 'sgd' },
      weightDecay: 0,
      clipGradient: 1,
    });
  });

  it('the rate of a round: constant, in steps, along a cosine', () => {
    const rates = (schedule: Parameters<typeof rateOfRound>[0]['schedule']) =>
      [1, 2, 3, 4, 5].map((round) => rateOfRound({ learningRate: 0.8, schedule }, round, 5));
    const close = (actual: readonly number[], expected: readonly number[]): void => {
      for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12);
    };
    close(rates(undefined), [0.8, 0.8, 0.8, 0.8, 0.8]);
    close(rates({ type: 'step', every: 2, factor: 0.5 }), [0.8, 0.8, 0.4, 0.4, 0.2]);
    const quarter = Math.SQRT1_2 / 2;
    close(rates({ type: 'cosine', least: 0.25 }), [
      0.8,
      0.2 + 0.6 * (0.5 + quarter),
      0.5,
      0.2 + 0.6 * (0.5 - quarter),
      0.2,
    ]);
  });

  it('refuses numbers out of range', async () => {
    const trainer = await tfjsTrainer({ model: linear, data, backend: cpu });
    const bad = { rule: { type: 'momentum', momentum: 1 }, weightDecay: 0 } as const;
    await expect(
      trainer.train({
        weights: new Float32Array(4),
        round: 1,
        epochs: 1,
        batchSize: 4,
        learningRate: 0.1,
        seed: new Uint8Array(32),
        optimizer: bad,
      }),
    ).rejects.toMatchObject({
      code: 'trainer_failed',
      message: expect.stringMatching(/momentum/u),
    });
    trainer.dispose();
  });
});
