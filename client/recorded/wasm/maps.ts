/**
 * @module Elementwise nodes as WebAssembly: loops over the shape, four elements at a time where no
 * view parts neighbours and every function has a vector form.
 */
import { usesLeaf } from '../expr.ts';
import { type Elementwise, type Expr, type ScalarOp, type View, elements } from '../ir.ts';
import {
  F32,
  I32,
  type ImportName,
  V128,
  type WasmFunction,
  importIndex,
  signed,
  unsigned,
} from './module.ts';

const CONST_I32 = (value: number): number[] => [0x41, ...signed(value)];
const get = (local: number): number[] => [0x20, ...unsigned(local)];
const set = (local: number): number[] => [0x21, ...unsigned(local)];
const tee = (local: number): number[] => [0x22, ...unsigned(local)];
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

const floatBytes = (value: number): number[] => [...new Uint8Array(Float32Array.of(value).buffer)];

const VECTOR_OPS: Readonly<Partial<Record<ScalarOp, number>>> = {
  add: 0xe4,
  sub: 0xe5,
  mul: 0xe6,
  div: 0xe7,
  min: 0xe8,
  max: 0xe9,
  abs: 0xe0,
  neg: 0xe1,
  sqrt: 0xe3,
  ceil: 0x67,
  floor: 0x68,
  trunc: 0x69,
  round: 0x6a,
};
const SCALAR_OPS: Readonly<Partial<Record<ScalarOp, number>>> = {
  add: 0x92,
  sub: 0x93,
  mul: 0x94,
  div: 0x95,
  min: 0x96,
  max: 0x97,
  abs: 0x8b,
  neg: 0x8c,
  sqrt: 0x91,
  ceil: 0x8d,
  floor: 0x8e,
  trunc: 0x8f,
  round: 0x90,
};
/** [scalar, vector] */
const COMPARISONS: Readonly<Partial<Record<ScalarOp, readonly [number, number]>>> = {
  equal: [0x5b, 0x41],
  notEqual: [0x5c, 0x42],
  less: [0x5d, 0x43],
  greater: [0x5e, 0x44],
  lessEqual: [0x5f, 0x45],
  greaterEqual: [0x60, 0x46],
};

const ZERO: Expr = { type: 'constant', value: 0 };
const ONE: Expr = { type: 'constant', value: 1 };
const call = (op: ScalarOp, ...args: readonly Expr[]): Expr => ({ type: 'call', op, args });

const constant = (value: number): Expr => ({ type: 'constant', value });

/** Abramowitz and Stegun 7.1.26, as tfjs's cpu backend has it. */
const ERF = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];

const erfOf = (x: Expr): Expr => {
  const size = call('abs', x);
  const t = call('div', ONE, call('add', ONE, call('mul', constant(0.3275911), size)));
  const sum = ERF.reduce<Expr>(
    (p, factor) => call('mul', call('add', p, constant(factor)), t),
    ZERO,
  );
  const tail = call('mul', sum, call('exp', call('neg', call('mul', x, x))));
  return call('mul', call('sign', x), call('sub', ONE, tail));
};

/** Functions in terms of simpler ones. */
const expanded = (expr: Expr & { type: 'call' }): Expr => {
  const [a = ZERO, b = ZERO] = expr.args;
  switch (expr.op) {
    case 'relu':
      return call('select', call('less', a, ZERO), ZERO, a);
    case 'step':
      return call('greater', a, ZERO);
    case 'and':
      return call('mul', call('notEqual', a, ZERO), call('notEqual', b, ZERO));
    case 'or':
      return call('max', call('notEqual', a, ZERO), call('notEqual', b, ZERO));
    case 'not':
      return call('equal', a, ZERO);
    case 'sign':
      return call('sub', call('greater', a, ZERO), call('less', a, ZERO));
    case 'mod':
      return call('sub', a, call('mul', call('floor', call('div', a, b)), b));
    case 'erf':
      return erfOf(a);
    case 'sigmoid':
      return call('div', ONE, call('add', ONE, call('exp', call('neg', a))));
    default:
      return expr;
  }
};

const IMPORTED = new Set<ScalarOp>(['exp', 'log', 'sin', 'cos', 'tanh', 'pow', 'atan2']);

const vectorisable = (expr: Expr): boolean =>
  expr.type !== 'call' ||
  (!IMPORTED.has(expr.op) &&
    expr.op !== 'sigmoid' &&
    expr.op !== 'erf' &&
    expr.args.every(vectorisable));

/** Numbers that neighbours of the last dimension share or follow each other in. */
const byFours = (part: Elementwise): boolean => {
  const last = part.shape.length - 1;
  if (usesLeaf(part.expr, 'coordinate') || !vectorisable(part.expr)) return false;
  if (
    part.views.some(
      ({ strides, clip }) =>
        clip !== undefined || (strides[last] ?? 0) > 1 || (strides[last] ?? 0) < 0,
    )
  )
    return false;
  // Buffers end at a multiple of four, so that a single dimension may be rounded up.
  return part.shape.length === 1 || (part.shape[last] ?? 1) % 4 === 0;
};

interface Writer {
  readonly part: Elementwise;
  readonly wide: boolean;
  readonly locals: number[];
  /** Locals that count along the dimensions. */
  readonly counters: readonly number[];
  readonly addressOf: (value: number) => number;
  readonly known: Map<string, number>;
}

const local = (writer: Writer, type: number): number => writer.locals.push(type) - 1;

const loadView = (writer: Writer, view: View): number[] => {
  const { part, wide, counters, addressOf } = writer;
  const last = part.shape.length - 1;
  const code = CONST_I32(addressOf(view.value) + view.offset * 4);
  for (const [dim, stride] of view.strides.entries())
    if (stride !== 0 && (part.shape[dim] ?? 1) > 1)
      code.push(...get(counters[dim] ?? 0), ...CONST_I32(stride * 4), 0x6c, 0x6a);
  if (!wide) code.push(0x2a, 2, 0);
  else code.push(...simd((view.strides[last] ?? 0) === 1 ? 0x00 : 0x09), 2, 0);
  if (view.clip === undefined) return code;
  const tests: number[][] = [];
  for (const [dim, [from, to]] of view.clip.ranges.entries()) {
    const counter = get(counters[dim] ?? 0);
    if (from > 0) tests.push([...counter, ...CONST_I32(from), 0x4e]);
    if (to < (part.shape[dim] ?? 1)) tests.push([...counter, ...CONST_I32(to), 0x48]);
  }
  if (tests.length === 0) return code;
  const joined = tests.flatMap((test, i) => (i === 0 ? test : [...test, 0x71]));
  return [...joined, 0x04, F32, ...code, 0x05, 0x43, ...floatBytes(view.clip.fill), 0x0b];
};

const emitConstant = ({ wide }: Writer, value: number): number[] =>
  wide
    ? [
        ...simd(0x0c),
        ...floatBytes(value),
        ...floatBytes(value),
        ...floatBytes(value),
        ...floatBytes(value),
      ]
    : [0x43, ...floatBytes(value)];

const emitCall = (writer: Writer, expr: Expr & { type: 'call' }): number[] => {
  const { wide } = writer;
  const simple = expanded(expr);
  if (simple !== expr) return emit(writer, simple);
  if (expr.op === 'select') {
    // In the order in which they run: a value kept by one is there for the next.
    const [condition = ZERO, yes = ZERO, no = ZERO] = expr.args;
    const chosen = [...emit(writer, yes), ...emit(writer, no)];
    const test = [...emit(writer, condition), ...emitConstant(writer, 0)];
    return [...chosen, ...test, ...(wide ? [...simd(0x42), ...simd(0x52)] : [0x5c, 0x1b])];
  }
  const args = expr.args.map((arg) => emit(writer, arg));
  const comparison = COMPARISONS[expr.op];
  if (comparison !== undefined)
    return wide
      ? [...args.flat(), ...simd(comparison[1]), ...emitConstant(writer, 1), ...simd(0x4e)]
      : [...args.flat(), comparison[0], 0xb2];
  const opcode = wide ? VECTOR_OPS[expr.op] : SCALAR_OPS[expr.op];
  if (opcode !== undefined) return [...args.flat(), ...(wide ? simd(opcode) : [opcode])];
  if (IMPORTED.has(expr.op)) {
    const promoted = args.flatMap((arg) => [...arg, 0xbb]);
    return [...promoted, 0x10, ...unsigned(importIndex(expr.op as ImportName)), 0xb6];
  }
  throw new RangeError(`no WebAssembly for ${expr.op}`);
};

/** Code that pushes the value; a call's is kept in a local, so that nothing is computed twice. */
const emit = (writer: Writer, expr: Expr): number[] => {
  if (expr.type === 'constant') return emitConstant(writer, expr.value);
  if (expr.type === 'coordinate') return [...get(writer.counters[expr.dim] ?? 0), 0xb2];
  if (expr.type === 'self') throw new RangeError('a map has no value of its own');
  const key = JSON.stringify(expr);
  const known = writer.known.get(key);
  if (known !== undefined) return get(known);
  const view = expr.type === 'view' ? writer.part.views[expr.index] : undefined;
  const code =
    expr.type === 'call'
      ? emitCall(writer, expr)
      : view === undefined
        ? emitConstant(writer, 0)
        : loadView(writer, view);
  // What `emitCall` made for a simpler expression is known under that one already.
  const kept = local(writer, writer.wide ? V128 : F32);
  writer.known.set(key, kept);
  return [...code, ...tee(kept)];
};

/** A loop of `counter` from 0 below `size`. */
const loop = (counter: number, size: number, step: number, inner: readonly number[]): number[] => [
  ...CONST_I32(0),
  ...set(counter),
  0x03,
  0x40,
  ...inner,
  ...get(counter),
  ...CONST_I32(step),
  0x6a,
  ...tee(counter),
  ...CONST_I32(size),
  0x48,
  0x0d,
  0,
  0x0b,
];

/** The map as a function that writes `out` (an address); `addressOf` a value's. */
export const mapFunction = (
  part: Elementwise,
  out: number,
  addressOf: (value: number) => number,
): WasmFunction => {
  const shape = part.shape.length === 0 ? [1] : part.shape;
  const whole: Elementwise = {
    ...part,
    shape,
    views: part.views.map((view) => (part.shape.length === 0 ? { ...view, strides: [0] } : view)),
  };
  const wide = byFours(whole);
  const locals: number[] = [I32];
  const counters = shape.map(() => locals.push(I32) - 1);
  const writer: Writer = { part: whole, wide, locals, counters, addressOf, known: new Map() };
  const value = emit(writer, whole.expr);
  // Local 0 is the address that is written, and runs on.
  const store = [
    ...get(0),
    ...value,
    ...(wide ? [...simd(0x0b), 2, 0] : [0x38, 2, 0]),
    ...get(0),
    ...CONST_I32(wide ? 16 : 4),
    0x6a,
    ...set(0),
  ];
  let code: number[] = store;
  for (let dim = shape.length - 1; dim >= 0; dim--)
    code = loop(
      counters[dim] ?? 0,
      shape[dim] ?? 1,
      wide && dim === shape.length - 1 ? 4 : 1,
      code,
    );
  const body = elements(shape) === 0 ? [] : [...CONST_I32(out), ...set(0), ...code];
  return { locals, code: body };
};
