/**
 * @module The models that a scenario or an operator can name: those of the registry for data in the
 * shape of MNIST, and the same architectures sized to other data, whose topology is part of the run
 * specification.
 */
import type { TaskType } from '../task.ts';
import { cnnFor, type ModelEnd, modelByName, MODELS, type ModelFunction } from './models.ts';
import { FloeError } from '../../protocol/errors.ts';

const MAX_UNITS = 65_536;
const MAX_LAYERS = 32;
const kernelInitializer = 'glorotUniform';

export interface ModelChoice {
  /** The name in the specification: one of the registry, or `custom` with a topology. */
  readonly architecture: string;
  readonly build: ModelFunction;
}

/** The sizes of an example that determine a model. */
export interface ExampleShape {
  readonly featureShape: readonly number[];
  /** Classes, or labels of the task `multi-label`; absent for regression. */
  readonly classes?: number | undefined;
  /** Values that regression gives. Default 1. */
  readonly targets?: number | undefined;
  readonly task?: TaskType | undefined;
}

const hiddenUnits = (name: string): number[] | undefined => {
  if (name === 'linear') return [];
  if (name === 'mlp-2nn') return [200, 200];
  if (!name.startsWith('mlp:')) return undefined;
  const units = name.slice(4).split(',');
  const fits = units.every((text) => /^[1-9]\d{0,4}$/u.test(text) && Number(text) <= MAX_UNITS);
  return fits && units.length <= MAX_LAYERS ? units.map(Number) : undefined;
};

/** The last layer for a task; without a task, for classes or for values. */
const endOf = (name: string, { classes, targets = 1, task }: ExampleShape): ModelEnd => {
  const type = task ?? (classes === undefined ? 'regression' : 'multi-class');
  if (type === 'sequence')
    throw new FloeError('usage', `--model ${name} gives one answer an example, not one a token`);
  if (type === 'regression') return { units: targets, activation: 'linear' };
  if (type === 'binary') return { units: 1, activation: 'sigmoid' };
  if (classes === undefined)
    throw new FloeError('usage', `--model ${name}: the task ${type} needs a number of classes`);
  return { units: classes, activation: type === 'multi-label' ? 'sigmoid' : 'softmax' };
};

const dense =
  (hidden: readonly number[], featureShape: readonly number[], end: ModelEnd): ModelFunction =>
  (tf) => {
    const model = tf.sequential({ name: 'mlp' });
    const inputShape = [...featureShape];
    if (inputShape.length > 1) model.add(tf.layers.flatten({ name: 'flatten', inputShape }));
    for (const [i, units] of hidden.entries())
      model.add(
        tf.layers.dense({
          name: `hidden${i + 1}`,
          units,
          activation: 'relu',
          kernelInitializer,
          ...(i === 0 && inputShape.length === 1 ? { inputShape } : {}),
        }),
      );
    model.add(
      tf.layers.dense({
        name: 'output',
        units: end.units,
        activation: end.activation,
        kernelInitializer,
        ...(hidden.length === 0 && inputShape.length === 1 ? { inputShape } : {}),
      }),
    );
    return model;
  };

/** Whether the published models fit: 28 x 28 x 1, ten classes. */
const isDigits = ({ featureShape }: ExampleShape, end: ModelEnd): boolean =>
  featureShape.join() === '28,28,1' && end.units === 10 && end.activation === 'softmax';

/** Two poolings halve each side twice. */
const LEAST_SIDE = 4;

/** The model of a name, for examples of this shape. @throws FloeError `usage` */
export const chooseModel = (name: string, data: ExampleShape): ModelChoice => {
  const { featureShape } = data;
  const hidden = hiddenUnits(name);
  if (hidden === undefined && name !== 'cnn')
    throw new FloeError(
      'usage',
      `--model: expected ${Object.keys(MODELS).join(', ')}, linear or mlp:UNITS,..., got ${JSON.stringify(name)}`,
    );
  const end = endOf(name, data);
  if (Object.hasOwn(MODELS, name) && isDigits(data, end))
    return { architecture: name, build: modelByName(name) };
  if (hidden !== undefined)
    return { architecture: 'custom', build: dense(hidden, featureShape, end) };
  const [height = 0, width = 0] = featureShape;
  if (featureShape.length !== 3 || Math.min(height, width) < LEAST_SIDE)
    throw new FloeError(
      'usage',
      `--model ${name}: expected images [height, width, channels] of at least ` +
        `${LEAST_SIDE} x ${LEAST_SIDE}, got examples of shape [${featureShape.join(', ')}]`,
    );
  return { architecture: 'custom', build: cnnFor(featureShape, end) };
};
