/**
 * @module A recorded training step as data: nodes over flat float32 buffers, each a loop nest that
 * every executor knows. The recorder writes it, the plan rewrites it, executors run it. Integers
 * and booleans are kept as float32: exact up to 2^24, which the recorder checks for constants.
 */

/**
 * Functions of one, two or three numbers; comparisons give 0 or 1, `not`, `and` and `or` take them.
 */
export type ScalarOp =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'max'
  | 'min'
  | 'pow'
  | 'mod'
  | 'atan2'
  | 'greater'
  | 'greaterEqual'
  | 'less'
  | 'lessEqual'
  | 'equal'
  | 'notEqual'
  | 'and'
  | 'or'
  | 'not'
  | 'select'
  | 'neg'
  | 'abs'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'floor'
  | 'ceil'
  | 'round'
  | 'trunc'
  | 'sign'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'sigmoid'
  | 'erf'
  | 'relu'
  | 'step';

export type Expr =
  /** The result of the node itself, in the epilogue of a node that is not a map. */
  | { readonly type: 'self' }
  /** The element of `views[index]`. */
  | { readonly type: 'view'; readonly index: number }
  | { readonly type: 'constant'; readonly value: number }
  /** The coordinate of the element along a dimension of the node's shape. */
  | { readonly type: 'coordinate'; readonly dim: number }
  | { readonly type: 'call'; readonly op: ScalarOp; readonly args: readonly Expr[] };

/** How a node of some shape reads a value: element `offset + sum(coordinate x stride)`. */
export interface View {
  readonly value: number;
  readonly offset: number;
  /** One for each dimension of the reading node's shape; 0 repeats. */
  readonly strides: readonly number[];
  /**
   * The coordinates [from, to) of each dimension that are read; elsewhere the view gives `fill`.
   */
  readonly clip?: {
    readonly ranges: readonly (readonly [number, number])[];
    readonly fill: number;
  };
}

/** An expression for every element of a shape, row-major. */
export interface Elementwise {
  readonly shape: readonly number[];
  readonly expr: Expr;
  readonly views: readonly View[];
}

/** Numbers of a two-dimensional convolution or pooling, NHWC; filters HWIO. */
export interface Window {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Of a depthwise convolution: channels x multiplier; of a pooling: channels. */
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly top: number;
  readonly left: number;
}

export type ReduceOp = 'sum' | 'max' | 'min' | 'prod' | 'argMax' | 'argMin';

interface Base {
  readonly out: number;
  /** What becomes of each element before it is stored; without it the element itself. */
  readonly epilogue?: Elementwise;
}

export interface MapNode extends Elementwise {
  readonly type: 'map';
  readonly out: number;
}

/** C[i] = op(A[i]) op(B[i]) over a batch; an operand with stride 0 is the same for each i. */
export interface MatMulNode extends Base {
  readonly type: 'matMul';
  readonly a: number;
  readonly b: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly batch: number;
  readonly strideA: number;
  readonly strideB: number;
}

/** `forward`: x, filter -> y. `input`: dy, filter -> dx. `filter`: x, dy -> dFilter. */
export interface ConvolutionNode extends Base {
  readonly type: 'convolution' | 'depthwise';
  readonly variant: 'forward' | 'input' | 'filter';
  readonly inputs: readonly [number, number];
  readonly window: Window;
}

/**
 * `max`, `average`: x -> y. `maxGradient`: dy, x -> dx, to the first largest. `averageGradient`: dy
 * -> dx.
 */
export interface PoolNode extends Base {
  readonly type: 'pool';
  readonly variant: 'max' | 'average' | 'maxGradient' | 'averageGradient';
  readonly inputs: readonly number[];
  readonly window: Window;
}

/** Over the middle of [outer, size, inner]. */
export interface ReduceNode extends Base {
  readonly type: 'reduce';
  readonly op: ReduceOp;
  readonly input: number;
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
}

/** Rows of [rows, columns]. */
export interface SoftmaxNode extends Base {
  readonly type: 'softmax';
  readonly input: number;
  readonly rows: number;
  readonly columns: number;
}

/** out[o, i, j] = params[o, indices[i], j]. */
export interface GatherNode extends Base {
  readonly type: 'gather';
  readonly params: number;
  readonly indices: number;
  readonly outer: number;
  readonly axisSize: number;
  readonly count: number;
  readonly inner: number;
}

/** out[s, j] = the sum of x[i, j] over the i with ids[i] = s. */
export interface SegmentSumNode extends Base {
  readonly type: 'segmentSum';
  readonly x: number;
  readonly ids: number;
  readonly segments: number;
  readonly count: number;
  readonly inner: number;
}

export type Node =
  | MapNode
  | MatMulNode
  | ConvolutionNode
  | PoolNode
  | ReduceNode
  | SoftmaxNode
  | GatherNode
  | SegmentSumNode;

/** A buffer: a constant with its data, or written by the caller or a node. */
export interface Value {
  readonly size: number;
  readonly data?: Float32Array;
}

/** One step, or one evaluation. Values are indices into `values`. */
export interface Program {
  readonly values: readonly Value[];
  /** In an order in which they can run. */
  readonly nodes: readonly Node[];
  /**
   * The batch: features row-major, and targets (one-hot for classes) unless it is an evaluation.
   */
  readonly features: number;
  readonly targets?: number;
  /** One float. */
  readonly learningRate?: number;
  /** Fresh numbers of [0, 1) for each step. */
  readonly draws: readonly { readonly value: number; readonly layer: number }[];
  /** In the manifest's order; those that no node reads or writes too. */
  readonly weights: readonly number[];
  /** The optimiser's state between steps, initially zero. */
  readonly state: readonly number[];
  /** After the step, weight or state `target` holds `source`. */
  readonly updates: readonly { readonly target: number; readonly source: number }[];
  readonly prediction: number;
}

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Row-major strides. */
export const stridesOf = (shape: readonly number[]): number[] => {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--)
    strides[i] = (strides[i + 1] ?? 1) * (shape[i + 1] ?? 1);
  return strides;
};

/** The values that a node reads, with those of its epilogue. */
export const inputsOf = (node: Node): number[] => {
  const views = node.type === 'map' ? node.views : (node.epilogue?.views ?? []);
  return [...ownInputsOf(node), ...views.map(({ value }) => value)];
};

/** Without those of maps and epilogues. */
export const ownInputsOf = (node: Node): number[] => {
  switch (node.type) {
    case 'map':
      return [];
    case 'matMul':
      return [node.a, node.b];
    case 'convolution':
    case 'depthwise':
    case 'pool':
      return [...node.inputs];
    case 'reduce':
    case 'softmax':
      return [node.input];
    case 'gather':
      return [node.params, node.indices];
    case 'segmentSum':
      return [node.x, node.ids];
  }
};
