/**
 * @module Models as Keras and tfjs write them in JSON, as one form that tfjs reads: `model.json` of
 * tfjs's layers format, `model.to_json()` of Keras 2, and that of Keras 3, which has other fields
 * (https://keras.io/api/saving/model_saving_apis/serialization_utils). Weights are not read. What
 * is code, or has another meaning in tfjs, is refused by the layer's name.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Topology } from '../tfjs/models.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Layers inside layers, and values inside values. */
const MAX_DEPTH = 64;

const malformed = (message: string): FloeError => new FloeError('model_malformed', message);

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Layers that hold a program. */
const CODE = new Set(['Lambda', 'TFOpLambda', 'SlicingOpLambda', 'TensorFlowOpLayer']);

/** Keras's names of what tfjs calls otherwise. */
const ACTIVATIONS: Readonly<Record<string, string>> = { silu: 'swish' };

/** A field of a layer that means something else in tfjs, or nothing. */
const unsupported = (kind: string, config: Fields, isKeras3: boolean): string | undefined => {
  const isSet = (field: string): boolean =>
    config[field] !== undefined && config[field] !== null && config[field] !== false;
  if (kind === 'GRU' && config['reset_after'] === true)
    return 'reset_after=True; tfjs has GRU(reset_after=False)';
  if (/^(?:Depthwise|Separable)?Conv/u.test(kind) && ((config['groups'] ?? 1) as number) !== 1)
    return 'groups other than 1';
  if (kind.startsWith('Global') && isSet('keepdims')) return 'keepdims=True';
  if (kind === 'LayerNormalization' && isSet('rms_scaling')) return 'rms_scaling=True';
  if (kind === 'BatchNormalization' && isSet('renorm')) return 'renorm=True';
  if (kind === 'ReLU' && ((config['negative_slope'] ?? 0) as number) !== 0)
    return 'a negative slope; use LeakyReLU';
  if (kind === 'ReLU' && ((config['threshold'] ?? 0) as number) !== 0) return 'a threshold';
  if (isSet('stateful')) return 'stateful=True';
  for (const field of ['activation', 'recurrent_activation'])
    if (isKeras3 && config[field] === 'hard_sigmoid')
      return `${field}="hard_sigmoid", which is another function in tfjs`;
  return undefined;
};

/** The name of a data type; anything but float32 would train other numbers than it says. */
const dtypeOf = (value: unknown, where: string): string => {
  const { config } = isFields(value) ? value : { config: undefined };
  const name = typeof value === 'string' ? value : isFields(config) ? config['name'] : undefined;
  if (name !== 'float32' && name !== 'int32')
    throw malformed(`${where}: expected the type float32, got ${JSON.stringify(name ?? value)}`);
  return name;
};

/** One call of a layer, in the form of Keras 2: `[[layer, node, tensor, arguments]...]`. */
const inboundNode = (node: unknown, where: string): unknown => {
  if (!isFields(node)) return node;
  const { args, kwargs } = node;
  const tensors = (value: unknown): unknown[] => {
    if (Array.isArray(value)) return value.flatMap(tensors);
    if (!isFields(value) || value['class_name'] !== '__keras_tensor__')
      throw malformed(`${where}: expected to be called on outputs of layers alone`);
    const { config } = value;
    const history = isFields(config) ? config['keras_history'] : undefined;
    if (!Array.isArray(history)) throw malformed(`${where}: a tensor without its layer`);
    return [[...(history as unknown[]), {}]];
  };
  for (const [name, value] of Object.entries(isFields(kwargs) ? kwargs : {}))
    if (value !== null && value !== false)
      throw malformed(`${where}: the argument ${name} of its call cannot be kept`);
  return tensors(args);
};

/** `["input", 0, 0]` of Keras 3 as `[["input", 0, 0]]`. */
const ports = (value: unknown): unknown =>
  Array.isArray(value) && typeof value[0] === 'string' ? [value] : value;

const REGULARIZERS: Readonly<Record<string, readonly string[]>> = {
  L1: ['l1'],
  L2: ['l2'],
  L1L2: ['l1', 'l2'],
};

interface Reading {
  readonly isKeras3: boolean;
  /** The shape of one example, for a stack that does not say its own. */
  readonly shape: readonly number[] | undefined;
}

const value = (of: unknown, reading: Reading, where: string, depth: number): unknown => {
  if (depth > MAX_DEPTH) throw malformed(`${where}: nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(of)) return of.map((each) => value(each, reading, where, depth + 1));
  if (!isFields(of)) return of;
  const kind = of['class_name'];
  if (typeof kind !== 'string')
    return Object.fromEntries(
      Object.entries(of).map(([key, each]) => [key, value(each, reading, where, depth + 1)]),
    );
  if (kind === 'function' || kind.startsWith('__lambda'))
    throw malformed(`${where} holds a function, which is code; Floe runs none from a model file`);
  const config = isFields(of['config']) ? of['config'] : {};
  const kept = REGULARIZERS[kind];
  if (kept !== undefined)
    return {
      class_name: 'L1L2',
      config: Object.fromEntries(['l1', 'l2'].map((name) => [name, config[name] ?? 0])),
    };
  if (isLayer(of)) return layer(of, reading, depth + 1);
  return { class_name: kind, config: value(config, reading, where, depth + 1) };
};

/** Layers have a name; initialisers and the like have none. */
const isLayer = ({ config }: Fields): boolean =>
  isFields(config) && typeof config['name'] === 'string';

/** Fields of Keras 3 that tfjs does not know and that change nothing. */
const IGNORED = new Set(['quantization_config', 'build_input_shape', 'backward_layer', 'optional']);

const layer = (of: Fields, reading: Reading, depth: number): Fields => {
  const kind = String(of['class_name']);
  const config = isFields(of['config']) ? of['config'] : {};
  const name = config['name'];
  const where = `${kind} "${typeof name === 'string' ? name : ''}"`;
  if (CODE.has(kind))
    throw malformed(`${where} is code, and Floe runs none from a model file; use layers`);
  const custom = of['registered_name'];
  if (typeof custom === 'string' && custom.includes('>'))
    throw malformed(`${where} is a class of its author's (${custom}), which a file does not hold`);
  const reason = unsupported(kind, config, reading.isKeras3);
  if (reason !== undefined) throw malformed(`${where}: ${reason} is not supported`);
  const made: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(config)) {
    if (IGNORED.has(key)) continue;
    if (key === 'dtype') made['dtype'] = dtypeOf(each, where);
    else if (key === 'batch_shape') made['batch_input_shape'] = each;
    else if (key === 'input_layers' || key === 'output_layers') made[key] = ports(each);
    else if (key.endsWith('activation') && typeof each === 'string')
      made[key] = ACTIVATIONS[each] ?? each;
    else made[key] = value(each, reading, where, depth);
  }
  // Keras 2 lists the one axis that there is.
  const { axis } = made;
  if (kind === 'BatchNormalization' && Array.isArray(axis) && axis.length === 1)
    made['axis'] = axis[0];
  if (kind === 'LeakyReLU' && made['alpha'] === undefined) made['alpha'] = made['negative_slope'];
  if (kind === 'Sequential') made['layers'] = withShape(made['layers'], of, reading, where);
  const nodes = of['inbound_nodes'];
  return {
    class_name: kind === 'Functional' ? 'Model' : kind,
    config: made,
    ...(of['name'] === undefined ? {} : { name: of['name'] }),
    ...(Array.isArray(nodes)
      ? { inbound_nodes: nodes.map((node) => inboundNode(node, where)) }
      : {}),
  };
};

/** A stack says in its first layer which examples it takes. */
const withShape = (
  layers: unknown,
  of: Fields,
  { shape }: Reading,
  where: string,
): readonly unknown[] => {
  if (!Array.isArray(layers) || layers.length === 0) throw malformed(`${where}: it has no layers`);
  const [first, ...rest] = layers as Fields[];
  const { config } = first as { readonly config?: Fields };
  if (config?.['batch_input_shape'] !== undefined || config?.['layers'] !== undefined)
    return layers;
  const built = isFields(of['config']) ? of['config']['build_input_shape'] : undefined;
  const known = Array.isArray(built) ? built : shape && [null, ...shape];
  if (known === undefined)
    throw malformed(`${where}: it does not say which examples it takes; add an Input layer`);
  return [{ ...first, config: { ...config, batch_input_shape: known } }, ...rest];
};

/**
 * The topology of a model in JSON, in the form that `modelFromTopology` takes.
 *
 * @param text a model.json of tfjs's layers format, or what `model.to_json()` of Keras 2 or 3 gives
 * @param shape of one example, for a stack of layers without an input layer
 * @throws FloeError `model_malformed` naming the layer
 */
export const parseModelJson = (text: string, shape?: readonly number[]): Topology => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new FloeError('model_malformed', 'the model is not JSON', {}, { cause });
  }
  if (isFields(parsed) && parsed['format'] === 'graph-model')
    throw malformed('a graph model cannot be trained; export a layers model');
  const outer =
    isFields(parsed) && isFields(parsed['modelTopology']) ? parsed['modelTopology'] : parsed;
  const inner = isFields(outer) && isFields(outer['model_config']) ? outer['model_config'] : outer;
  if (!isFields(inner) || typeof inner['class_name'] !== 'string')
    throw malformed('expected a model.json of tfjs (layers model) or the to_json() of Keras');
  if (!['Sequential', 'Model', 'Functional'].includes(inner['class_name']))
    throw malformed(
      `the model is a ${inner['class_name']}, whose layers are in code; expected a Sequential or functional model`,
    );
  const isKeras3 = typeof inner['module'] === 'string';
  // Files of tfjs itself hold a list of layers where Keras has an object.
  const config = Array.isArray(inner['config']) ? { layers: inner['config'] } : inner['config'];
  return layer({ ...inner, config }, { isKeras3, shape }, 0);
};
