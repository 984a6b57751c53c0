/**
 * @module A model's first weights from a seed. Each tensor is drawn by the initialiser that its layer's configuration
 * names (Glorot, He, uniform, normal, orthogonal ...), under a seed made of the given one and the tensor's name: the same
 * for everyone, whatever was built before, on every backend: tfjs's cpu backend draws them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { Manifest } from '../../protocol/tensors/manifest.ts';
import { FloeError } from '../../protocol/errors.ts';
import { type BackendName, switchBackend } from './backends.ts';
import { randomStream } from '../random.ts';
import { flattenLayers } from './topology.ts';

type Tf = typeof Tfjs;
type Config = Readonly<Record<string, unknown>>;

/** What a layer's configuration calls the initialiser of a weight, where it is not the weight's own name. */
const KEYS: Readonly<Record<string, string>> = {
  recurrent_kernel: 'recurrentInitializer',
  depthwise_kernel: 'depthwiseInitializer',
  pointwise_kernel: 'pointwiseInitializer',
};

const initialiserKey = (weight: string): string =>
  KEYS[weight] ??
  `${weight.replace(/_([a-z])/gu, (_, letter: string) => letter.toUpperCase())}Initializer`;

interface Initialiser {
  apply(shape: readonly number[], dtype: 'float32'): Tfjs.Tensor;
}

const construct = (tf: Tf, className: string, config: Config): Initialiser => {
  const initializers = tf.initializers as unknown as Readonly<
    Record<string, ((config: Config) => Initialiser) | undefined>
  >;
  const name = `${className[0]?.toLowerCase() ?? ''}${className.slice(1)}`;
  const make = Object.hasOwn(tf.initializers, name) ? initializers[name] : undefined;
  if (make === undefined)
    throw new FloeError('model_malformed', `${className} is not an initialiser with a seed`);
  return make(config);
};

/** A weight whose layer names no initialiser: Glorot's uniform for matrices, zeros for vectors. */
const usual = (shape: readonly number[]): { className: string; config: Config } =>
  shape.length > 1
    ? { className: 'GlorotUniform', config: {} }
    : { className: 'Zeros', config: {} };

/**
 * The first weights, flat, in the manifest's order.
 * @throws FloeError `model_malformed` for an initialiser that cannot be seeded
 */
export const initialWeights = (
  tf: Tf,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  seed: Uint8Array,
): Float32Array => {
  const configs = new Map<string, Config>();
  for (const layer of flattenLayers(model.layers))
    for (const weight of layer.weights) {
      const config = layer.getConfig() as Config;
      const key = initialiserKey(weight.originalName.split('/').at(-1) ?? '');
      if (config[key] !== undefined) configs.set(weight.name, config[key] as Config);
    }
  const draw = (weight: Tfjs.LayersModel['weights'][number], i: number): Float32Array => {
    const { name, shape } = manifest.tensors[i] ?? { name: weight.name, shape: [] };
    const { className, config } = {
      ...usual(shape),
      ...(configs.get(weight.name) as { className: string; config: Config } | undefined),
    };
    // tfjs takes 0 for no seed.
    const number = randomStream(seed, `initial/${name}`).below(2 ** 31 - 1) + 1;
    const initialiser = construct(tf, className, { ...config, seed: number });
    return tf.tidy(() => initialiser.apply(shape, 'float32').dataSync<'float32'>());
  };
  const current = tf.engine().backendName as BackendName;
  switchBackend(tf, 'cpu');
  let parts: Float32Array[];
  try {
    parts = model.weights.map(draw);
  } finally {
    switchBackend(tf, current);
  }
  const flat = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    flat.set(part, at);
    at += part.length;
  }
  return flat;
};
