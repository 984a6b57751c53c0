/**
 * @module Arithmetic on views and shapes: whether one is the plain order of elements, splitting and
 * merging dimensions, and reading through a node that is itself a view.
 */
import { type Elementwise, type Expr, type View, elements, stridesOf } from './ir.ts';
import { usesLeaf } from './expr.ts';

/** Whether the view reads the elements in their own order, all of `size`. */
export const isPlain = (view: View, shape: readonly number[], size: number): boolean => {
  if (view.offset !== 0 || view.clip !== undefined || elements(shape) !== size) return false;
  const own = stridesOf(shape);
  return shape.every((length, dim) => length === 1 || view.strides[dim] === own[dim]);
};

/** The products of the last one, two, three ... sizes. */
const ends = (shape: readonly number[]): number[] => {
  let product = 1;
  return shape.toReversed().map((size) => (product *= size));
};

/** The coarsest shape of which both are mergings of neighbours, or undefined. */
export const commonRefinement = (
  a: readonly number[],
  b: readonly number[],
): number[] | undefined => {
  if (elements(a) !== elements(b)) return undefined;
  const cuts = [...new Set([1, ...ends(a), ...ends(b)])].toSorted((x, y) => x - y);
  const sizes: number[] = [];
  for (const [i, cut] of cuts.entries()) {
    const before = cuts[i - 1];
    if (before === undefined) continue;
    if (cut % before !== 0) return undefined;
    sizes.push(cut / before);
  }
  return sizes.length === 0 ? [1] : sizes.toReversed();
};

/**
 * For each part of a refinement, the dimension of `shape` it belongs to and how many elements of
 * that dimension one step of the part is. Undefined unless `parts` (without parts of 1, unless it
 * is the only one) refines `shape`.
 */
const assign = (
  shape: readonly number[],
  parts: readonly number[],
): { readonly dim: number; readonly step: number }[] | undefined => {
  const assigned: { dim: number; step: number }[] = [];
  let part = parts.length - 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    const size = shape[dim] ?? 1;
    for (let step = 1; step < size; part--) {
      const length = parts[part];
      if (length === undefined || size % (step * length) !== 0) return undefined;
      assigned.unshift({ dim, step });
      step *= length;
    }
  }
  // All dimensions have size 1: one part without effect.
  for (; part >= 0; part--) assigned.unshift({ dim: 0, step: 0 });
  return assigned;
};

const splitClip = (
  clip: NonNullable<View['clip']>,
  shape: readonly number[],
  parts: readonly number[],
  assigned: readonly { readonly dim: number; readonly step: number }[],
): View['clip'] | undefined => {
  const ranges: [number, number][] = [];
  for (const [i, { dim, step }] of assigned.entries()) {
    const [from, to] = clip.ranges[dim] ?? [0, 1];
    const size = shape[dim] ?? 1;
    const length = parts[i] ?? 1;
    if (from <= 0 && to >= size) ranges.push([0, length]);
    // A part that is the whole dimension keeps its range; a range over several parts cannot be told
    // apart.
    else if (step === 1 && length === size) ranges.push([from, to]);
    else return undefined;
  }
  return { ranges, fill: clip.fill };
};

/** The same elements over a finer shape; undefined when a view or a coordinate does not follow. */
export const refine = (node: Elementwise, parts: readonly number[]): Elementwise | undefined => {
  if (parts.length === node.shape.length && parts.every((size, i) => size === node.shape[i]))
    return node;
  if (usesLeaf(node.expr, 'coordinate')) return undefined;
  const assigned = assign(node.shape, parts);
  if (assigned === undefined) return undefined;
  const views: View[] = [];
  for (const view of node.views) {
    const strides = assigned.map(({ dim, step }) => (view.strides[dim] ?? 0) * step);
    const base = { value: view.value, offset: view.offset, strides };
    if (view.clip === undefined) {
      views.push(base);
      continue;
    }
    const clip = splitClip(view.clip, node.shape, parts, assigned);
    if (clip === undefined) return undefined;
    views.push({ ...base, clip });
  }
  return { shape: parts, expr: node.expr, views };
};

/** Whether neighbouring dimensions can be one, for every view. */
const mergeable = (node: Elementwise, dim: number): boolean => {
  const inner = node.shape[dim + 1] ?? 1;
  const outerSize = node.shape[dim] ?? 1;
  return node.views.every(({ strides, clip }) => {
    if ((strides[dim] ?? 0) !== (strides[dim + 1] ?? 0) * inner) return false;
    if (clip === undefined) return true;
    const [a, b] = [clip.ranges[dim] ?? [0, 0], clip.ranges[dim + 1] ?? [0, 0]];
    return a[0] <= 0 && a[1] >= outerSize && b[0] <= 0 && b[1] >= inner;
  });
};

/**
 * Neighbouring dimensions merged and those of size 1 removed, where all views allow it: fewer
 * divisions per element.
 */
export const collapse = (node: Elementwise): Elementwise => {
  if (usesLeaf(node.expr, 'coordinate')) return node;
  const pick = (keep: readonly number[]): Elementwise => ({
    ...node,
    shape: keep.map((dim) => node.shape[dim] ?? 1),
    views: node.views.map((view) => ({
      ...view,
      strides: keep.map((dim) => view.strides[dim] ?? 0),
      ...(view.clip === undefined
        ? {}
        : { clip: { ...view.clip, ranges: keep.map((dim) => view.clip?.ranges[dim] ?? [0, 1]) } }),
    })),
  });
  const keep = [...node.shape.keys()].filter(
    (dim) =>
      node.shape[dim] !== 1 ||
      node.views.some(({ clip }) => {
        const [from, to] = clip?.ranges[dim] ?? [0, 1];
        return from > 0 || to < 1;
      }),
  );
  let merged = pick(keep.length === 0 ? [node.shape.length - 1].filter((d) => d >= 0) : keep);
  for (let dim = merged.shape.length - 2; dim >= 0; dim--) {
    if (!mergeable(merged, dim)) continue;
    const [a = 1, b = 1] = merged.shape.slice(dim, dim + 2);
    const without = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== dim);
    merged = {
      ...merged,
      shape: without(merged.shape).map((size, i) => (i === dim ? a * b : size)),
      views: merged.views.map((view) => ({
        ...view,
        strides: without(view.strides),
        ...(view.clip === undefined
          ? {}
          : {
              clip: {
                ...view.clip,
                ranges: without(view.clip.ranges).map((range, i) =>
                  i === dim ? ([0, a * b] as const) : range,
                ),
              },
            }),
      })),
    };
  }
  return merged;
};

/** Where each dimension of `inner` runs when it is read through `view`, which runs over `shape`. */
const follow = (
  view: View,
  shape: readonly number[],
  inner: readonly number[],
):
  | { readonly base: readonly number[]; readonly dims: readonly (number | undefined)[] }
  | undefined => {
  const own = stridesOf(inner);
  let rest = view.offset;
  if (rest < 0) return undefined;
  const base = own.map((stride) => {
    const at = Math.floor(rest / stride);
    rest -= at * stride;
    return at;
  });
  const dims: (number | undefined)[] = inner.map(() => undefined);
  for (const [dim, stride] of view.strides.entries()) {
    const length = shape[dim] ?? 1;
    if (stride === 0 || length === 1) continue;
    const at = own.findIndex(
      (step, i) =>
        step === stride && (inner[i] ?? 1) >= length + (base[i] ?? 0) && dims[i] === undefined,
    );
    if (at < 0) return undefined;
    dims[at] = dim;
  }
  if (base.some((at, i) => at >= (inner[i] ?? 1))) return undefined;
  return { base, dims };
};

/**
 * What `inner` computes at the elements that `view` (of a node of `shape`) reads, as views over
 * `shape`.
 */
export const through = (
  view: View,
  shape: readonly number[],
  inner: Elementwise,
): { readonly views: readonly View[]; readonly expr: Expr } | undefined => {
  if (view.clip !== undefined || usesLeaf(inner.expr, 'coordinate')) return undefined;
  const path = follow(view, shape, inner.shape);
  if (path === undefined) return undefined;
  const views: View[] = [];
  for (const own of inner.views) {
    const strides = shape.map(() => 0);
    let offset = own.offset;
    for (const [i, dim] of path.dims.entries()) {
      offset += (own.strides[i] ?? 0) * (path.base[i] ?? 0);
      if (dim !== undefined) strides[dim] = own.strides[i] ?? 0;
    }
    if (own.clip === undefined) {
      views.push({ value: own.value, offset, strides });
      continue;
    }
    const ranges = shape.map((size) => [0, size] as [number, number]);
    for (const [i, [from, to]] of own.clip.ranges.entries()) {
      const dim = path.dims[i];
      const at = path.base[i] ?? 0;
      if (dim !== undefined) ranges[dim] = [from - at, to - at];
      // A fixed coordinate is inside or outside for all elements; outside is left to the node
      // itself.
      else if (at < from || at >= to) return undefined;
    }
    views.push({ value: own.value, offset, strides, clip: { ranges, fill: own.clip.fill } });
  }
  return { views, expr: inner.expr };
};
