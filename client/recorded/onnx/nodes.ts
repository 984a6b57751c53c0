/** @module Nodes that are neither maps nor windows, as ONNX operators, row-major. */
import type { Elementwise, Expr, MatMulNode, Node, ReduceNode, ReduceOp } from '../ir.ts';
import { SELF } from '../expr.ts';
import type { Builder, Operand } from './builder.ts';

/** The number that is added to each column, where the expression begins with it, and the rest. */
export interface Biased {
  readonly bias: number;
  readonly expr: Expr;
}

const isSelf = (expr: Expr | undefined): boolean => expr?.type === 'self';

/**
 * Takes `self + b[column]` out of an epilogue that uses `self` nowhere else; undefined where it is
 * otherwise. `columns` is the length of the node's last dimension.
 */
export const biasOf = (part: Elementwise, columns: number): Biased | undefined => {
  const last = part.shape.length - 1;
  if (part.shape[last] !== columns) return undefined;
  const perColumn = (expr: Expr | undefined): number | undefined => {
    const own = expr?.type === 'view' ? part.views[expr.index] : undefined;
    const straight = own?.strides.every((stride, dim) => stride === (dim === last ? 1 : 0));
    return own?.clip === undefined && own?.offset === 0 && straight === true
      ? own.value
      : undefined;
  };
  const found = new Set<number>();
  let alone = true;
  const strip = (expr: Expr): Expr => {
    if (expr.type === 'self') alone = false;
    if (expr.type !== 'call') return expr;
    const [a, b] = expr.args;
    const bias = isSelf(a) ? perColumn(b) : isSelf(b) ? perColumn(a) : undefined;
    if (expr.op !== 'add' || bias === undefined) return { ...expr, args: expr.args.map(strip) };
    found.add(bias);
    return SELF;
  };
  const expr = strip(part.expr);
  const [bias] = found;
  return alone && found.size === 1 && bias !== undefined ? { bias, expr } : undefined;
};

/** `target - self x rate`, as plain SGD's update is: the views of both, or undefined. */
export const updateOf = (
  part: Elementwise,
): { readonly target: number; readonly rate: number } | undefined => {
  const { expr, views } = part;
  if (expr.type !== 'call' || expr.op !== 'sub') return undefined;
  const [target, product] = expr.args;
  if (target?.type !== 'view' || product?.type !== 'call' || product.op !== 'mul') return undefined;
  const [self, rate] = product.args;
  if (!isSelf(self) || rate?.type !== 'view') return undefined;
  const scale = views[rate.index];
  if (scale === undefined || scale.clip !== undefined || scale.offset !== 0) return undefined;
  if (scale.strides.some((stride) => stride !== 0)) return undefined;
  return { target: target.index, rate: scale.value };
};

/** One product: `added` (of the same shape, or one row) and `factor` (one number) are optional. */
export const gemm = (
  builder: Builder,
  node: MatMulNode,
  added?: Operand,
  factor?: Operand,
): Operand => {
  const { m, n, k } = node;
  let a = builder.rows(node.a, node.transposeA ? [k, m] : [m, k]);
  let b = builder.rows(node.b, node.transposeB ? [n, k] : [k, n]);
  // The smaller operand is scaled, which costs least.
  if (factor !== undefined && m < n) a = builder.op('Mul', [a.name, factor.name], a.shape);
  else if (factor !== undefined) b = builder.op('Mul', [b.name, factor.name], b.shape);
  return builder.op(
    'Gemm',
    [a.name, b.name, ...(added === undefined ? [] : [added.name])],
    [m, n],
    { transA: Number(node.transposeA), transB: Number(node.transposeB) },
  );
};

export const matMulTensor = (builder: Builder, node: MatMulNode): Operand => {
  const { m, n, k, batch } = node;
  if (batch === 1) return gemm(builder, node);
  const side = (value: number, stride: number, shape: readonly number[], transposed: boolean) => {
    const rows = builder.rows(value, [stride === 0 ? 1 : batch, ...shape]);
    return transposed ? builder.transpose(rows, [0, 2, 1]) : rows;
  };
  const a = side(node.a, node.strideA, node.transposeA ? [k, m] : [m, k], node.transposeA);
  const b = side(node.b, node.strideB, node.transposeB ? [n, k] : [k, n], node.transposeB);
  return builder.op('MatMul', [a.name, b.name], [batch, m, n]);
};

const REDUCTIONS: Readonly<Record<Exclude<ReduceOp, 'argMax' | 'argMin'>, string>> = {
  sum: 'ReduceSum',
  max: 'ReduceMax',
  min: 'ReduceMin',
  prod: 'ReduceProd',
};

export const reduceTensor = (builder: Builder, node: ReduceNode): Operand => {
  const { outer, size, inner } = node;
  const shape = [outer, inner];
  if (node.op === 'argMax' || node.op === 'argMin') {
    const x = builder.rows(node.input, [outer, size, inner]);
    const name = node.op === 'argMax' ? 'ArgMax' : 'ArgMin';
    const index = builder.op(name, [x.name], shape, { axis: 1, keepdims: 0 });
    return builder.op('Cast', [index.name], shape, { to: 1 });
  }
  const image = builder.imageShape(node.input);
  // Sums over all but the channels, such as a bias's gradient, need no other order.
  if (image !== undefined && outer === 1 && inner === image[3]) {
    const x = builder.image(node.input, image);
    const axes = builder.integers([0, 2, 3]);
    return builder.op(REDUCTIONS[node.op], [x.name, axes], [inner], { keepdims: 0 });
  }
  // With as few dimensions as the operand is likely to have.
  const whole = outer === 1 ? [size, inner] : inner === 1 ? [outer, size] : [outer, size, inner];
  const axis = outer === 1 ? 0 : 1;
  const kept = outer === 1 ? [inner] : inner === 1 ? [outer, 1] : shape;
  const x = builder.rows(node.input, whole);
  const axes = builder.integers([axis]);
  const keepdims = outer !== 1 && inner === 1 ? 1 : 0;
  return builder.op(REDUCTIONS[node.op], [x.name, axes], kept, { keepdims });
};

/** Whole numbers between `low` and `high`, for operators that refuse others. */
const indicesOf = (
  builder: Builder,
  value: number,
  count: number,
  shift: number,
  high: number,
): string => {
  const given = builder.rows(value, [count]);
  const moved =
    shift === 0
      ? given
      : builder.op('Add', [given.name, builder.floats([shift], []).name], [count]);
  const [low, top] = [builder.floats([0], []), builder.floats([high], [])];
  const kept = builder.op('Clip', [moved.name, low.name, top.name], [count]);
  return builder.op('Cast', [kept.name], [count], { to: 7 }).name;
};

export type SimpleNode = Extract<Node, { type: 'reduce' | 'softmax' | 'gather' | 'segmentSum' }>;

export const simpleTensor = (builder: Builder, node: SimpleNode): Operand => {
  switch (node.type) {
    case 'reduce':
      return reduceTensor(builder, node);
    case 'softmax': {
      const x = builder.rows(node.input, [node.rows, node.columns]);
      return builder.op('Softmax', [x.name], x.shape, { axis: 1 });
    }
    case 'gather': {
      const { outer, axisSize, count, inner } = node;
      const x = builder.rows(node.params, [outer, axisSize, inner]);
      const indices = indicesOf(builder, node.indices, count, 0, axisSize - 1);
      return builder.op('Gather', [x.name, indices], [outer, count, inner], { axis: 1 });
    }
    case 'segmentSum': {
      const { segments, count, inner } = node;
      // A row before and one behind take what belongs to no segment.
      const ids = indicesOf(builder, node.ids, count, 1, segments + 1);
      const zeros = builder.floats(new Float32Array((segments + 2) * inner), [segments + 2, inner]);
      const at = builder.op('Reshape', [ids, builder.integers([count, 1])], [count, 1]);
      const x = builder.rows(node.x, [count, inner]);
      const sums = builder.op('ScatterND', [zeros.name, at.name, x.name], zeros.shape, {
        reduction: 'add',
      });
      const [start, end, axis] = [[1], [segments + 1], [0]].map((each) => builder.integers(each));
      return builder.op(
        'Slice',
        [sums.name, start ?? '', end ?? '', axis ?? ''],
        [segments, inner],
      );
    }
  }
};
