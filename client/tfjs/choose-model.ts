/**
 * @module The models that a scenario or an operator can name: those of the registry for data in the
 * shape of MNIST, and the same architectures sized to other data, whose topology is part of the run
 * specification.
 */
import type { TaskType } from '../task.ts';
import { cnnFor, type ModelEnd, modelByName, MODELS, type ModelFunction } from './models.ts';
import { FloeError } from '../../protocol/errors.ts';
import { gru, resnet8, transformer, type SequenceEnd } from '../models/built-in.ts';

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

/** The numbers after a name, as in `mlp:200,100`; undefined for another name or text. */
const numbersOf = (name: string, of: string): number[] | undefined => {
  if (name === of) return [];
  if (!name.startsWith(`${of}:`)) return undefined;
  const numbers = name.slice(of.length + 1).split(',');
  const fits = numbers.every((text) => /^[1-9]\d{0,4}$/u.test(text) && Number(text) <= MAX_UNITS);
  return fits && numbers.length <= MAX_LAYERS ? numbers.map(Number) : undefined;
};

const hiddenUnits = (name: string): number[] | undefined => {
  if (name === 'linear') return [];
  if (name === 'mlp-2nn') return [200, 200];
  const units = numbersOf(name, 'mlp');
  return units?.length === 0 ? undefined : units;
};

/** All forms of a name. */
export const MODEL_FORMS =
  'mlp-2nn, cnn, cnn:FILTERS,FILTERS,UNITS, linear, mlp:UNITS,..., resnet-8, resnet-8:WIDTH, ' +
  'gru, gru:UNITS,..., transformer, transformer:WIDTH,HEADS,BLOCKS';

const SEQUENCE_MODELS = /^(?:gru|transformer)(?::|$)/u;

/** The last layer for a task; without a task, for classes or for values. */
const endOf = (name: string, { classes, targets = 1, task }: ExampleShape): ModelEnd => {
  const type = task ?? (classes === undefined ? 'regression' : 'multi-class');
  if (type === 'sequence' && !SEQUENCE_MODELS.test(name))
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

/** Each side is halved twice. */
const LEAST_SIDE = 4;

const requireImages = (name: string, featureShape: readonly number[]): void => {
  const [height = 0, width = 0] = featureShape;
  if (featureShape.length === 3 && Math.min(height, width) >= LEAST_SIDE) return;
  throw new FloeError(
    'usage',
    `--model ${name}: expected images [height, width, channels] of at least ` +
      `${LEAST_SIDE} x ${LEAST_SIDE}, got examples of shape [${featureShape.join(', ')}]`,
  );
};

/** What builds the model of a name; undefined for an unknown one. */
const builderOf = (
  name: string,
  featureShape: readonly number[],
  end: SequenceEnd,
): ModelFunction | undefined => {
  const hidden = hiddenUnits(name);
  if (hidden !== undefined) return dense(hidden, featureShape, end);
  const cnn = numbersOf(name, 'cnn');
  if (cnn !== undefined && (cnn.length === 0 || cnn.length === 3)) {
    requireImages(name, featureShape);
    const [first = 32, second = 64, units = 512] = cnn;
    return cnnFor(featureShape, end, [first, second, units]);
  }
  const resnet = numbersOf(name, 'resnet-8');
  if (resnet !== undefined && resnet.length <= 1) {
    requireImages(name, featureShape);
    return resnet8(featureShape, end, resnet[0] ?? 16);
  }
  const recurrent = numbersOf(name, 'gru');
  if (recurrent !== undefined)
    return gru(featureShape, end, recurrent.length === 0 ? [64] : recurrent);
  const attention = numbersOf(name, 'transformer');
  if (attention === undefined || attention.length > 3) return undefined;
  const [width = 64, heads = 4, blocks = 2] = attention;
  if (width % heads !== 0 || blocks > MAX_LAYERS)
    throw new FloeError(
      'usage',
      `--model ${name}: expected a width that the heads divide, and at most ${MAX_LAYERS} blocks`,
    );
  return transformer(featureShape, end, { width, heads, blocks });
};

/** The model of a name, for examples of this shape. @throws FloeError `usage` */
export const chooseModel = (name: string, data: ExampleShape): ModelChoice => {
  const end = endOf(name, data);
  if (Object.hasOwn(MODELS, name) && isDigits(data, end))
    return { architecture: name, build: modelByName(name) };
  const eachStep = data.task === 'sequence';
  const build = builderOf(name, data.featureShape, { ...end, eachStep });
  if (build === undefined)
    throw new FloeError(
      'usage',
      `--model: expected a model.json or one of ${MODEL_FORMS}; got ${JSON.stringify(name)}`,
    );
  return { architecture: 'custom', build };
};
