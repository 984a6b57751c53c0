/**
 * @module Expressions over the elements of a shape: building, rewriting, and evaluating on numbers.
 */
import type { Expr, ScalarOp } from './ir.ts';

export const call = (op: ScalarOp, ...args: readonly Expr[]): Expr =>
  fold({ type: 'call', op, args });
export const constant = (value: number): Expr => ({ type: 'constant', value });
export const view = (index: number): Expr => ({ type: 'view', index });
export const SELF: Expr = { type: 'self' };

const bit = (condition: boolean): number => (condition ? 1 : 0);

/** Rounds halves to even, as tfjs does. */
const roundEven = (x: number): number => {
  const below = Math.floor(x);
  if (x - below < 0.5) return below;
  if (x - below > 0.5) return below + 1;
  return below % 2 === 0 ? below : below + 1;
};

/** Abramowitz and Stegun 7.1.26, as tfjs's cpu backend has it. */
const erf = (x: number): number => {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const p =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - p * Math.exp(-x * x));
};

const EVALUATE: Readonly<Record<ScalarOp, (a: number, b: number, c: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  pow: (a, b) => a ** b,
  mod: (a, b) => a - Math.floor(a / b) * b,
  atan2: (a, b) => Math.atan2(a, b),
  greater: (a, b) => bit(a > b),
  greaterEqual: (a, b) => bit(a >= b),
  less: (a, b) => bit(a < b),
  lessEqual: (a, b) => bit(a <= b),
  equal: (a, b) => bit(a === b),
  notEqual: (a, b) => bit(a !== b),
  and: (a, b) => bit(a !== 0 && b !== 0),
  or: (a, b) => bit(a !== 0 || b !== 0),
  not: (a) => bit(a === 0),
  select: (a, b, c) => (a === 0 ? c : b),
  neg: (a) => -a,
  abs: (a) => Math.abs(a),
  exp: (a) => Math.exp(a),
  log: (a) => Math.log(a),
  sqrt: (a) => Math.sqrt(a),
  floor: (a) => Math.floor(a),
  ceil: (a) => Math.ceil(a),
  round: (a) => roundEven(a),
  trunc: (a) => Math.trunc(a),
  sign: (a) => Math.sign(a),
  sin: (a) => Math.sin(a),
  cos: (a) => Math.cos(a),
  tanh: (a) => Math.tanh(a),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  erf: (a) => erf(a),
  relu: (a) => (a < 0 ? 0 : a),
  step: (a) => bit(a > 0),
};

/**
 * The value of an expression, the leaves by `leaf`; every intermediate result rounded to float32.
 */
export const evaluate = (expr: Expr, leaf: (expr: Expr) => number): number => {
  if (expr.type === 'constant') return expr.value;
  if (expr.type !== 'call') return leaf(expr);
  const [a = 0, b = 0, c = 0] = expr.args.map((arg) => evaluate(arg, leaf));
  return Math.fround(EVALUATE[expr.op](a, b, c));
};

const isConstant = (expr: Expr | undefined, value: number): boolean =>
  expr?.type === 'constant' && expr.value === value;

/**
 * Constants are computed once; x * 1, x / 1 and x + 0 are x. None of these changes a float32 but
 * the sign of zero.
 */
export const fold = (expr: Expr): Expr => {
  if (expr.type !== 'call') return expr;
  const [a, b] = expr.args;
  if (a === undefined) return expr;
  if (expr.args.every(({ type }) => type === 'constant')) return constant(evaluate(expr, () => 0));
  if (b !== undefined) {
    if ((expr.op === 'mul' || expr.op === 'div') && isConstant(b, 1)) return a;
    if (expr.op === 'mul' && isConstant(a, 1)) return b;
    if ((expr.op === 'add' || expr.op === 'sub') && isConstant(b, 0)) return a;
    if (expr.op === 'add' && isConstant(a, 0)) return b;
  }
  return expr;
};

/** Puts something in the place of every leaf. */
export const replaceLeaves = (expr: Expr, leaf: (expr: Expr) => Expr): Expr => {
  if (expr.type === 'constant') return expr;
  if (expr.type !== 'call') return leaf(expr);
  return fold({ ...expr, args: expr.args.map((arg) => replaceLeaves(arg, leaf)) });
};

/** How many calls, and how many of them are costly enough not to be repeated. */
export const costOf = (expr: Expr): { readonly calls: number; readonly costly: number } => {
  if (expr.type !== 'call') return { calls: 0, costly: 0 };
  const costly = ['exp', 'log', 'pow', 'tanh', 'sigmoid', 'erf', 'sin', 'cos', 'atan2'];
  const parts = expr.args.map(costOf);
  return {
    calls: 1 + parts.reduce((sum, { calls }) => sum + calls, 0),
    costly: Number(costly.includes(expr.op)) + parts.reduce((sum, part) => sum + part.costly, 0),
  };
};

export const usesLeaf = (expr: Expr, type: 'self' | 'view' | 'coordinate'): boolean =>
  expr.type === type || (expr.type === 'call' && expr.args.some((arg) => usesLeaf(arg, type)));
