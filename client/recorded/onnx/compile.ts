/**
 * @module Compiles a plan to one ONNX graph, with its inputs and the outputs that hold the weights
 * after the step.
 */
import { type Elementwise, type MapNode, type Node, elements } from '../ir.ts';
import { Unrecordable } from '../lower/tape.ts';
import type { Plan } from '../plan.ts';
import { isPlain } from '../views.ts';
import {
  type Builder,
  type ImageShape,
  type Operand,
  type Source,
  createBuilder,
} from './builder.ts';
import { partImage, partTensor } from './expressions.ts';
import { biasOf, gemm, matMulTensor, simpleTensor, updateOf } from './nodes.ts';
import { type Graph, type GraphNode, type Port, modelBytes } from './proto.ts';
import { type MaxPools, type Windowed, convolutionTensor, poolTensor } from './windows.ts';

interface Bound {
  readonly buffer: number;
  readonly name: string;
  readonly dims: readonly number[];
}

export interface Compiled {
  readonly model: Uint8Array;
  /** The output that holds the predictions of all steps. */
  readonly prediction: string;
  /** Inputs that hold what each step reads, side by side; `dims` are one step's. */
  readonly fed: readonly Bound[];
  /** Weights and state that the steps change, with the output that holds them at the end. */
  readonly kept: readonly (Bound & { readonly end: string })[];
  /** Weights that they only read. */
  readonly fixed: readonly Bound[];
}

type FixedPort = Port & { readonly dims: readonly number[] };

interface Step {
  readonly graph: Graph;
  /** Inputs and outputs by the plan's buffer. */
  readonly inputs: ReadonlyMap<number, FixedPort>;
  readonly outputs: ReadonlyMap<number, FixedPort>;
}

interface Compiler {
  readonly builder: Builder;
  readonly pools: MaxPools;
  readonly sizeOf: (value: number) => number;
}

/** Which image a map may follow: that of a plain operand that exists with channels first. */
const imageOfMap = ({ builder, sizeOf }: Compiler, node: MapNode): ImageShape | undefined => {
  for (const view of node.views) {
    const shape = builder.imageShape(view.value);
    if (shape !== undefined && isPlain(view, node.shape, sizeOf(view.value))) return shape;
  }
  return undefined;
};

const addMap = (compiler: Compiler, node: MapNode): void => {
  const { builder, sizeOf } = compiler;
  const shape = imageOfMap(compiler, node);
  const image = shape === undefined ? undefined : partImage(builder, node, shape, sizeOf);
  if (shape !== undefined && image !== undefined) builder.defineImage(node.out, image, shape);
  else builder.define(node.out, partTensor(builder, node, sizeOf));
};

/** Adds the result of a node, followed by its epilogue. */
const addFinished = (
  { builder, sizeOf }: Compiler,
  out: number,
  own: Windowed,
  part: Elementwise | undefined,
): void => {
  if (part === undefined) {
    if (own.type === 'image') builder.defineImage(out, own.operand, own.shape);
    else builder.define(out, own.operand);
    return;
  }
  if (own.type === 'rows') {
    builder.define(out, partTensor(builder, part, sizeOf, own.operand));
    return;
  }
  const image = partImage(builder, part, own.shape, sizeOf, own.operand);
  if (image !== undefined) {
    builder.defineImage(out, image, own.shape);
    return;
  }
  const rows = builder.transpose(own.operand, [0, 2, 3, 1]);
  builder.define(out, partTensor(builder, part, sizeOf, rows));
};

const rows = (operand: Operand): Windowed => ({ type: 'rows', operand });

const addMatMul = (compiler: Compiler, node: Extract<Node, { type: 'matMul' }>): void => {
  const { builder } = compiler;
  const { epilogue, m, n, out } = node;
  if (epilogue !== undefined && node.batch === 1) {
    const update = updateOf(epilogue);
    const target = update === undefined ? undefined : epilogue.views[update.target];
    if (update !== undefined && target !== undefined && isPlain(target, epilogue.shape, m * n)) {
      const rate = builder.rows(update.rate, [1]);
      const factor = builder.op('Neg', [rate.name], [1]);
      builder.define(out, gemm(builder, node, builder.rows(target.value, [m, n]), factor));
      return;
    }
    const biased = biasOf(epilogue, n);
    if (biased !== undefined) {
      const sum = gemm(builder, node, builder.rows(biased.bias, [n]));
      addFinished(compiler, out, rows(sum), { ...epilogue, expr: biased.expr });
      return;
    }
  }
  addFinished(compiler, out, rows(matMulTensor(builder, node)), epilogue);
};

const addConvolution = (
  compiler: Compiler,
  node: Extract<Node, { type: 'convolution' | 'depthwise' }>,
): void => {
  const { builder } = compiler;
  const { epilogue, out } = node;
  const channels = node.window.outChannels;
  const biased =
    epilogue !== undefined && node.variant === 'forward' ? biasOf(epilogue, channels) : undefined;
  if (epilogue === undefined || biased === undefined) {
    addFinished(compiler, out, convolutionTensor(builder, node), epilogue);
    return;
  }
  const own = convolutionTensor(builder, node, builder.rows(biased.bias, [channels]));
  addFinished(compiler, out, own, { ...epilogue, expr: biased.expr });
};

const addNode = (compiler: Compiler, node: Node): void => {
  switch (node.type) {
    case 'map':
      addMap(compiler, node);
      return;
    case 'matMul':
      addMatMul(compiler, node);
      return;
    case 'convolution':
    case 'depthwise':
      addConvolution(compiler, node);
      return;
    case 'pool': {
      const own = poolTensor(compiler.builder, node, compiler.pools);
      addFinished(compiler, node.out, own, node.epilogue);
      return;
    }
    default: {
      const own: Windowed = { type: 'rows', operand: simpleTensor(compiler.builder, node) };
      addFinished(compiler, node.out, own, node.epilogue);
    }
  }
};

/** The external values and their tensors. */
const sourcesOf = (plan: Plan) => {
  const constants = new Map(plan.constants.map(({ buffer, data }) => [buffer, data]));
  return (value: number): Source => {
    const buffer = plan.bufferOf[value] ?? -1;
    const data = constants.get(buffer);
    if (data !== undefined) return { type: 'constant', data };
    return { type: 'input', size: plan.buffers[buffer] ?? 0 };
  };
};

/**
 * The graph of one step.
 * @throws Unrecordable for an operation without an ONNX operator
 */
const stepGraph = (plan: Plan): Step => {
  const bufferOf = (value: number): number => plan.bufferOf[value] ?? -1;
  const builder = createBuilder(sourcesOf(plan));
  // A buffer that values share may be larger; one that a value has for itself is of its size.
  const sizeOf = (value: number): number =>
    builder.sizeOf(value) ?? plan.buffers[bufferOf(value)] ?? 0;
  const gradients = plan.nodes.some(
    (node) => node.type === 'pool' && node.variant === 'maxGradient',
  );
  const compiler: Compiler = { builder, pools: { made: new Map(), gradients }, sizeOf };
  const last = new Map<number, number>();
  const wanted = new Set([...plan.weights, ...plan.state, plan.prediction]);
  for (const node of plan.nodes) {
    const buffer = bufferOf(node.out);
    addNode(compiler, node);
    if (wanted.has(buffer)) last.set(buffer, node.out);
  }
  const inputs = new Map<number, FixedPort>();
  for (const [value, port] of builder.inputs) inputs.set(bufferOf(value), port);
  const outputs = new Map<number, FixedPort>();
  const given = new Set([...inputs.values()].map(({ name }) => name));
  for (const [buffer, value] of last) {
    const size = plan.buffers[buffer] ?? 0;
    const any = builder.anyRows(value);
    if (elements(any.shape) !== size) throw new Unrecordable('an output of another size');
    // The output of a step must have the shape of the next step's input.
    const shaped = builder.reshape(any, inputs.get(buffer)?.dims ?? any.shape);
    // An output must be a distinct tensor, neither an input nor another output.
    const own = given.has(shaped.name)
      ? builder.op('Identity', [shaped.name], shaped.shape)
      : shaped;
    given.add(own.name);
    outputs.set(buffer, { name: own.name, dims: own.shape });
    if (buffer !== plan.prediction && !inputs.has(buffer))
      inputs.set(buffer, { name: `b${buffer}`, dims: own.shape });
  }
  const graph = builder.finish([...inputs.values()], [...outputs.values()]);
  return { graph, inputs, outputs };
};

/** What all steps read, side by side. */
const outer = ({ name, dims }: FixedPort): Port => ({ name: `${name}_all`, dims: ['n', ...dims] });
/** An input of the first step, or an output of the last. */
const first = ({ name, dims }: FixedPort): Port => ({ name: `${name}_0`, dims });
const end = ({ name, dims }: Port): Port => ({ name: `${name}_end`, dims });

/**
 * The model that runs several steps in sequence, on stacked batches: ONNX's Scan over the step's
 * graph. The outputs of a step are inputs of the next; all other inputs are the same for every
 * step.
 * @throws Unrecordable for an operation without an ONNX operator
 */
export const compileOnnx = (plan: Plan): Compiled => {
  const { graph, inputs, outputs } = stepGraph(plan);
  const kept = [...outputs].filter(([buffer]) => buffer !== plan.prediction);
  const prediction = outputs.get(plan.prediction);
  if (prediction === undefined) throw new Unrecordable('a step without a prediction');
  const still = new Set([...plan.weights, ...plan.state]);
  const carried = kept.map(([buffer]) => inputs.get(buffer) as FixedPort);
  const fed = [...inputs].filter(([buffer]) => !still.has(buffer));
  const fixed = [...inputs].filter(([buffer]) => still.has(buffer) && !outputs.has(buffer));
  const results = [...kept.map(([, port]) => port), prediction];
  const scan: GraphNode = {
    op: 'Scan',
    inputs: [
      ...carried.map((port) => first(port).name),
      ...fed.map(([, port]) => outer(port).name),
    ],
    outputs: results.map(({ name }) => `${name}_end`),
    attributes: {
      body: {
        ...graph,
        inputs: [...carried, ...fed.map(([, port]) => port)],
        outputs: results,
      },
      num_scan_inputs: fed.length,
    },
  };
  const model = modelBytes({
    nodes: [scan],
    constants: [],
    inputs: [
      ...carried.map(first),
      ...fixed.map(([, port]) => port),
      ...fed.map(([, port]) => outer(port)),
    ],
    outputs: [
      ...kept.map(([, port]) => end(port)),
      end({ ...prediction, dims: ['n', ...prediction.dims] }),
    ],
  });
  return {
    model,
    prediction: end(prediction).name,
    fed: fed.map(([buffer, port]) => ({ buffer, name: outer(port).name, dims: port.dims })),
    kept: kept.map(([buffer, port], i) => ({
      buffer,
      name: first(carried[i] as FixedPort).name,
      dims: (carried[i] as FixedPort).dims,
      end: end(port).name,
    })),
    fixed: fixed.map(([buffer, { name, dims }]) => ({ buffer, name, dims })),
  };
};

export interface ForwardInit {
  /** Of the forward pass alone, for one example. */
  readonly plan: Plan;
  /** In the plan's order. */
  readonly weights: readonly Float32Array[];
  /** Shapes of one example and of its predictions. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The shape of any number of examples, as a constant. */
const shapeOf = (name: string, dims: readonly number[]) => ({
  name,
  dims: [dims.length + 1],
  data: BigInt64Array.from([-1, ...dims], (size) => BigInt(size)),
});

const reshape = (from: string, shape: string, to: string): GraphNode => ({
  op: 'Reshape',
  inputs: [from, shape],
  outputs: [to],
  attributes: {},
});

/**
 * The forward pass as a model of its own, with its weights: `input` [n, ...] to `output` [n, ...]
 * for any number n of examples.
 * @throws Unrecordable for an operation without an ONNX operator
 */
export const forwardOnnx = ({
  plan,
  weights,
  input,
  output,
  metadata,
}: ForwardInit): Uint8Array => {
  const { graph, inputs, outputs } = stepGraph(plan);
  const fed = inputs.get(plan.features);
  const prediction = outputs.get(plan.prediction);
  if (fed === undefined || prediction === undefined)
    throw new Unrecordable('a prediction that no input determines');
  const constants = plan.weights.flatMap((buffer, i) => {
    const port = inputs.get(buffer);
    const data = weights[i];
    return port === undefined || data === undefined ? [] : [{ ...port, data }];
  });
  return modelBytes(
    {
      nodes: [
        reshape('input', 'input_shape', outer(fed).name),
        {
          op: 'Scan',
          inputs: [outer(fed).name],
          outputs: [end(prediction).name],
          attributes: {
            body: { ...graph, inputs: [fed], outputs: [prediction] },
            num_scan_inputs: 1,
          },
        },
        reshape(end(prediction).name, 'output_shape', 'output'),
      ],
      constants: [...constants, shapeOf('input_shape', fed.dims), shapeOf('output_shape', output)],
      inputs: [{ name: 'input', dims: ['n', ...input] }],
      outputs: [{ name: 'output', dims: ['n', ...output] }],
    },
    metadata,
  );
};
