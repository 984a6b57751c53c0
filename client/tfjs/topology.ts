/**
 * @module Canonical topologies, which do not depend on the process that built the model. tfjs
 * numbers unnamed layers and repeated tensors by a counter of the process, so this file renames
 * them in the order of the model. It also makes the files that `tf.loadLayersModel` reads.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, type TensorRole, validateManifest } from '../../protocol/model/manifest.ts';
import { requireLength } from '../trainer.ts';
import type { Topology } from './models.ts';

/** Every layer of a model, those inside models and wrappers too. */
export const flattenLayers = (layers: readonly Tfjs.layers.Layer[]): Tfjs.layers.Layer[] =>
  layers.flatMap((layer) => {
    const parts = layer as Tfjs.layers.Layer & {
      layers?: Tfjs.layers.Layer[];
      layer?: Tfjs.layers.Layer;
      forwardLayer?: Tfjs.layers.Layer;
      backwardLayer?: Tfjs.layers.Layer;
      cell?: Tfjs.layers.Layer;
      cells?: Tfjs.layers.Layer[];
    };
    const { layer: wrapped, forwardLayer, backwardLayer, cell } = parts;
    const inner = [wrapped, forwardLayer, backwardLayer, cell].filter((part) => part !== undefined);
    return [layer, ...flattenLayers([...(parts.layers ?? []), ...inner, ...(parts.cells ?? [])])];
  });

/**
 * tfjs's name of an unnamed layer: the class in snake case, then the class and a number; of an
 * input: `input7`.
 */
const AUTOMATIC = /^(?:([a-z0-9_]+)_[A-Z][A-Za-z0-9]*?|(input))\d+$/u;

/** The new names of unnamed layers, by their automatic ones: `dense_Dense7` becomes `dense_1`. */
const layerNames = (model: Tfjs.LayersModel): ReadonlyMap<string, string> => {
  const names = new Map<string, string>();
  const taken = new Set(flattenLayers(model.layers).map(({ name }) => name));
  const counts = new Map<string, number>();
  for (const { name } of flattenLayers(model.layers)) {
    const [, named, input] = AUTOMATIC.exec(name) ?? [];
    const kind = named ?? input;
    if (kind === undefined || names.has(name)) continue;
    let renamed: string;
    do {
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      renamed = `${kind}_${count}`;
    } while (taken.has(renamed));
    names.set(name, renamed);
  }
  return names;
};

const renameWeight = (names: ReadonlyMap<string, string>, weight: string): string =>
  weight
    .split('/')
    .map((part) => names.get(part) ?? part)
    .join('/');

/** Layers inside a layer: those of a model, of a wrapper and of a cell. */
const partsOfLayer = (layer: Tfjs.layers.Layer): Tfjs.layers.Layer[] =>
  flattenLayers([layer]).slice(1);

/** The weights of layers that are not trained, by themselves or as part of one that is not. */
const frozenWeights = (model: Tfjs.LayersModel): ReadonlySet<string> => {
  const frozen = new Set<string>();
  for (const layer of [model, ...flattenLayers(model.layers)])
    if (!layer.trainable)
      for (const part of [layer, ...partsOfLayer(layer)])
        for (const { originalName } of part.weights) frozen.add(originalName);
  return frozen;
};

/**
 * What training does to weights: gradients change those of `trainableWeights`; the others of a
 * layer that is trained are statistics, such as the moving mean and variance of batch
 * normalisation.
 */
const roleOf = (model: Tfjs.LayersModel) => {
  const trained = new Set(model.trainableWeights.map(({ originalName }) => originalName));
  const frozen = frozenWeights(model);
  return (name: string): TensorRole => {
    if (trained.has(name)) return 'trainable';
    if (frozen.has(name)) return 'frozen';
    return /(?:^|[/._])(?:moving_)?variance$/u.test(name) ? 'variance' : 'statistic';
  };
};

/**
 * Names, shapes, roles and order of a model's weights, trained and not, or of some of them. Throws
 * `tensor_malformed` beyond the limits.
 */
export const manifestOf = (model: Tfjs.LayersModel, weights = model.weights): Manifest => {
  const names = layerNames(model);
  const role = roleOf(model);
  return validateManifest({
    tensors: weights.map(({ originalName, shape }) => {
      const of = role(originalName);
      return {
        name: renameWeight(names, originalName),
        shape: shape.map((size) => size ?? 1),
        dtype: 'float32',
        // The default is left out, so that specifications of plain models stay short.
        ...(of === 'trainable' ? {} : { role: of }),
      };
    }),
  });
};

const renameValues = (names: ReadonlyMap<string, string>, value: unknown): unknown => {
  if (typeof value === 'string') return names.get(value) ?? value;
  if (Array.isArray(value)) return value.map((item) => renameValues(names, item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, renameValues(names, item)]),
  );
};

/** The model's topology with the same names as its manifest. */
export const topologyOf = (model: Tfjs.LayersModel): Topology => {
  const json = JSON.parse(JSON.stringify(model.toJSON(null, false))) as Topology;
  const renamed = renameValues(layerNames(model), json) as {
    config: Record<string, unknown>;
  } & Topology;
  // The automatic name of a model counts the models of the process.
  if (/^(sequential_|model)\d+$/u.test(model.name))
    renamed.config['name'] = model.name.replace(/_?\d+$/u, '');
  return renamed;
};

/**
 * A model in tfjs's layers format: `model.json` (UTF-8) and `weights.bin` (float32, little-endian),
 * which `tf.loadLayersModel` reads.
 *
 * @param userDefinedMetadata texts that travel in model.json
 * @throws FloeError `tensor_mismatch` when the weights are not as many as the manifest says
 */
export const exportTfjs = (
  manifest: Manifest,
  flat: Float32Array,
  topology: Topology,
  userDefinedMetadata: Readonly<Record<string, string>> = {},
): { readonly 'model.json': Uint8Array; readonly 'weights.bin': Uint8Array } => {
  requireLength(manifest, flat);
  const bytes = new Uint8Array(flat.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of flat.entries()) view.setFloat32(i * 4, value, true);
  const model = {
    format: 'layers-model',
    generatedBy: 'Floe',
    convertedBy: null,
    modelTopology: topology,
    ...(Object.keys(userDefinedMetadata).length === 0 ? {} : { userDefinedMetadata }),
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: manifest.tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
      },
    ],
  };
  return {
    'model.json': new TextEncoder().encode(JSON.stringify(model)),
    'weights.bin': bytes,
  };
};
