/**
 * @module The last operation of a model, read through nested models, wrappers and layers that
 * rearrange; losses that compiled models declare; and models that are refused by name.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../client/data/dataset.ts';
import type { TaskType } from '../../client/task.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { ENGINES, cpu } from './engines.ts';
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
  optionsOf,
  seed,
  tokens,
  values,
  yesNo,
} from './task-models.ts';

describe('the same model in another form', () => {
  const stack = dense(3, 'softmax');
  const forms: [string, Model][] = [
    [
      'nested in a model',
      (tf) => {
        const input = tf.input({ shape: [FEATURES] });
        return tf.model({
          inputs: input,
          outputs: stack(tf).apply(input) as Tfjs.SymbolicTensor,
        });
      },
    ],
    [
      'nested twice, in stacks',
      (tf) => tf.sequential({ layers: [tf.sequential({ layers: [stack(tf)] })] }),
    ],
    [
      'with an activation layer and a rearrangement',
      (tf) =>
        tf.sequential({
          layers: [
            tf.layers.dense({ units: 4, activation: 'tanh', inputShape: [FEATURES] }),
            tf.layers.dense({ units: 3 }),
            tf.layers.activation({ activation: 'softmax' }),
            tf.layers.reshape({ targetShape: [3] }),
          ],
        }),
    ],
    [
      'with a softmax layer',
      (tf) =>
        tf.sequential({
          layers: [
            tf.layers.dense({ units: 4, activation: 'tanh', inputShape: [FEATURES] }),
            tf.layers.dense({ units: 3 }),
            tf.layers.softmax({ axis: -1 }),
          ],
        }),
    ],
    [
      'compiled',
      (tf) => {
        const model = stack(tf);
        model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy' });
        return model;
      },
    ],
  ];

  it.each(forms)('%s: loss and gradient of the plain stack', async (_, model) => {
    const plain = await tfjsTrainer({ model: stack, data: classes(), backend: cpu });
    const start = initialModel({ ...plain.manifest, seed });
    const expected = await plain.evaluate(start);
    const gradient = await gradientOf(plain, start);
    for (const engine of Object.values(ENGINES)) {
      const trainer = await tfjsTrainer({ model, data: classes(), ...engine });
      expect(trainer.backend).toContain('the softmax of');
      expect((await trainer.evaluate(start)).lossSum).toBeCloseTo(expected.lossSum, 4);
      const own = await gradientOf(trainer, start);
      const worst = own.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (gradient[i] ?? NaN))),
        0,
      );
      expect(worst).toBeLessThan(1e-5);
      trainer.dispose();
    }
    plain.dispose();
  });

  it('a compiled loss declares the task', async () => {
    const compiled =
      (units: number, activation: Activation, loss: string): Model =>
      (tf) => {
        const model = dense(units, activation)(tf);
        model.compile({ optimizer: 'sgd', loss });
        return model;
      };
    const types = async (model: Model, data: Dataset): Promise<TaskType> => {
      const trainer = await tfjsTrainer({ model, data, backend: cpu });
      trainer.dispose();
      return trainer.task.type;
    };
    expect(await types(compiled(3, 'sigmoid', 'binaryCrossentropy'), labels())).toBe('multi-label');
    expect(await types(compiled(2, 'linear', 'meanAbsoluteError'), values())).toBe('regression');
    await expect(types(compiled(2, 'linear', 'cosineProximity'), values())).rejects.toThrow(
      /compiled with the loss cosineProximity: give the option task/u,
    );
  });
});

describe('what is refused', () => {
  const refused: [string, Case, RegExp][] = [
    [
      'sigmoids for classes',
      { name: '', model: dense(3, 'sigmoid'), data: classes, says: '' },
      /Dense ".*" ends in sigmoid: the task multi-class takes softmax or linear outputs; give/u,
    ],
    [
      'two outputs for a binary task',
      { name: '', model: dense(2, 'softmax'), data: yesNo, task: 'binary', says: '' },
      /takes one output, got \[batch, 2\]/u,
    ],
    [
      'a layer that nobody knows',
      {
        name: '',
        model: (tf) =>
          tf.sequential({
            layers: [
              tf.layers.dense({ units: 3, activation: 'softmax', inputShape: [FEATURES] }),
              tf.layers.dropout({ rate: 0.5 }),
            ],
          }),
        data: classes,
        says: '',
      },
      /outputs of Dropout ".*" cannot be known/u,
    ],
    [
      'a softmax over something else than the classes',
      {
        name: '',
        model: (tf) =>
          tf.sequential({
            layers: [
              tf.layers.reshape({ targetShape: [FEATURES, 1], inputShape: [FEATURES] }),
              tf.layers.dense({ units: 3 }),
              tf.layers.softmax({}),
            ],
          }),
        data: tokens,
        says: '',
      },
      /outputs of Softmax ".*" cannot be known/u,
    ],
    [
      'labels beyond one',
      {
        name: '',
        model: dense(2, 'sigmoid'),
        data: () => dataOf(Float32Array.from({ length: ROWS * 2 }, (_, i) => i)),
        task: 'multi-label',
        says: '',
      },
      /row 2: expected labels from 0 to 1, got 2/u,
    ],
  ];
  it.each(refused)('%s', async (_, example, message) => {
    await expect(tfjsTrainer({ ...optionsOf(example), backend: cpu })).rejects.toThrow(message);
  });

  it('the option outputs says what cannot be known', async () => {
    const example: Case = { name: '', model: dense(3, 'tanh'), data: classes, says: '' };
    const trainer = await tfjsTrainer({ ...optionsOf(example), outputs: 'logits', backend: cpu });
    expect(trainer.backend).toContain('multi-class, logits');
    trainer.dispose();
  });
});
