/**
 * @module WGSL of expressions over the elements of a shape, one element or four neighbours at a
 * time.
 */
import { usesLeaf } from '../expr.ts';
import {
  type Elementwise,
  type Expr,
  type ScalarOp,
  type View,
  elements,
  stridesOf,
} from '../ir.ts';
import { isPlain } from '../views.ts';
import type { Bindings } from './shader.ts';

type Width = 1 | 4;

const typeOf = (width: Width): string => (width === 4 ? 'vec4f' : 'f32');

/** A WGSL literal of exactly this float32. */
export const literal = (value: number): string => {
  if (Number.isNaN(value)) return 'bitcast<f32>(0x7fc00000u)';
  if (!Number.isFinite(value)) return value > 0 ? '3.4028234e38f' : '-3.4028234e38f';
  const text = Math.fround(value).toString();
  return `${/[.e]/u.test(text) ? text : `${text}.0`}f`;
};

/** tanh overflows on some drivers for large arguments; erf is no builtin. */
export const HELPERS = (width: Width): string => {
  const t = typeOf(width);
  return `
fn f_tanh(x: ${t}) -> ${t} { return tanh(clamp(x, ${t}(-15.0), ${t}(15.0))); }
fn f_erf(x: ${t}) -> ${t} {
  let a = abs(x);
  let t = ${t}(1.0) / (${t}(1.0) + 0.3275911 * a);
  let p = ((((1.061405429 * t - ${t}(1.453152027)) * t + ${t}(1.421413741)) * t - ${t}(0.284496736)) * t
    + ${t}(0.254829592)) * t;
  return sign(x) * (${t}(1.0) - p * exp(-a * a));
}
fn f_pow(x: ${t}, y: ${t}) -> ${t} {
  let whole = round(y) == y;
  let odd = whole & (floor(y * 0.5) * 2.0 != y);
  let size = pow(abs(x), y);
  return select(size, -size, (x < ${t}(0.0)) & odd);
}
`;
};

const bit = (t: string, condition: string): string => `select(${t}(0.0), ${t}(1.0), ${condition})`;

const CALLS: Readonly<Record<ScalarOp, (t: string, a: string, b: string, c: string) => string>> = {
  add: (_, a, b) => `(${a} + ${b})`,
  sub: (_, a, b) => `(${a} - ${b})`,
  mul: (_, a, b) => `(${a} * ${b})`,
  div: (_, a, b) => `(${a} / ${b})`,
  max: (_, a, b) => `max(${a}, ${b})`,
  min: (_, a, b) => `min(${a}, ${b})`,
  pow: (_, a, b) => `f_pow(${a}, ${b})`,
  mod: (_, a, b) => `(${a} - floor(${a} / ${b}) * ${b})`,
  atan2: (_, a, b) => `atan2(${a}, ${b})`,
  greater: (t, a, b) => bit(t, `${a} > ${b}`),
  greaterEqual: (t, a, b) => bit(t, `${a} >= ${b}`),
  less: (t, a, b) => bit(t, `${a} < ${b}`),
  lessEqual: (t, a, b) => bit(t, `${a} <= ${b}`),
  equal: (t, a, b) => bit(t, `${a} == ${b}`),
  notEqual: (t, a, b) => bit(t, `${a} != ${b}`),
  and: (t, a, b) => bit(t, `(${a} != ${t}(0.0)) & (${b} != ${t}(0.0))`),
  or: (t, a, b) => bit(t, `(${a} != ${t}(0.0)) | (${b} != ${t}(0.0))`),
  not: (t, a) => bit(t, `${a} == ${t}(0.0)`),
  select: (t, a, b, c) => `select(${c}, ${b}, ${a} != ${t}(0.0))`,
  neg: (_, a) => `(-${a})`,
  abs: (_, a) => `abs(${a})`,
  exp: (_, a) => `exp(${a})`,
  log: (_, a) => `log(${a})`,
  sqrt: (_, a) => `sqrt(${a})`,
  floor: (_, a) => `floor(${a})`,
  ceil: (_, a) => `ceil(${a})`,
  round: (_, a) => `round(${a})`,
  trunc: (_, a) => `trunc(${a})`,
  sign: (_, a) => `sign(${a})`,
  sin: (_, a) => `sin(${a})`,
  cos: (_, a) => `cos(${a})`,
  tanh: (_, a) => `f_tanh(${a})`,
  sigmoid: (t, a) => `(${t}(1.0) / (${t}(1.0) + exp(-${a})))`,
  erf: (_, a) => `f_erf(${a})`,
  relu: (t, a) => `select(${a}, ${t}(0.0), ${a} < ${t}(0.0))`,
  step: (t, a) => bit(t, `${a} > ${t}(0.0)`),
};

/**
 * Whether four neighbours, from a multiple of four on, can be computed at once: no view parts them.
 */
export const canBeVector = (part: Elementwise): boolean => {
  const last = part.shape.length - 1;
  if (usesLeaf(part.expr, 'coordinate')) return false;
  if ((part.shape[last] ?? 1) % 4 !== 0) return false;
  return part.views.every(({ strides, offset, clip }) => {
    if (clip !== undefined) return false;
    if (strides[last] === 0) return true;
    if (strides[last] !== 1 || offset % 4 !== 0) return false;
    return strides.every((stride, dim) => dim === last || stride % 4 === 0);
  });
};

/** The element of a buffer bound with some width. */
const element = (name: string, width: Width, index: string): string =>
  width === 4 ? `${name}[(${index}) / 4u][(${index}) % 4u]` : `${name}[${index}]`;

export interface ElementwiseCode {
  readonly statements: string;
  readonly result: string;
}

interface Context {
  readonly part: Elementwise;
  readonly width: Width;
  readonly bindings: Bindings;
  readonly bufferOf: (value: number) => number;
  /** Width of the bindings of all buffers. */
  readonly bound: Width;
}

const indexOf = (view: View): string => {
  const terms = view.strides.flatMap((stride, dim) =>
    stride === 0 ? [] : [stride === 1 ? `i32(c${dim})` : `i32(c${dim}) * ${stride}`],
  );
  if (view.offset !== 0 || terms.length === 0) terms.push(String(view.offset));
  return terms.join(' + ');
};

const load = (context: Context, view: View, at: number): { code: string; name: string } => {
  const { part, width, bindings, bufferOf, bound } = context;
  const name = bindings.name(bufferOf(view.value), bound);
  const own = `x${at}`;
  const t = typeOf(width);
  const plain = isPlain(view, part.shape, elements(part.shape));
  const scalar = view.strides.every((stride) => stride === 0);
  const index = plain ? 'e' : `u32(${indexOf(view)})`;
  if (view.clip !== undefined) {
    const inside = view.clip.ranges.flatMap(([from, to], dim) => [
      ...(from > 0 ? [`c${dim} >= ${from}u`] : []),
      ...(to < (part.shape[dim] ?? 1) ? [`c${dim} < ${Math.max(0, to)}u`] : []),
    ]);
    const condition = inside.length === 0 ? 'true' : inside.join(' && ');
    const read = element(name, bound, index);
    const code = `  var ${own} = ${literal(view.clip.fill)};\n  if (${condition}) { ${own} = ${read}; }\n`;
    return { code, name: own };
  }
  if (scalar) {
    const read = element(name, bound, `${view.offset}u`);
    return { code: `  let ${own} = ${t}(${read});\n`, name: own };
  }
  if (width === 1) return { code: `  let ${own} = ${element(name, bound, index)};\n`, name: own };
  const repeats = view.strides.at(-1) === 0;
  const read = repeats ? element(name, bound, index) : `${name}[(${index}) / 4u]`;
  return { code: `  let ${own} = ${t}(${read});\n`, name: own };
};

/**
 * WGSL for the element (or four) of flat index `e` (a u32 in scope). `self` is the result of the
 * node itself. With `width` 4, all buffers are bound as vec4f.
 */
export const elementwiseCode = (
  part: Elementwise,
  width: Width,
  bindings: Bindings,
  bufferOf: (value: number) => number,
  self = '',
  bound: Width = width,
): ElementwiseCode => {
  const context: Context = { part, width, bindings, bufferOf, bound };
  const t = typeOf(width);
  let statements = '';
  const needsCoordinates =
    usesLeaf(part.expr, 'coordinate') ||
    part.views.some(
      (own) =>
        own.clip !== undefined ||
        (!isPlain(own, part.shape, elements(part.shape)) && own.strides.some((s) => s !== 0)),
    );
  if (needsCoordinates) {
    const strides = stridesOf(part.shape);
    for (const [dim, size] of part.shape.entries()) {
      const stride = strides[dim] ?? 1;
      const whole = stride === 1 ? 'e' : `e / ${stride}u`;
      statements += `  let c${dim} = ${dim === 0 ? whole : `(${whole}) % ${size}u`};\n`;
    }
  }
  const names = part.views.map((own, at) => {
    const loaded = load(context, own, at);
    statements += loaded.code;
    return loaded.name;
  });
  const emit = (expr: Expr): string => {
    switch (expr.type) {
      case 'self':
        return self;
      case 'view':
        return names[expr.index] ?? '0.0';
      case 'constant':
        return width === 4 ? `vec4f(${literal(expr.value)})` : literal(expr.value);
      case 'coordinate':
        return `f32(c${expr.dim})`;
      case 'call': {
        const args = expr.args.map((arg) => local(arg));
        return CALLS[expr.op](t, args[0] ?? '', args[1] ?? '', args[2] ?? '');
      }
    }
  };
  // Each call has a name, so that nothing is computed twice.
  const known = new Map<string, string>();
  const local = (expr: Expr): string => {
    const text = emit(expr);
    if (expr.type !== 'call') return text;
    const before = known.get(text);
    if (before !== undefined) return before;
    const name = `t${known.size}`;
    known.set(text, name);
    statements += `  let ${name} = ${text};\n`;
    return name;
  };
  const result = local(part.expr);
  return { statements, result };
};
