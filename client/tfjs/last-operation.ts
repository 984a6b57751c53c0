/**
 * @module Determines the last operation of a model from its layers: through nested models, wrappers
 * and layers that only rearrange. A loss that includes the softmax or sigmoid needs the numbers
 * before it, so this module can also disable that activation temporarily.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { flattenLayers } from './topology.ts';

type Tf = typeof Tfjs;
type Layer = Tfjs.layers.Layer;

/** The last operation that produces the outputs. */
export interface LastOperation {
  /** Name of the activation; `linear` without one; undefined if it cannot be determined. */
  readonly activation: string | undefined;
  /** The layer in words: `Dense "output"`. */
  readonly name: string;
  /**
   * Runs `work` with the activation switched off. Undefined where it cannot be: other parts of the
   * model use the same layer, or the activation is not the very last step.
   */
  readonly without?: <T>(work: () => T) => T;
  /** The layer that has that activation. */
  readonly source?: Layer;
}

/** What tfjs keeps of a graph and does not declare. */
interface GraphNode {
  readonly outboundLayer: Layer;
  readonly inboundLayers: readonly Layer[];
  readonly inputTensors: readonly Tfjs.SymbolicTensor[];
}
interface Graph {
  readonly nodesByDepth: Readonly<Record<string, readonly GraphNode[]>>;
}
interface Inner {
  layer?: Layer;
  activation?: unknown;
  axis?: unknown;
  softmax?: unknown;
}

/** Layers that give the numbers of their input in another order or shape. */
const REARRANGING = new Set(['Reshape', 'Flatten', 'Permute', 'Masking']);
/** Layers without an activation, whose outputs take any value. */
const LINEAR = new Set([
  'BatchNormalization',
  'LayerNormalization',
  'Embedding',
  'UpSampling2D',
  'ZeroPadding2D',
  'Cropping2D',
]);
const ACTIVATION_LAYERS: Readonly<Record<string, string>> = {
  ReLU: 'relu',
  LeakyReLU: 'leaky relu',
  PReLU: 'prelu',
  ELU: 'elu',
  ThresholdedReLU: 'thresholded relu',
};
const POOLING = /^(?:Global)?AveragePooling[123]D$/u;
const MERGES = new Set(['Add', 'Average', 'Concatenate']);
/** Layers that map linear outputs to linear ones, but do not preserve a softmax. */
const KEEPS_LINEAR = /^(?:Dropout|SpatialDropout1D|RepeatVector|(?:Global)?MaxPooling[123]D)$/u;
const RECURRENT = /^(?:Bidirectional|RNN|SimpleRNN|GRU|LSTM|ConvLSTM2D)$/u;
/** Layers with an activation in their configuration, applied to what they give. */
const ACTIVATED =
  /^(?:Dense|Conv\dD|Conv\dDTranspose|DepthwiseConv2D|SeparableConv\dD|Activation)$/u;

const named = (layer: Layer): string => `${layer.getClassName()} "${layer.name}"`;

const isContainer = (layer: Layer): layer is Tfjs.LayersModel =>
  Array.isArray((layer as { layers?: unknown }).layers) &&
  Array.isArray((layer as { outputs?: unknown }).outputs);

/** The nodes of a container's graph that end in `layer`. */
const nodesOf = (container: Tfjs.LayersModel, layer: Layer): readonly GraphNode[] => {
  // A stack of layers has its graph from its first call on.
  if (
    container.getClassName() === 'Sequential' &&
    (container as { model?: unknown }).model === undefined
  )
    container.build([]);
  return Object.values((container as unknown as Graph).nodesByDepth)
    .flat()
    .filter(({ outboundLayer }) => outboundLayer === layer);
};

/** Exchanges a field of a layer while `work` runs. */
const exchanging =
  (layer: Layer, field: 'activation' | 'softmax', substitute: unknown) =>
  <T>(work: () => T): T => {
    const held = layer as unknown as Record<string, unknown>;
    const before = held[field];
    held[field] = substitute;
    try {
      return work();
    } finally {
      held[field] = before;
    }
  };

const linearActivation = (tf: Tf): unknown =>
  (tf.layers.activation({ activation: 'linear' }) as unknown as Inner).activation;

/** Several parts that are linear give something linear; otherwise nothing is known. */
const merged = (layer: Layer, parts: readonly LastOperation[]): LastOperation => ({
  activation:
    parts.length > 0 && parts.every(({ activation }) => activation === 'linear')
      ? 'linear'
      : undefined,
  name: named(layer),
});

/** tfjs's Softmax layer defaults to dimension 1, which is not always the last. */
const overLast = (layer: Layer, rank: number): boolean => {
  const { axis } = layer as unknown as Inner;
  const single = Array.isArray(axis)
    ? axis.length === 1
      ? (axis[0] as unknown)
      : undefined
    : axis;
  return single === -1 || single === rank - 1;
};

/**
 * The last operation of a layer with known input and container; `rank` counts the dimensions of its
 * output, including the batch.
 */
const operationOf = (
  tf: Tf,
  layer: Layer,
  rank: number,
  inputs: () => readonly LastOperation[],
): LastOperation => {
  const kind = layer.getClassName();
  if (isContainer(layer)) return ofContainer(tf, layer);
  const inner = layer as unknown as Inner;
  if (kind === 'TimeDistributed' && inner.layer !== undefined)
    return operationOf(tf, inner.layer, rank - 1, () => []);
  if (kind === 'Softmax')
    return overLast(layer, rank)
      ? {
          activation: 'softmax',
          name: named(layer),
          source: layer,
          without: exchanging(layer, 'softmax', (x: unknown) => x),
        }
      : { activation: undefined, name: named(layer) };
  if (ACTIVATED.test(kind)) {
    const activation = layer.getConfig()['activation'];
    const known = typeof activation === 'string' ? activation : 'linear';
    return {
      activation: known,
      name: named(layer),
      source: layer,
      without: exchanging(layer, 'activation', linearActivation(tf)),
    };
  }
  if (kind in ACTIVATION_LAYERS) return { activation: ACTIVATION_LAYERS[kind], name: named(layer) };
  if (RECURRENT.test(kind)) return { activation: 'recurrent', name: named(layer) };
  if (LINEAR.has(kind)) return { activation: 'linear', name: named(layer) };
  const parts = inputs();
  const [only] = parts;
  if (MERGES.has(kind) || KEEPS_LINEAR.test(kind)) return merged(layer, parts);
  if (parts.length !== 1 || only === undefined)
    return { activation: undefined, name: named(layer) };
  // The classes must stay the last dimension: where they do not, a softmax is none any more.
  if (REARRANGING.has(kind)) return only;
  if (POOLING.test(kind)) return { activation: only.activation, name: only.name };
  return { activation: undefined, name: named(layer) };
};

/** A softmax is only one of the classes while the last dimension has as many. */
const keepsClasses = (layer: Layer, from: Tfjs.SymbolicTensor, to: Tfjs.SymbolicTensor): boolean =>
  layer.getClassName() !== 'Permute' && from.shape.at(-1) === to.shape.at(-1);

const ofTensor = (
  tf: Tf,
  container: Tfjs.LayersModel,
  tensor: Tfjs.SymbolicTensor,
): LastOperation => {
  const layer = tensor.sourceLayer;
  const nodes = nodesOf(container, layer);
  const [node] = nodes;
  return operationOf(tf, layer, tensor.shape.length, () =>
    (node?.inputTensors ?? []).map((input) => {
      const below = ofTensor(tf, container, input);
      return below.activation !== 'softmax' || keepsClasses(layer, input, tensor)
        ? below
        : { ...below, activation: undefined };
    }),
  );
};

const ofContainer = (tf: Tf, model: Tfjs.LayersModel): LastOperation => {
  const [output] = model.outputs;
  if (output === undefined) return { activation: undefined, name: named(model) };
  return ofTensor(tf, model, output);
};

/** How often a model applies a layer: in its graph, in those of nested models, in wrappers. */
const usesOf = (model: Tfjs.LayersModel, layer: Layer): number => {
  const layers = flattenLayers(model.layers);
  const nodes = [model, ...layers.filter(isContainer)].flatMap((part) => nodesOf(part, layer));
  const wrappers = new Set(layers.filter((part) => (part as unknown as Inner).layer === layer));
  return new Set(nodes).size + wrappers.size;
};

/** The last operation of a model's first output. */
export const lastOperation = (tf: Tf, model: Tfjs.LayersModel): LastOperation => {
  const { without, source, ...found } = ofContainer(tf, model);
  if (without === undefined || source === undefined) return found;
  // Where another part of the model uses the layer too, it needs the activation.
  return usesOf(model, source) === 1 ? { ...found, source, without } : found;
};
