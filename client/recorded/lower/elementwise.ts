/**
 * @module Kernels that compute each element from the elements at its place, with broadcasting, as
 * map nodes.
 */
import { call, constant } from '../expr.ts';
import type { Expr, ScalarOp } from '../ir.ts';
import {
  type Attributes,
  type DType,
  type Lower,
  type Ref,
  Unrecordable,
  addMap,
  broadcastShape,
  input,
  numberOf,
} from './tape.ts';

type Build = (x: Expr, attrs: Attributes) => Expr;

const unary =
  (build: Build, dtype?: DType): Lower =>
  (tape, inputs, attrs) => {
    const x = input(inputs, 'x');
    return addMap(tape, x.shape, dtype ?? x.dtype, (read) => build(read.broadcast(x), attrs));
  };

type Combine = (a: Expr, b: Expr) => Expr;

const binary =
  (combine: Combine, dtype?: DType): Lower =>
  (tape, inputs) => {
    const a = input(inputs, 'a');
    const b = input(inputs, 'b');
    const shape = broadcastShape(a.shape, b.shape);
    const type = dtype ?? (a.dtype === 'float32' || b.dtype === 'float32' ? 'float32' : a.dtype);
    return addMap(tape, shape, type, (read) => combine(read.broadcast(a), read.broadcast(b)));
  };

const one = (op: ScalarOp): Lower => unary((x) => call(op, x));
const two = (op: ScalarOp): Lower => binary((a, b) => call(op, a, b));
const test = (op: ScalarOp): Lower => binary((a, b) => call(op, a, b), 'bool');

const ONE = constant(1);
const ZERO = constant(0);
const add = (a: Expr, b: Expr): Expr => call('add', a, b);
const sub = (a: Expr, b: Expr): Expr => call('sub', a, b);
const mul = (a: Expr, b: Expr): Expr => call('mul', a, b);
const div = (a: Expr, b: Expr): Expr => call('div', a, b);
const positive = (x: Expr): Expr => call('greater', x, ZERO);
const select = (c: Expr, a: Expr, b: Expr): Expr => call('select', c, a, b);

const SELU_ALPHA = constant(1.758099340847377);
const SELU_SCALE = constant(1.0507009873554805);

const divide: Lower = (tape, inputs, attrs) => {
  const whole = input(inputs, 'a').dtype === 'int32' && input(inputs, 'b').dtype === 'int32';
  return binary((a, b) => (whole ? call('trunc', div(a, b)) : div(a, b)))(tape, inputs, attrs);
};

const relu: Lower = (tape, inputs) => {
  const x = input(inputs, 'x');
  const y = addMap(tape, x.shape, x.dtype, (read) => call('relu', read.broadcast(x)));
  tape.relus.set(x.value, y.value);
  return y;
};

/** Where x went through relu, its output has the same sign: then nothing else keeps x alive. */
const step: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const alpha = numberOf(attrs, 'alpha', 0);
  const y = { ...x, value: alpha === 0 ? (tape.relus.get(x.value) ?? x.value) : x.value };
  return addMap(tape, x.shape, x.dtype, (read) => {
    const element = read.broadcast(y);
    return alpha === 0
      ? call('step', element)
      : select(positive(element), ONE, select(call('less', element, ZERO), constant(alpha), ZERO));
  });
};

const cast: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const dtype = attrs['dtype'] as DType;
  if (dtype === 'string' || dtype === 'complex64') throw new Unrecordable(`a cast to ${dtype}`);
  if (dtype === 'int32' && x.dtype === 'float32')
    return addMap(tape, x.shape, dtype, (read) => call('trunc', read.broadcast(x)));
  if (dtype === 'bool' && x.dtype !== 'bool')
    return addMap(tape, x.shape, dtype, (read) => call('notEqual', read.broadcast(x), ZERO));
  return { ...x, dtype };
};

const where: Lower = (tape, inputs) => {
  const condition = input(inputs, 'condition');
  const t = input(inputs, 't');
  const e = input(inputs, 'e');
  // tfjs broadcasts a condition of one dimension over the first one.
  const rows =
    condition.shape.length === 1 && t.shape.length > 1
      ? { ...condition, shape: [...condition.shape, ...t.shape.slice(1).map(() => 1)] }
      : condition;
  return addMap(tape, t.shape, t.dtype, (read) =>
    select(read.broadcast(rows), read.broadcast(t), read.broadcast(e)),
  );
};

const addMany: Lower = (tape, inputs) => {
  const terms = Object.values(inputs as Readonly<Record<string, Ref>>);
  const [first, ...rest] = terms;
  if (first === undefined) throw new Unrecordable('AddN of nothing');
  // A few at a time: a shader reads a limited number of buffers.
  return rest.reduce(
    (sum, term) =>
      addMap(tape, first.shape, first.dtype, (read) =>
        add(read.broadcast(sum), read.broadcast(term)),
      ),
    first,
  );
};

const prelu: Lower = (tape, inputs) => {
  const x = input(inputs, 'x');
  const alpha = input(inputs, 'alpha');
  return addMap(tape, broadcastShape(x.shape, alpha.shape), x.dtype, (read) => {
    const element = read.broadcast(x);
    const slope = read.broadcast(alpha);
    return select(call('less', element, ZERO), mul(element, slope), element);
  });
};

/** dy * (y >= 0 ? 1 : y + 1), in terms of elu's output y. */
const eluGradient: Lower = (tape, inputs) => {
  const dy = input(inputs, 'dy');
  const y = input(inputs, 'y');
  return addMap(tape, y.shape, y.dtype, (read) => {
    const out = read.broadcast(y);
    const slope = read.broadcast(dy);
    return select(call('greaterEqual', out, ZERO), slope, mul(slope, add(out, ONE)));
  });
};

/**
 * (x - mean) * scale / sqrt(variance + epsilon) + offset, the statistics along the last dimension.
 */
const batchNorm: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const { offset, scale } = inputs;
  const epsilon = constant(Math.fround(numberOf(attrs, 'varianceEpsilon', 0.001)));
  return addMap(tape, x.shape, x.dtype, (read) => {
    const centred = sub(read.broadcast(x), read.broadcast(input(inputs, 'mean')));
    const scaled = scale === undefined ? centred : mul(centred, read.broadcast(scale));
    const variance = add(read.broadcast(input(inputs, 'variance')), epsilon);
    const y = div(scaled, call('sqrt', variance));
    return offset === undefined ? y : add(y, read.broadcast(offset));
  });
};

const elu = (x: Expr): Expr => select(positive(x), x, sub(call('exp', x), ONE));

/** log(1 + e^x) without overflow. */
const softplus = (x: Expr): Expr =>
  add(call('relu', x), call('log', add(ONE, call('exp', call('neg', call('abs', x))))));

export const relu6 = (x: Expr): Expr => call('min', call('relu', x), constant(6));
export const leakyRelu = (x: Expr, alpha: number): Expr =>
  select(call('less', x, ZERO), mul(x, constant(Math.fround(alpha))), x);
export const eluOf = elu;

export const ELEMENTWISE: Readonly<Record<string, Lower>> = {
  Abs: one('abs'),
  Neg: one('neg'),
  Exp: one('exp'),
  Log: one('log'),
  Sqrt: one('sqrt'),
  Floor: one('floor'),
  Ceil: one('ceil'),
  Round: one('round'),
  Sign: one('sign'),
  Sin: one('sin'),
  Cos: one('cos'),
  Tanh: one('tanh'),
  Sigmoid: one('sigmoid'),
  Erf: one('erf'),
  LogicalNot: one('not'),
  Square: unary((x) => mul(x, x)),
  Rsqrt: unary((x) => div(ONE, call('sqrt', x))),
  Reciprocal: unary((x) => div(ONE, x)),
  Expm1: unary((x) => sub(call('exp', x), ONE)),
  Log1p: unary((x) => call('log', add(ONE, x))),
  Relu: relu,
  Relu6: unary(relu6),
  Elu: unary(elu),
  Selu: unary((x) =>
    select(
      call('greaterEqual', x, ZERO),
      mul(SELU_SCALE, x),
      mul(SELU_ALPHA, sub(call('exp', x), ONE)),
    ),
  ),
  Softplus: unary(softplus),
  LeakyRelu: unary((x, attrs) => leakyRelu(x, numberOf(attrs, 'alpha', 0.2))),
  ClipByValue: unary((x, attrs) =>
    call(
      'min',
      call('max', x, constant(Math.fround(numberOf(attrs, 'clipValueMin')))),
      constant(Math.fround(numberOf(attrs, 'clipValueMax'))),
    ),
  ),
  ZerosLike: unary(() => ZERO),
  OnesLike: unary(() => ONE),
  IsNan: unary((x) => call('notEqual', x, x), 'bool'),
  Add: two('add'),
  Sub: two('sub'),
  Multiply: two('mul'),
  RealDiv: divide,
  FloorDiv: binary((a, b) => call('floor', div(a, b))),
  Mod: two('mod'),
  Pow: two('pow'),
  Maximum: two('max'),
  Minimum: two('min'),
  Atan2: two('atan2'),
  SquaredDifference: binary((a, b) => mul(sub(a, b), sub(a, b))),
  Greater: test('greater'),
  GreaterEqual: test('greaterEqual'),
  Less: test('less'),
  LessEqual: test('lessEqual'),
  Equal: test('equal'),
  NotEqual: test('notEqual'),
  LogicalAnd: test('and'),
  LogicalOr: test('or'),
  Step: step,
  Cast: cast,
  Select: where,
  AddN: addMany,
  Prelu: prelu,
  EluGrad: eluGradient,
  FusedBatchNorm: batchNorm,
};
