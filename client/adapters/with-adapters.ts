/**
 * @module Puts low-rank adapters on the dense layers of a model, and merges them into it again.
 * Both rewrite the model's topology and carry the weights over, so that nested models, models of
 * several branches and attention (whose weights are dense layers) are all the same.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import { flattenLayers } from '../tfjs/topology.ts';
import { modelFromTopology, type Topology } from '../tfjs/models.ts';
import {
  DEFAULT_SEED,
  isAdapted,
  registerAdapterLayers,
  type AdaptedDense,
  type AdapterArgs,
  type AdapterKind,
} from './layers.ts';

type Tf = typeof Tfjs;

export interface AdapterOptions {
  /** Columns of A and rows of B, 1 to 1024. Default 8. */
  readonly rank?: number;
  /** The adapter's part is scaled by alpha / rank. Default 16. */
  readonly alpha?: number;
  /** Names of dense layers; `*` matches any text. An empty list trains `heads` alone. */
  readonly targets: readonly string[];
  /** Names of layers that train and travel whole; `*` as in `targets`. Default: the last layer. */
  readonly heads?: readonly string[];
  /** Default `ffa`. `lora` needs `inexactAverage`. */
  readonly kind?: AdapterKind;
  /**
   * For `ffa`: the text from which the frozen factors are drawn. Default: a constant, the same for
   * all.
   */
  readonly seed?: string;
  /**
   * For `lora`: true accepts that the mean of A times the mean of B is not the mean of A B. Each
   * participant prints this in its first lines.
   */
  readonly inexactAverage?: boolean;
}

/** A layer in a topology; `config.layers` where it is a model itself. */
type LayerJson = {
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>> & { readonly layers?: readonly LayerJson[] };
};

const isTopology = (value: Topology): value is Topology & LayerJson =>
  Array.isArray((value as { config?: { layers?: unknown } }).config?.layers);

const mapLayers = (layer: LayerJson, change: (layer: LayerJson) => LayerJson): LayerJson => {
  const { layers } = layer.config;
  if (layers === undefined) return change(layer);
  const config = { ...layer.config, layers: layers.map((inner) => mapLayers(inner, change)) };
  return { ...layer, config };
};

const matcher = (patterns: readonly string[]): ((name: string) => boolean) => {
  const tests = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/gu, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`, 'u');
  });
  return (name) => tests.some((test) => test.test(name));
};

/** Every pattern must find something, or a slip of the pen trains less than was meant. */
const requireFound = (
  what: string,
  patterns: readonly string[],
  names: readonly string[],
): void => {
  const missed = patterns.find((pattern) => !names.some(matcher([pattern])));
  if (missed === undefined) return;
  const list = names.length === 0 ? 'none' : names.slice(0, 40).join(', ');
  throw new FloeError('model_malformed', `no ${what} is named ${missed}; there are: ${list}`);
};

const INEXACT =
  'the mean of A times the mean of B is not the mean of A B, so averaging LoRA adapters is not the ' +
  "average of the participants' updates";

/** The remark that participants print in their first lines; undefined if the mean is exact. */
export const adapterRemark = (model: Tfjs.LayersModel): string | undefined =>
  flattenLayers(model.layers).some((layer) => isAdapted(layer) && layer.args.adapter === 'lora')
    ? `inexact average: ${INEXACT}`
    : undefined;

/** The weights of `from` into those of `to` that have the same name. */
const carry = (tf: Tf, from: Tfjs.LayersModel, to: Tfjs.LayersModel): void => {
  const held = new Map(from.weights.map((weight) => [weight.originalName, weight]));
  for (const weight of to.weights) {
    const own = held.get(weight.originalName);
    if (own === undefined) continue;
    tf.tidy(() => {
      weight.write(tf.clone(own.read()));
    });
  }
};

const topologyWithLayers = (model: Tfjs.LayersModel): Topology & LayerJson => {
  const json = JSON.parse(JSON.stringify(model.toJSON(null, false))) as Topology;
  if (isTopology(json)) return json;
  throw new FloeError('model_malformed', `${model.name}: expected a model of layers`);
};

/**
 * A model whose only trainable weights are adapters on the dense layers named by `targets` and the
 * layers named by `heads`; all others are the base, which {@link baseOf} names. B is zero at first,
 * so that the outputs are those of `model`, bit for bit. `model` is disposed.
 *
 * @throws FloeError `adapters_inexact` for `lora` without its flag, `model_malformed` for a name
 * that no dense layer has, or a rank or alpha out of range
 */
export const withAdapters = async (
  tf: Tf,
  model: Tfjs.LayersModel,
  options: AdapterOptions,
): Promise<Tfjs.LayersModel> => {
  const { rank = 8, alpha = 16, kind = 'ffa', seed = DEFAULT_SEED, targets } = options;
  if (kind === 'lora' && options.inexactAverage !== true)
    throw new FloeError('adapters_inexact', INEXACT);
  registerAdapterLayers(tf);
  const heads = options.heads ?? [model.layers.at(-1)?.name ?? ''];
  const layers = flattenLayers(model.layers);
  const dense = layers.filter((layer) => layer.getClassName() === 'Dense');
  requireFound(
    'dense layer',
    targets,
    dense.map(({ name }) => name),
  );
  requireFound(
    'layer',
    heads,
    layers.map(({ name }) => name),
  );
  const isTarget = matcher(targets);
  const isHead = matcher(heads);
  const args: AdapterArgs = { rank, alpha, adapter: kind, seed };
  const adapted = mapLayers(topologyWithLayers(model), (layer) => {
    const name = String(layer.config['name']);
    if (isHead(name)) return layer;
    if (layer.class_name === 'Dense' && isTarget(name))
      return { ...layer, class_name: 'AdaptedDense', config: { ...layer.config, ...args } };
    const frozen = { ...layer, config: { ...layer.config, trainable: false } };
    return layer.class_name === 'BatchNormalization'
      ? { ...frozen, class_name: 'FrozenBatchNormalization' }
      : frozen;
  });
  const made = await modelFromTopology(adapted)(tf);
  carry(tf, model, made);
  model.dispose();
  return made;
};

/** W + s A B in float64, rounded once. */
const mergedKernel = (layer: AdaptedDense): Float32Array => {
  const { rank, alpha } = layer.args;
  const { a, b } = layer.factors();
  const [left, right] = [a.dataSync<'float32'>(), b.dataSync<'float32'>()];
  const kernel = layer.kernel.read().dataSync<'float32'>().slice();
  const { units } = layer;
  for (let row = 0; row * units < kernel.length; row += 1)
    for (let column = 0; column < units; column += 1) {
      let sum = 0;
      for (let i = 0; i < rank; i += 1)
        sum += (left[row * rank + i] ?? 0) * (right[i * units + column] ?? 0);
      const at = row * units + column;
      kernel[at] = (kernel[at] ?? 0) + (alpha / rank) * sum;
    }
  return kernel;
};

/**
 * Merges the adapters into the plain model: W + s A B replaces W, and all layers are those of the
 * base. Its outputs are equal up to rounding. `model` is not changed.
 */
export const mergeAdapters = async (tf: Tf, model: Tfjs.LayersModel): Promise<Tfjs.LayersModel> => {
  const plain = mapLayers(topologyWithLayers(model), (layer) => {
    if (layer.class_name === 'FrozenBatchNormalization')
      return { ...layer, class_name: 'BatchNormalization' };
    if (layer.class_name !== 'AdaptedDense') return layer;
    const { rank: _r, alpha: _a, adapter: _k, seed: _s, ...config } = layer.config;
    return { ...layer, class_name: 'Dense', config };
  });
  const made = await modelFromTopology(plain)(tf);
  carry(tf, model, made);
  const kernels = new Map(
    flattenLayers(model.layers)
      .filter(isAdapted)
      .map((layer) => [layer.kernel.originalName, mergedKernel(layer)]),
  );
  for (const weight of made.weights) {
    const kernel = kernels.get(weight.originalName);
    if (kernel !== undefined)
      tf.tidy(() => {
        weight.write(tf.tensor(kernel, weight.read().shape));
      });
  }
  return made;
};
