/**
 * @module How a node reads a value, as ONNX operators: a reshape, a slice, a transpose, padding
 * where the view is clipped, and where strides are none of these a gather by indices.
 */
import { type View, elements } from '../ir.ts';
import { Unrecordable } from '../lower/tape.ts';
import type { Builder, Operand } from './builder.ts';

/** Indices of a gather are constants of eight bytes each. */
const MOST_INDICES = 1 << 22;

interface Dimension {
  readonly dim: number;
  readonly stride: number;
  readonly length: number;
}

/** The dimensions along which the view moves. */
const movingOf = ({ strides }: View, shape: readonly number[]): Dimension[] =>
  shape.flatMap((length, dim) => {
    const stride = strides[dim] ?? 0;
    return length > 1 && stride !== 0 ? [{ dim, stride, length }] : [];
  });

const gathered = (
  builder: Builder,
  view: View,
  size: number,
  shape: readonly number[],
): Operand => {
  const wanted = shape.map((length, dim) => ((view.strides[dim] ?? 0) === 0 ? 1 : length));
  const count = elements(wanted);
  if (count > MOST_INDICES) throw new Unrecordable('a view of many elements without an order');
  const indices = Array.from({ length: count }, (_, e) => {
    let rest = e;
    let at = view.offset;
    for (let dim = wanted.length - 1; dim >= 0; dim--) {
      const length = wanted[dim] ?? 1;
      at += (rest % length) * (view.strides[dim] ?? 0);
      rest = Math.floor(rest / length);
    }
    return at;
  });
  const flat = builder.rows(view.value, [size]);
  return builder.op('Gather', [flat.name, builder.integers(indices, wanted)], wanted);
};

/** As the part of a row-major tensor, its dimensions in another order, or undefined. */
const ordered = (
  builder: Builder,
  view: View,
  size: number,
  shape: readonly number[],
): Operand | undefined => {
  const moving = movingOf(view, shape);
  const sorted = moving.toSorted((a, b) => b.stride - a.stride);
  const strides = [...sorted.map(({ stride }) => stride), 1];
  if (strides.some((stride, i) => stride < 1 || (strides[i - 1] ?? size) % stride !== 0))
    return undefined;
  const base = strides.map((stride, i) => (strides[i - 1] ?? size) / stride);
  let rest = view.offset;
  const starts = strides.map((stride) => {
    const start = Math.floor(rest / stride);
    rest -= start * stride;
    return start;
  });
  const lengths = [...sorted.map(({ length }) => length), 1];
  if (starts.some((start, i) => start < 0 || start + (lengths[i] ?? 1) > (base[i] ?? 1)))
    return undefined;
  // The last dimension holds the skipped neighbours; usually there are none.
  const rank = base.at(-1) === 1 ? base.length - 1 : base.length;
  const end = shape.map((length, dim) => ((view.strides[dim] ?? 0) === 0 ? 1 : length));
  const cut = [...base.keys()].filter((i) => i < rank && lengths[i] !== base[i]);
  const inOrder = sorted.every(({ dim }, i) => dim === moving[i]?.dim);
  if (cut.length === 0 && inOrder) return builder.rows(view.value, end);
  let part = builder.rows(view.value, base.slice(0, rank));
  if (cut.length > 0)
    part = builder.op(
      'Slice',
      [
        part.name,
        builder.integers(cut.map((i) => starts[i] ?? 0)),
        builder.integers(cut.map((i) => (starts[i] ?? 0) + (lengths[i] ?? 1))),
        builder.integers(cut),
      ],
      lengths.slice(0, rank),
    );
  if (!inOrder) {
    part = builder.reshape(
      part,
      sorted.map(({ length }) => length),
    );
    const order = moving.map(({ dim }) => sorted.findIndex((other) => other.dim === dim));
    part = builder.transpose(part, order);
  }
  return builder.reshape(part, end);
};

const unclipped = (builder: Builder, view: View, size: number, shape: readonly number[]): Operand =>
  ordered(builder, view, size, shape) ?? gathered(builder, view, size, shape);

/**
 * The elements that a node of `shape` reads, 1 in the place of each dimension in which all are the
 * same. `size` is the value's.
 * @throws Unrecordable
 */
export const viewTensor = (
  builder: Builder,
  view: View,
  size: number,
  shape: readonly number[],
): Operand => {
  const { clip } = view;
  if (clip === undefined) return unclipped(builder, view, size, shape);
  const ranges = shape.map((length, dim) => {
    const [from, to] = clip.ranges[dim] ?? [0, length];
    return [Math.min(length, Math.max(0, from)), Math.min(length, Math.max(0, to))] as const;
  });
  if (ranges.some(([from, to]) => from >= to)) return builder.floats([clip.fill], [1]);
  const inner = ranges.map(([from, to]) => to - from);
  const offset = ranges.reduce(
    (sum, [from], dim) => sum + from * (view.strides[dim] ?? 0),
    view.offset,
  );
  const seen: View = { value: view.value, offset, strides: view.strides };
  const part = unclipped(builder, seen, size, inner);
  const padded = ranges.map(([from, to], dim) => from > 0 || to < (shape[dim] ?? 1));
  if (!padded.includes(true)) return part;
  // Only padded dimensions must be complete.
  const full = inner.map((length, dim) => (padded[dim] === true ? length : (part.shape[dim] ?? 1)));
  const wide =
    full.join() === part.shape.join()
      ? part
      : builder.op('Expand', [part.name, builder.integers(full)], full);
  const end = full.map((length, dim) => (padded[dim] === true ? (shape[dim] ?? 1) : length));
  const pads = [
    ...ranges.map(([from]) => from),
    ...ranges.map(([, to], dim) => (padded[dim] === true ? (shape[dim] ?? 1) - to : 0)),
  ];
  const fill = builder.floats([clip.fill], []);
  return builder.op('Pad', [wide.name, builder.integers(pads), fill.name], end);
};
