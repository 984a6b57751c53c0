/** @module Matrix products, reductions, softmax, and kernels that take indices. */
import { SELF, call, constant } from '../expr.ts';
import { type Expr, type Node, type ReduceOp, elements, stridesOf } from '../ir.ts';
import { eluOf, leakyRelu, relu6 } from './elementwise.ts';
import {
  type Attributes,
  type DType,
  type Inputs,
  type Lower,
  type Ref,
  type Tape,
  Unrecordable,
  addMap,
  addValue,
  broadcastShape,
  input,
  numberOf,
  numbersOf,
  reshaped,
} from './tape.ts';

/** Adds a node that is no map, its output as a ref. */
export const addNode = (
  tape: Tape,
  shape: readonly number[],
  dtype: DType,
  make: (out: number) => Node,
): Ref => {
  const out = addValue(tape, elements(shape));
  tape.nodes.push(make(out));
  return { value: out, shape, dtype };
};

/**
 * Batch dimensions of an operand: as they are, one for all, or repeated to the whole batch first.
 */
const spread = (tape: Tape, ref: Ref, outer: readonly number[]): { ref: Ref; shared: boolean } => {
  const own = ref.shape.slice(0, -2);
  if (elements(own) === 1) return { ref, shared: true };
  if (elements(own) === elements(outer)) return { ref, shared: false };
  const shape = [...outer, ...ref.shape.slice(-2)];
  return { ref: addMap(tape, shape, ref.dtype, (read) => read.broadcast(ref)), shared: false };
};

const product = (tape: Tape, inputs: Inputs, attrs: Attributes): Ref => {
  const a = input(inputs, 'a');
  const b = input(inputs, 'b');
  const transposeA = attrs['transposeA'] === true;
  const transposeB = attrs['transposeB'] === true;
  const [a0 = 1, a1 = 1] = a.shape.slice(-2);
  const [b0 = 1, b1 = 1] = b.shape.slice(-2);
  const [m, k] = transposeA ? [a1, a0] : [a0, a1];
  const n = transposeB ? b0 : b1;
  const outer = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const left = spread(tape, a, outer);
  const right = spread(tape, b, outer);
  const batch = elements(outer);
  return addNode(tape, [...outer, m, n], 'float32', (out) => ({
    type: 'matMul',
    out,
    a: left.ref.value,
    b: right.ref.value,
    m,
    n,
    k,
    transposeA,
    transposeB,
    batch,
    strideA: left.shared ? 0 : m * k,
    strideB: right.shared ? 0 : n * k,
  }));
};

/** Bias and activation of a fused kernel, as the maps that the unfused ones would be. */
export const finish = (tape: Tape, y: Ref, inputs: Inputs, attrs: Attributes): Ref => {
  const { bias } = inputs;
  const sum =
    bias === undefined
      ? y
      : addMap(tape, y.shape, y.dtype, (read) =>
          call('add', read.broadcast(y), read.broadcast(bias)),
        );
  const activation = (attrs['activation'] ?? 'linear') as string;
  if (activation === 'linear') return sum;
  const apply: Readonly<Record<string, (x: Expr) => Expr>> = {
    relu: (x) => call('relu', x),
    relu6,
    elu: eluOf,
    sigmoid: (x) => call('sigmoid', x),
    leakyrelu: (x) => leakyRelu(x, numberOf(attrs, 'leakyreluAlpha', 0.2)),
  };
  const wanted = apply[activation];
  if (wanted === undefined) throw new Unrecordable(`the fused activation ${activation}`);
  return addMap(tape, sum.shape, sum.dtype, (read) => wanted(read.broadcast(sum)));
};

/**
 * [outer, size, inner] with the reduced axes in the middle, moved there first where they are apart.
 */
const aligned = (
  tape: Tape,
  x: Ref,
  axes: readonly number[],
): { readonly x: Ref; readonly outer: number; readonly size: number; readonly inner: number } => {
  const [first = 0] = axes;
  const together = axes.every((axis, i) => axis === first + i);
  const size = axes.reduce((product_, axis) => product_ * (x.shape[axis] ?? 1), 1);
  if (together) {
    const inner = elements(x.shape.slice(first + axes.length));
    return { x, outer: elements(x.shape.slice(0, first)), size, inner };
  }
  const own = stridesOf(x.shape);
  const order = [...x.shape.keys()].filter((dim) => !axes.includes(dim)).concat(axes);
  const moved = addMap(
    tape,
    order.map((dim) => x.shape[dim] ?? 1),
    x.dtype,
    (read) => read.view({ value: x.value, offset: 0, strides: order.map((dim) => own[dim] ?? 0) }),
  );
  return { x: moved, outer: elements(x.shape) / size, size, inner: 1 };
};

const axesOf = (attrs: Attributes, rank: number): number[] => {
  const { axis } = attrs;
  if (axis === undefined || axis === null) return [...Array(rank).keys()];
  return numbersOf(attrs, 'axis')
    .map((dim) => (dim < 0 ? dim + rank : dim))
    .toSorted((a, b) => a - b);
};

const reduced =
  (op: ReduceOp, dtype?: DType, mean = false): Lower =>
  (tape, inputs, attrs) => {
    const x = input(inputs, 'x');
    const axes = axesOf(attrs, x.shape.length);
    const shape = x.shape.flatMap((size, dim) =>
      axes.includes(dim) ? (attrs['keepDims'] === true ? [1] : []) : [size],
    );
    if (axes.length === 0) return x;
    const parts = aligned(tape, x, axes);
    const scaled = mean
      ? { epilogue: { shape, expr: call('div', SELF, constant(parts.size)), views: [] } }
      : {};
    return addNode(tape, shape, dtype ?? (x.dtype === 'bool' ? 'int32' : x.dtype), (out) => ({
      type: 'reduce',
      op,
      out,
      input: parts.x.value,
      ...scaled,
      outer: parts.outer,
      size: parts.size,
      inner: parts.inner,
    }));
  };

const softmax: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'logits');
  const dim = numberOf(attrs, 'dim', -1);
  const columns = x.shape.at(-1) ?? 1;
  if (dim !== -1 && dim !== x.shape.length - 1)
    throw new Unrecordable('a softmax over another dimension than the last');
  const rows = elements(x.shape) / columns;
  const value = x.value;
  return addNode(tape, x.shape, x.dtype, (out) => ({
    type: 'softmax',
    out,
    input: value,
    rows,
    columns,
  }));
};

const gather: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const indices = input(inputs, 'indices');
  const axis = numberOf(attrs, 'axis', 0);
  if (numberOf(attrs, 'batchDims', 0) !== 0) throw new Unrecordable('a gather over batches');
  const at = axis < 0 ? axis + x.shape.length : axis;
  const before = x.shape.slice(0, at);
  const after = x.shape.slice(at + 1);
  return addNode(tape, [...before, ...indices.shape, ...after], x.dtype, (out) => ({
    type: 'gather',
    out,
    params: x.value,
    indices: indices.value,
    outer: elements(before),
    axisSize: x.shape[at] ?? 1,
    count: elements(indices.shape),
    inner: elements(after),
  }));
};

const segmentSum: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const ids = input(inputs, 'segmentIds');
  const segments = numberOf(attrs, 'numSegments');
  const rest = x.shape.slice(ids.shape.length);
  return addNode(tape, [segments, ...rest], x.dtype, (out) => ({
    type: 'segmentSum',
    out,
    x: x.value,
    ids: ids.value,
    segments,
    count: elements(ids.shape),
    inner: elements(rest),
  }));
};

const oneHot: Lower = (tape, inputs, attrs) => {
  const indices = input(inputs, 'indices');
  const shape = [...indices.shape, numberOf(attrs, 'depth')];
  const on = constant(numberOf(attrs, 'onValue', 1));
  const off = constant(numberOf(attrs, 'offValue', 0));
  const wide = reshaped(indices, [...indices.shape, 1]);
  return addMap(tape, shape, (attrs['dtype'] ?? 'int32') as DType, (read) =>
    call(
      'select',
      call('equal', read.broadcast(wide), { type: 'coordinate', dim: shape.length - 1 }),
      on,
      off,
    ),
  );
};

export const MATRIX: Readonly<Record<string, Lower>> = {
  BatchMatMul: product,
  _FusedMatMul: (tape, inputs, attrs) => finish(tape, product(tape, inputs, attrs), inputs, attrs),
  Sum: reduced('sum'),
  Mean: reduced('sum', 'float32', true),
  Max: reduced('max'),
  Min: reduced('min'),
  Prod: reduced('prod'),
  All: reduced('min', 'bool'),
  Any: reduced('max', 'bool'),
  ArgMax: reduced('argMax', 'int32'),
  ArgMin: reduced('argMin', 'int32'),
  Softmax: softmax,
  GatherV2: gather,
  UnsortedSegmentSum: segmentSum,
  OneHot: oneHot,
};
