/**
 * @module The output of lowering a kernel: the values and nodes of the program so far. A `Ref` is a
 * value with a shape; reshaping gives another ref of the same value.
 */
import { constant, view } from '../expr.ts';
import { type Expr, type Node, type Value, type View, elements, stridesOf } from '../ir.ts';

export type DType = 'float32' | 'int32' | 'bool' | 'string' | 'complex64';

export interface Ref {
  readonly value: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** This step cannot be recorded, and why; the caller then trains without the recording. */
export class Unrecordable extends Error {}

export interface Tape {
  readonly values: Value[];
  readonly nodes: Node[];
  /** Outputs of relu, by what went in: its gradient then needs the output alone. */
  readonly relus: Map<number, number>;
}

export type Attributes = Readonly<Record<string, unknown>>;
export type Inputs = Readonly<Record<string, Ref | undefined>> & Readonly<Record<number, Ref>>;
export type Lower = (tape: Tape, inputs: Inputs, attrs: Attributes) => Ref | readonly Ref[];

export const createTape = (): Tape => ({ values: [], nodes: [], relus: new Map() });

export const addValue = (tape: Tape, size: number, data?: Float32Array): number =>
  tape.values.push(data === undefined ? { size } : { size, data }) - 1;

export const input = (inputs: Inputs, name: string): Ref => {
  const ref = inputs[name];
  if (ref === undefined) throw new Unrecordable(`a kernel without its input ${name}`);
  return ref;
};

export const reshaped = (ref: Ref, shape: readonly number[]): Ref => ({ ...ref, shape });

/**
 * The element of a ref, its shape aligned at the right of `shape`, as a view or, of a single
 * constant, as a number.
 */
export class Reader {
  readonly views: View[] = [];
  readonly tape: Tape;
  readonly shape: readonly number[];

  constructor(tape: Tape, shape: readonly number[]) {
    this.tape = tape;
    this.shape = shape;
  }

  broadcast(ref: Ref): Expr {
    const own = stridesOf(ref.shape);
    const shift = this.shape.length - ref.shape.length;
    const strides = this.shape.map((_, dim) => {
      const size = ref.shape[dim - shift] ?? 1;
      return size === 1 ? 0 : (own[dim - shift] ?? 0);
    });
    return this.view({ value: ref.value, offset: 0, strides });
  }

  view(wanted: View): Expr {
    const { data } = this.tape.values[wanted.value] ?? {};
    const [first = 0] = data ?? [];
    if (wanted.clip === undefined && data?.every((number) => number === first) === true)
      return constant(first);
    return view(this.views.push(wanted) - 1);
  }
}

export const broadcastShape = (a: readonly number[], b: readonly number[]): number[] => {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new Unrecordable(`shapes [${a.join()}] and [${b.join()}] do not broadcast`);
    return x === 1 ? y : x;
  });
};

/** Adds a map over `shape`; `build` makes its expression. */
export const addMap = (
  tape: Tape,
  shape: readonly number[],
  dtype: DType,
  build: (reader: Reader) => Expr,
): Ref => {
  const reader = new Reader(tape, shape);
  const expr = build(reader);
  const out = addValue(tape, elements(shape));
  tape.nodes.push({ type: 'map', out, shape, expr, views: reader.views });
  return { value: out, shape, dtype };
};

export const numberOf = (attrs: Attributes, name: string, fallback?: number): number => {
  const value = attrs[name] ?? fallback;
  if (typeof value !== 'number') throw new Unrecordable(`a kernel without its attribute ${name}`);
  return value;
};

export const numbersOf = (attrs: Attributes, name: string): number[] => {
  const value = attrs[name];
  if (typeof value === 'number') return [value];
  if (!Array.isArray(value)) throw new Unrecordable(`a kernel without its attribute ${name}`);
  return value as number[];
};
