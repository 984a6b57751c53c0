/**
 * @module Tasks and their losses: values against closed forms, and gradients of every engine
 * against finite differences.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import type { Task, TaskType } from '../../client/task.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { ENGINES, wasm } from './engines.ts';
import {
  type Activation,
  type Case,
  FEATURES,
  type Model,
  ROWS,
  classes,
  dataOf,
  dense,
  gradientOf,
  labels,
  once,
  optionsOf,
  seed,
  sequence,
  tokens,
  values,
  yesNo,
} from './task-models.ts';

const CASES: readonly Case[] = [
  { name: 'classes, softmax', model: dense(3, 'softmax'), data: classes, says: 'softmax of Dense' },
  {
    name: 'classes, logits',
    model: dense(3, 'linear'),
    data: classes,
    says: 'multi-class, logits',
  },
  { name: 'binary, sigmoid', model: dense(1, 'sigmoid'), data: yesNo, says: 'binary, the sigmoid' },
  { name: 'binary, logit', model: dense(1, 'linear'), data: yesNo, says: 'binary, logits' },
  {
    name: 'labels, sigmoids',
    model: dense(3, 'sigmoid'),
    data: labels,
    task: 'multi-label',
    says: 'multi-label, the sigmoid of Dense',
  },
  {
    name: 'labels, logits',
    model: dense(3, 'linear'),
    data: labels,
    task: 'multi-label',
    says: 'multi-label, logits',
  },
  { name: 'squared error', model: dense(2, 'linear'), data: values, says: 'regression (squared' },
  {
    name: 'squared error of tanh',
    model: dense(2, 'tanh'),
    data: values,
    says: 'regression (squared',
  },
  {
    name: 'absolute error',
    model: dense(2, 'linear'),
    data: values,
    task: { type: 'regression', loss: 'absolute' },
    says: 'regression (absolute',
  },
  {
    name: 'Huber',
    model: dense(2, 'linear'),
    data: values,
    task: { type: 'regression', loss: 'huber', delta: 0.7 },
    says: 'regression (huber',
  },
  {
    name: 'tokens, softmax in a wrapper',
    model: sequence('softmax', true),
    data: tokens,
    says: 'sequence, the softmax of Dense',
  },
  {
    name: 'tokens, logits',
    model: sequence('linear', false),
    data: tokens,
    says: 'sequence, logits',
  },
  {
    name: 'probabilities that the loss cannot take in',
    model: (tf) => {
      const input = tf.input({ shape: [FEATURES] });
      const parts = [1, 2].map(() =>
        tf.layers.dense({ units: 3, activation: 'softmax' }).apply(input),
      );
      const mean = tf.layers.average().apply(parts as Tfjs.SymbolicTensor[]);
      return tf.model({ inputs: input, outputs: mean as Tfjs.SymbolicTensor });
    },
    data: classes,
    outputs: 'probabilities',
    says: 'multi-class, probabilities',
  },
  {
    name: 'labels as probabilities',
    model: (tf) =>
      tf.sequential({
        layers: [
          tf.layers.dense({ units: 6, activation: 'sigmoid', inputShape: [FEATURES] }),
          tf.layers.reshape({ targetShape: [2, 3] }),
          tf.layers.globalAveragePooling1d(),
        ],
      }),
    data: labels,
    task: 'multi-label',
    says: 'multi-label, probabilities',
  },
];

describe.each(Object.entries(ENGINES))('on %s', (_, engine) => {
  it.each(CASES)('$name: gradients within 1e-3 of central differences', async (example) => {
    const trainer = await tfjsTrainer({ ...optionsOf(example), ...engine });
    expect(trainer.backend).toContain(example.says);
    const start = initialModel({ ...trainer.manifest, seed });
    const gradient = await gradientOf(trainer, start);
    const h = 2e-3;
    const lossAt = async (index: number, by: number): Promise<number> => {
      const moved = start.map((value, i) => (i === index ? value + by : value));
      return (await trainer.evaluate(moved)).lossSum / ROWS;
    };
    let largest = 0;
    for (let i = 0; i < start.length; i += Math.max(1, Math.floor(start.length / 9))) {
      const slope = ((await lossAt(i, h)) - (await lossAt(i, -h))) / (2 * h);
      expect(Math.abs((gradient[i] ?? NaN) - slope)).toBeLessThan(1e-3);
      largest = Math.max(largest, Math.abs(slope));
    }
    expect(largest).toBeGreaterThan(1e-3);
    // One full batch: the loss of the step is the loss of the start.
    const result = await trainer.train(once(start));
    const scored = await trainer.evaluate(start);
    expect(result.lossSum).toBeCloseTo(scored.lossSum, 4);
    expect(result.correct).toBeCloseTo(scored.correct, 6);
    trainer.dispose();
  });
});

describe('values in closed form', () => {
  /** One linear unit a column, the identity: the outputs are the features. */
  const identity =
    (activation: Activation, columns = FEATURES): Model =>
    (tf) =>
      tf.sequential({
        layers: [
          tf.layers.dense({ units: columns, activation, useBias: false, inputShape: [FEATURES] }),
        ],
      });
  const scoreOf = async (
    x: readonly number[],
    y: Int32Array | Float32Array,
    model: Model,
    task: Task | TaskType,
  ) => {
    const data = createDataset({
      features: Float32Array.from(x),
      labels: y,
      featureShape: [FEATURES],
      classes: FEATURES,
    });
    const trainer = await tfjsTrainer({ model, data, task, backend: wasm });
    const columns = trainer.manifest.tensors[0]?.shape[1] ?? 0;
    const weights = new Float32Array(FEATURES * columns);
    for (let i = 0; i < columns; i++) weights[i * columns + i] = 1;
    const result = await trainer.evaluate(weights);
    const { weights: after } = await trainer.train(once(weights, { batchSize: 1 }));
    trainer.dispose();
    return { ...result, moved: after.map((value, i) => (weights[i] ?? 0) - value) };
  };

  it('stays exact where softmax and sigmoid saturate, and the gradient does not vanish', async () => {
    const far = await scoreOf(
      [200, -100, 0, 0, 0],
      Int32Array.of(1),
      identity('softmax'),
      'multi-class',
    );
    expect(far.lossSum).toBeCloseTo(300, 3);
    // d loss / d z = softmax - onehot = [1, -1, 0, ...]; z = x W.
    expect(far.moved[0]).toBeCloseTo(200, 3);
    expect(far.moved[1]).toBeCloseTo(-200, 3);
    const one = identity('sigmoid', 1);
    const wrong = await scoreOf([120, 0, 0, 0, 0], Int32Array.of(0), one, 'binary');
    expect(wrong.lossSum).toBeCloseTo(120, 4);
    expect(wrong.moved[0]).toBeCloseTo(120, 3);
    expect(wrong.correct).toBe(0);
    const right = await scoreOf([-3, 0, 0, 0, 0], Int32Array.of(0), one, 'binary');
    expect(right.lossSum).toBeCloseTo(Math.log1p(Math.exp(-3)), 6);
    expect(right.correct).toBe(1);
  });

  it('regression: mean squared, mean absolute and Huber error, with both metrics', async () => {
    const x = [1, -2, 3, 0.5, 0];
    const y = Float32Array.of(0, 0, 0, 0, 1);
    const squared = (1 + 4 + 9 + 0.25 + 1) / 5;
    const absolute = (1 + 2 + 3 + 0.5 + 1) / 5;
    const huber = (0.5 + 1.5 + 2.5 + 0.125 + 0.5) / 5;
    for (const [loss, value] of Object.entries({ squared, absolute, huber })) {
      const task = { type: 'regression', loss: loss as 'huber' } as const;
      const result = await scoreOf(x, y, identity('linear'), task);
      expect(result.lossSum).toBeCloseTo(value, 6);
      expect(result.metrics?.['mae']).toBeCloseTo(absolute, 6);
      expect(result.metrics?.['mse']).toBeCloseTo(squared, 6);
    }
  });

  it('padding counts for nothing, and each sequence as much as another', async () => {
    const make = async (given: Int32Array): Promise<number> => {
      const trainer = await tfjsTrainer({
        model: sequence('softmax', true),
        data: dataOf(given, 3),
        backend: wasm,
      });
      const { lossSum, correct } = await trainer.evaluate(
        initialModel({ ...trainer.manifest, seed }),
      );
      expect(correct).toBeLessThanOrEqual(ROWS);
      trainer.dispose();
      return lossSum;
    };
    const all = await make(new Int32Array(ROWS * FEATURES));
    const none = await make(new Int32Array(ROWS * FEATURES).fill(-1));
    expect(none).toBe(0);
    const first = new Int32Array(ROWS * FEATURES).fill(-1);
    first.fill(0, 0, FEATURES);
    const other = new Int32Array(ROWS * FEATURES).fill(0);
    other.fill(-1, 0, FEATURES);
    expect((await make(first)) + (await make(other))).toBeCloseTo(all, 5);
  });
});
