/**
 * @module The models that a run specification can name, and models from a topology in JSON. A model
 * is a function of tfjs, so this file does not import it.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import { registerAdapterLayers } from '../adapters/layers.ts';
import { encoderLayers } from '../models/layers.ts';

type Tf = typeof Tfjs;

// Glorot and Bengio's uniform distribution, Keras's default; tfjs's own is the normal one.
const kernelInitializer = 'glorotUniform';

export type ModelFunction = (tf: Tf) => Tfjs.LayersModel | Promise<Tfjs.LayersModel>;
/** What `model.toJSON(null, false)` gives, and `modelTopology` in a model.json holds. */
export type Topology = Readonly<Record<string, unknown>>;

/**
 * The 2NN of McMahan et al. (2017): 784-200-200-10, 199,210 parameters; takes [28, 28, 1] images.
 */
export const mlp2nn = (tf: Tf): Tfjs.LayersModel =>
  tf.sequential({
    name: 'mlp-2nn',
    layers: [
      tf.layers.flatten({ name: 'flatten', inputShape: [28, 28, 1] }),
      tf.layers.dense({ name: 'hidden1', units: 200, activation: 'relu', kernelInitializer }),
      tf.layers.dense({ name: 'hidden2', units: 200, activation: 'relu', kernelInitializer }),
      tf.layers.dense({ name: 'output', units: 10, activation: 'softmax', kernelInitializer }),
    ],
  });

/** The last layer of a model. */
export interface ModelEnd {
  /** Units of the last layer. */
  readonly units: number;
  readonly activation: 'softmax' | 'sigmoid' | 'linear';
}
const DIGITS: ModelEnd = { units: 10, activation: 'softmax' };

/**
 * The CNN of McMahan et al. (2017) for images of any size [height, width, channels]: two 5x5
 * convolutions of 32 and 64 channels, each pooled, 512. For [28, 28, 1] and ten classes it has
 * 1,663,370 parameters, as published.
 */
export const cnnFor =
  (
    inputShape: readonly number[],
    end: ModelEnd,
    [first, second, hidden]: readonly [number, number, number] = [32, 64, 512],
  ): ModelFunction =>
  (tf) =>
    tf.sequential({
      name: 'cnn',
      layers: [
        tf.layers.conv2d({
          name: 'convolution1',
          inputShape: [...inputShape],
          filters: first,
          kernelSize: 5,
          padding: 'same',
          activation: 'relu',
          kernelInitializer,
        }),
        tf.layers.maxPooling2d({ name: 'pool1', poolSize: 2 }),
        tf.layers.conv2d({
          name: 'convolution2',
          filters: second,
          kernelSize: 5,
          padding: 'same',
          activation: 'relu',
          kernelInitializer,
        }),
        tf.layers.maxPooling2d({ name: 'pool2', poolSize: 2 }),
        tf.layers.flatten({ name: 'flatten' }),
        tf.layers.dense({ name: 'hidden', units: hidden, activation: 'relu', kernelInitializer }),
        tf.layers.dense({ name: 'output', ...end, kernelInitializer }),
      ],
    });

export const cnn = (tf: Tf): Tfjs.LayersModel =>
  cnnFor([28, 28, 1], DIGITS)(tf) as Tfjs.LayersModel;

/** Models by the names a run specification uses. */
export const MODELS = { 'mlp-2nn': mlp2nn, cnn } as const satisfies Record<string, ModelFunction>;
export type ModelName = keyof typeof MODELS;

/**
 * The model of a name.
 * @throws FloeError `model_malformed` for an unknown one
 */
export const modelByName = (name: string): ModelFunction => {
  if (!Object.hasOwn(MODELS, name))
    throw new FloeError(
      'model_malformed',
      `expected one of ${Object.keys(MODELS).join(', ')}, got ${name}`,
    );
  return MODELS[name as ModelName];
};

/**
 * A model of a topology, its weights not yet set. Bound the length of JSON from outside before: a
 * layer's size costs memory as soon as it is built.
 * @throws FloeError `model_malformed` when tfjs does not take it
 */
export const modelFromTopology =
  (topology: Topology): ModelFunction =>
  async (tf) => {
    encoderLayers(tf);
    registerAdapterLayers(tf);
    try {
      return await tf.models.modelFromJSON(
        topology as unknown as Parameters<Tf['models']['modelFromJSON']>[0],
      );
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      const [, kind, name] = /^Unknown (\w+): (\w+)/u.exec(message) ?? [];
      const reason = name === undefined ? message : `tfjs has no ${kind} ${name}`;
      const details = { cause: thrown };
      throw new FloeError('model_malformed', `no model of this topology: ${reason}`, {}, details);
    }
  };
