/**
 * @module The models a scenario or an operator names: those of the registry, and stacks of dense
 * layers sized to the data, which travel in the run specification as a topology.
 */
import type { Dataset } from '../data/dataset.ts';
import { modelByName, MODELS, type ModelFunction } from './models.ts';
import { FloeError } from '../../protocol/errors.ts';

const MAX_UNITS = 65_536;
const MAX_LAYERS = 32;
const kernelInitializer = 'glorotUniform';

export interface ModelChoice {
  /** What the specification says: a name of the registry, or `custom` with a topology. */
  readonly architecture: string;
  readonly build: ModelFunction;
}

const hiddenUnits = (name: string): number[] | undefined => {
  if (name === 'linear') return [];
  if (!name.startsWith('mlp:')) return undefined;
  const units = name.slice(4).split(',');
  const fits = units.every((text) => /^[1-9]\d{0,4}$/u.test(text) && Number(text) <= MAX_UNITS);
  return fits && units.length <= MAX_LAYERS ? units.map(Number) : undefined;
};

const dense =
  (hidden: readonly number[], data: Pick<Dataset, 'featureShape' | 'classes'>): ModelFunction =>
  (tf) => {
    const model = tf.sequential({ name: 'mlp' });
    const inputShape = [...data.featureShape];
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
        units: data.classes ?? 1,
        activation: data.classes === undefined ? 'linear' : 'softmax',
        kernelInitializer,
        ...(hidden.length === 0 && inputShape.length === 1 ? { inputShape } : {}),
      }),
    );
    return model;
  };

/** The model of a name, for examples of this shape. @throws FloeError `usage` */
export const chooseModel = (
  name: string,
  data: Pick<Dataset, 'featureShape' | 'classes'>,
): ModelChoice => {
  if (Object.hasOwn(MODELS, name)) return { architecture: name, build: modelByName(name) };
  const hidden = hiddenUnits(name);
  if (hidden === undefined)
    throw new FloeError(
      'usage',
      `--model: expected ${Object.keys(MODELS).join(', ')}, linear or mlp:UNITS,..., got ${JSON.stringify(name)}`,
    );
  return { architecture: 'custom', build: dense(hidden, data) };
};
