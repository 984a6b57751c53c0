/** @module Elementwise expressions as ONNX operators, one for each call. */
import { type Elementwise, type Expr, type ScalarOp, elements } from '../ir.ts';
import { Unrecordable } from '../lower/tape.ts';
import { usesLeaf } from '../expr.ts';
import { isPlain, refine } from '../views.ts';
import { type Builder, type ImageShape, type Operand, broadcast } from './builder.ts';
import { viewTensor } from './views.ts';

const DIRECT: Readonly<Partial<Record<ScalarOp, string>>> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  max: 'Max',
  min: 'Min',
  pow: 'Pow',
  neg: 'Neg',
  abs: 'Abs',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  floor: 'Floor',
  ceil: 'Ceil',
  round: 'Round',
  sign: 'Sign',
  sin: 'Sin',
  cos: 'Cos',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
  erf: 'Erf',
  relu: 'Relu',
};
/** Operators whose result is a boolean. */
const TESTS: Readonly<Partial<Record<ScalarOp, string>>> = {
  greater: 'Greater',
  greaterEqual: 'GreaterOrEqual',
  less: 'Less',
  lessEqual: 'LessOrEqual',
  equal: 'Equal',
};
const LOGIC: Readonly<Partial<Record<ScalarOp, string>>> = { and: 'And', or: 'Or', not: 'Not' };

const ZERO: Expr = { type: 'constant', value: 0 };
const call = (op: ScalarOp, ...args: readonly Expr[]): Expr & { type: 'call' } => ({
  type: 'call',
  op,
  args,
});

type Leaf = (expr: Expr) => Operand;

/** Emits expressions of one node: what occurs twice is computed once. */
const createEmitter = (builder: Builder, leaf: Leaf) => {
  const known = new Map<string, Operand>();
  const apply = (op: string, args: readonly Operand[], flag = false): Operand => {
    const shape = args.reduce<readonly number[]>((sum, arg) => broadcast(sum, arg.shape), []);
    const names = args.map(({ name }) => name);
    return { ...builder.op(op, names, shape), ...(flag ? { flag } : {}) };
  };
  const number = (operand: Operand): Operand =>
    operand.flag === true ? builder.op('Cast', [operand.name], operand.shape, { to: 1 }) : operand;
  const flagged = (operand: Operand): Operand =>
    operand.flag === true
      ? operand
      : apply('Not', [apply('Equal', [operand, emit(ZERO)], true)], true);
  const compute = (expr: Expr & { type: 'call' }): Operand => {
    const { op, args } = expr;
    const [a = ZERO, b = ZERO, c = ZERO] = args;
    // Of a product with 0 or 1, such as relu's gradient, a choice.
    if (op === 'mul' && a.type === 'call' && a.op === 'step')
      return emit(call('select', call('greater', a.args[0] ?? ZERO, ZERO), b, ZERO));
    if (op === 'mul' && b.type === 'call' && b.op === 'step')
      return emit(call('select', call('greater', b.args[0] ?? ZERO, ZERO), a, ZERO));
    const test = TESTS[op];
    if (test !== undefined)
      return apply(
        test,
        args.map((arg) => number(emit(arg))),
        true,
      );
    const logic = LOGIC[op];
    if (logic !== undefined)
      return apply(
        logic,
        args.map((arg) => flagged(emit(arg))),
        true,
      );
    const direct = DIRECT[op];
    if (direct !== undefined)
      return apply(
        direct,
        args.map((arg) => number(emit(arg))),
      );
    switch (op) {
      case 'notEqual':
        return apply('Not', [emit(call('equal', a, b))], true);
      case 'step':
        return emit(call('greater', a, ZERO));
      case 'select':
        return apply('Where', [flagged(emit(a)), number(emit(b)), number(emit(c))]);
      case 'mod':
        return emit(call('sub', a, call('mul', call('floor', call('div', a, b)), b)));
      case 'trunc':
        return emit(call('mul', call('sign', a), call('floor', call('abs', a))));
      default:
        throw new Unrecordable(`${op} on ONNX`);
    }
  };
  const emit = (expr: Expr): Operand => {
    const key = JSON.stringify(expr);
    const there = known.get(key);
    if (there !== undefined) return there;
    const made =
      expr.type === 'call'
        ? compute(expr)
        : expr.type === 'constant'
          ? builder.floats([expr.value], [])
          : leaf(expr);
    known.set(key, made);
    return made;
  };
  return (expr: Expr): Operand => number(emit(expr));
};

/** The result in its full shape. */
const spread = (builder: Builder, operand: Operand, shape: readonly number[]): Operand => {
  if (operand.shape.join() === shape.join()) return operand;
  if (elements(operand.shape) === elements(shape)) return builder.reshape(operand, shape);
  return builder.op('Expand', [operand.name, builder.integers(shape)], shape);
};

const coordinateOf = (builder: Builder, shape: readonly number[], dim: number): Operand =>
  builder.floats(
    Array.from({ length: shape[dim] ?? 1 }, (_, i) => i),
    shape.map((length, other) => (other === dim ? length : 1)),
  );

/**
 * The part over a shape that its operands have already, if it follows one: that saves reshapes.
 * Otherwise over its own.
 */
const overKnownShape = (
  builder: Builder,
  part: Elementwise,
  sizeOf: (value: number) => number,
  self: Operand | undefined,
): Elementwise => {
  const plain = part.views.filter((view) => isPlain(view, part.shape, sizeOf(view.value)));
  const known = [self?.shape, ...plain.map(({ value }) => builder.rowsShape(value))];
  for (const shape of known) {
    const finer = shape === undefined ? undefined : refineTo(part, shape);
    if (finer !== undefined) return finer;
  }
  return part;
};

/** The part, row-major; `self` is what its node computed, `sizeOf` gives a value's elements. */
export const partTensor = (
  builder: Builder,
  given: Elementwise,
  sizeOf: (value: number) => number,
  self?: Operand,
): Operand => {
  const part = overKnownShape(builder, given, sizeOf, self);
  const leaf: Leaf = (expr) => {
    if (expr.type === 'self' && self !== undefined) return builder.reshape(self, part.shape);
    if (expr.type === 'coordinate') return coordinateOf(builder, part.shape, expr.dim);
    const view = expr.type === 'view' ? part.views[expr.index] : undefined;
    if (view === undefined) throw new Unrecordable('an expression without its operand');
    return viewTensor(builder, view, sizeOf(view.value), part.shape);
  };
  return spread(builder, createEmitter(builder, leaf)(part.expr), part.shape);
};

/**
 * The part with channels first, or undefined where it does not follow the image's dimensions;
 * `self`, too, has channels first.
 */
export const partImage = (
  builder: Builder,
  part: Elementwise,
  shape: ImageShape,
  sizeOf: (value: number) => number,
  self?: Operand,
): Operand | undefined => {
  const finer = usesLeaf(part.expr, 'coordinate') ? undefined : refineTo(part, shape);
  if (finer === undefined) return undefined;
  const [batch, height, width, channels] = shape;
  const leaf: Leaf = (expr) => {
    if (expr.type === 'self' && self !== undefined) return self;
    const view = expr.type === 'view' ? finer.views[expr.index] : undefined;
    if (view === undefined) throw new Unrecordable('an expression without its operand');
    if (isPlain(view, shape, sizeOf(view.value))) return builder.image(view.value, shape);
    const own = viewTensor(builder, view, sizeOf(view.value), shape);
    return own.shape.length < 4 ? own : builder.transpose(own, [0, 3, 1, 2]);
  };
  const first = [batch, channels, height, width];
  return spread(builder, createEmitter(builder, leaf)(finer.expr), first);
};

/** The part over a finer shape, some of whose dimensions may be 1, or undefined. */
const refineTo = (part: Elementwise, shape: readonly number[]): Elementwise | undefined => {
  if (part.shape.join() === shape.join()) return part;
  if (usesLeaf(part.expr, 'coordinate') || elements(part.shape) !== elements(shape))
    return undefined;
  const wide = shape.filter((length) => length > 1);
  const finer = refine(part, wide.length === 0 ? [1] : wide);
  if (finer === undefined || finer.views.some(({ clip }) => clip !== undefined)) return undefined;
  let at = 0;
  const from = shape.map((length) => (length > 1 ? at++ : undefined));
  return {
    shape,
    expr: finer.expr,
    views: finer.views.map((view) => ({
      ...view,
      strides: from.map((dim) => (dim === undefined ? 0 : (view.strides[dim] ?? 0))),
    })),
  };
};
