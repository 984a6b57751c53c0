/** @module Kernels that move elements without computing: views of their input. */
import { call, constant } from '../expr.ts';
import { type Expr, type View, elements, stridesOf } from '../ir.ts';
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
  input,
  numberOf,
  numbersOf,
  reshaped,
} from './tape.ts';

const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const reshape: Lower = (_, inputs, attrs) => {
  const x = input(inputs, 'x');
  const wanted = numbersOf(attrs, 'shape');
  const known = wanted.reduce((product, size) => (size < 0 ? product : product * size), 1);
  const shape = wanted.map((size) => (size < 0 ? elements(x.shape) / known : size));
  if (elements(shape) !== elements(x.shape))
    throw new Unrecordable(`[${x.shape.join()}] reshaped to [${shape.join()}]`);
  return reshaped(x, shape);
};

const expandDims: Lower = (_, inputs, attrs) => {
  const x = input(inputs, 'input');
  const dim = axisOf(numberOf(attrs, 'dim'), x.shape.length + 1);
  return reshaped(x, [...x.shape.slice(0, dim), 1, ...x.shape.slice(dim)]);
};

const viewed = (tape: Tape, x: Ref, shape: readonly number[], view: Omit<View, 'value'>): Ref =>
  addMap(tape, shape, x.dtype, (read) => read.view({ value: x.value, ...view }));

const transpose: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const order = numbersOf(attrs, 'perm').map((axis) => axisOf(axis, x.shape.length));
  const own = stridesOf(x.shape);
  const shape = order.map((axis) => x.shape[axis] ?? 1);
  return viewed(tape, x, shape, { offset: 0, strides: order.map((axis) => own[axis] ?? 0) });
};

/** The part of x from `begin`, of `size` (-1: to the end). */
export const sliced = (
  tape: Tape,
  x: Ref,
  begin: readonly number[],
  size: readonly number[],
): Ref => {
  const strides = stridesOf(x.shape);
  const shape = x.shape.map((own, dim) => {
    const wanted = size[dim] ?? -1;
    return wanted < 0 ? own - (begin[dim] ?? 0) : wanted;
  });
  const offset = strides.reduce((sum, stride, dim) => sum + stride * (begin[dim] ?? 0), 0);
  return viewed(tape, x, shape, { offset, strides });
};

const slice: Lower = (tape, inputs, attrs) =>
  sliced(tape, input(inputs, 'x'), numbersOf(attrs, 'begin'), numbersOf(attrs, 'size'));

/** Places x in a larger shape at offset `before`; the rest is `fill`. */
const placed = (x: Ref, before: readonly number[], fill: number): View => {
  const strides = stridesOf(x.shape);
  return {
    value: x.value,
    offset: -strides.reduce((sum, stride, dim) => sum + stride * (before[dim] ?? 0), 0),
    strides,
    clip: {
      ranges: x.shape.map((size, dim) => {
        const from = before[dim] ?? 0;
        return [from, from + size] as const;
      }),
      fill,
    },
  };
};

const pad: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const paddings = attrs['paddings'] as [number, number][];
  const fill = numberOf(attrs, 'constantValue', 0);
  const shape = x.shape.map(
    (size, dim) => size + (paddings[dim]?.[0] ?? 0) + (paddings[dim]?.[1] ?? 0),
  );
  const view = placed(
    x,
    paddings.map(([before]) => before),
    fill,
  );
  return addMap(tape, shape, x.dtype, (read) => read.view(view));
};

/** How many parts one map reads: a shader binds a limited number of buffers. */
const PARTS = 4;

/** Each part is zero outside its place, so that their sum is the concatenation. */
export const concatenated = (tape: Tape, parts: readonly Ref[], axis: number): Ref => {
  const [first] = parts;
  if (first === undefined) throw new Unrecordable('Concat of nothing');
  if (parts.length > PARTS) {
    const groups: Ref[] = [];
    for (let i = 0; i < parts.length; i += PARTS)
      groups.push(concatenated(tape, parts.slice(i, i + PARTS), axis));
    return concatenated(tape, groups, axis);
  }
  if (parts.length === 1) return first;
  const total = parts.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0);
  const shape = first.shape.map((size, dim) => (dim === axis ? total : size));
  return addMap(tape, shape, first.dtype, (read) => {
    let from = 0;
    let sum: Expr = constant(0);
    for (const part of parts) {
      const before = shape.map((_, dim) => (dim === axis ? from : 0));
      sum = call('add', sum, read.view(placed(part, before, 0)));
      from += part.shape[axis] ?? 0;
    }
    return sum;
  });
};

const listOf = (inputs: Inputs): Ref[] => Object.values(inputs as Readonly<Record<string, Ref>>);

const concat: Lower = (tape, inputs, attrs) => {
  const parts = listOf(inputs).filter(({ shape }) => elements(shape) > 0);
  return concatenated(tape, parts, axisOf(numberOf(attrs, 'axis'), parts[0]?.shape.length ?? 1));
};

const pack: Lower = (tape, inputs, attrs) => {
  const parts = listOf(inputs);
  const axis = axisOf(numberOf(attrs, 'axis'), (parts[0]?.shape.length ?? 0) + 1);
  const widened = parts.map((part) =>
    reshaped(part, [...part.shape.slice(0, axis), 1, ...part.shape.slice(axis)]),
  );
  return concatenated(tape, widened, axis);
};

const split: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const axis = axisOf(numberOf(attrs, 'axis'), x.shape.length);
  const whole = x.shape[axis] ?? 1;
  const wanted = attrs['numOrSizeSplits'] as number | number[];
  const given = typeof wanted === 'number' ? Array<number>(wanted).fill(whole / wanted) : wanted;
  const known = given.reduce((sum, size) => sum + Math.max(0, size), 0);
  let from = 0;
  return given.map((size) => {
    const length = size < 0 ? whole - known : size;
    const begin = x.shape.map((_, dim) => (dim === axis ? from : 0));
    from += length;
    return sliced(
      tape,
      x,
      begin,
      x.shape.map((own, dim) => (dim === axis ? length : own)),
    );
  });
};

const unpack: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'value');
  const axis = axisOf(numberOf(attrs, 'axis'), x.shape.length);
  const size = x.shape.map((own, dim) => (dim === axis ? 1 : own));
  const rest = x.shape.filter((_, dim) => dim !== axis);
  return Array.from({ length: x.shape[axis] ?? 0 }, (_, i) => {
    const begin = x.shape.map((__, dim) => (dim === axis ? i : 0));
    return reshaped(sliced(tape, x, begin, size), rest);
  });
};

/** As [rep, size] along each dimension, the repetition a dimension of stride 0. */
const tile: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const reps = numbersOf(attrs, 'reps');
  const own = stridesOf(x.shape);
  const shape = x.shape.flatMap((size, dim) => [reps[dim] ?? 1, size]);
  const strides = own.flatMap((stride) => [0, stride]);
  const whole = viewed(tape, x, shape, { offset: 0, strides });
  return reshaped(
    whole,
    x.shape.map((size, dim) => size * (reps[dim] ?? 1)),
  );
};

const broadcastTo: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  return addMap(tape, numbersOf(attrs, 'shape'), x.dtype, (read) => read.broadcast(x));
};

const reverse: Lower = (tape, inputs, attrs) => {
  const x = input(inputs, 'x');
  const dims = numbersOf(attrs, 'dims').map((dim) => axisOf(dim, x.shape.length));
  const own = stridesOf(x.shape);
  const offset = dims.reduce((sum, dim) => sum + (own[dim] ?? 0) * ((x.shape[dim] ?? 1) - 1), 0);
  const strides = own.map((stride, dim) => (dims.includes(dim) ? -stride : stride));
  return viewed(tape, x, x.shape, { offset, strides });
};

const fillWith = (tape: Tape, attrs: Attributes): Ref => {
  const value = numberOf(attrs, 'value');
  const dtype = (attrs['dtype'] ?? 'float32') as DType;
  return addMap(tape, numbersOf(attrs, 'shape'), dtype, () => constant(Math.fround(value)));
};

const range: Lower = (tape, _, attrs) => {
  const [start, stop, step] = ['start', 'stop', 'step'].map((name) => numberOf(attrs, name));
  const size = Math.max(0, Math.ceil(((stop ?? 0) - (start ?? 0)) / (step ?? 1)));
  const data = Float32Array.from({ length: size }, (__, i) => (start ?? 0) + i * (step ?? 1));
  const value = addValue(tape, size, data);
  return { value, shape: [size], dtype: (attrs['dtype'] ?? 'float32') as DType };
};

export const MOVEMENT: Readonly<Record<string, Lower>> = {
  Identity: (_, inputs) => input(inputs, 'x'),
  Reshape: reshape,
  ExpandDims: expandDims,
  Transpose: transpose,
  Slice: slice,
  PadV2: pad,
  Concat: concat,
  Pack: pack,
  SplitV: split,
  Unpack: unpack,
  Tile: tile,
  BroadcastTo: broadcastTo,
  Reverse: reverse,
  Fill: (tape, _, attrs) => fillWith(tape, attrs),
  Range: range,
};
