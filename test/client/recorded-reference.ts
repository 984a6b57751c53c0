/**
 * @module The meaning of a plan, written as plainly as it can be: every node as loops over numbers.
 * Slow; what executors are compared with, and what shows that recording and planning are right
 * where there is no GPU.
 */
import { evaluate } from '../../client/recorded/expr.ts';
import {
  type Elementwise,
  type Node,
  type Window,
  elements,
  stridesOf,
} from '../../client/recorded/ir.ts';
import type { Plan } from '../../client/recorded/plan.ts';

type Buffers = readonly Float32Array[];
type Read = (value: number) => Float32Array;

/** An elementwise part at flat index `e`; `self` is what the node itself computed. */
const partAt = (part: Elementwise, read: Read, e: number, self: number): number => {
  const strides = stridesOf(part.shape);
  const at = part.shape.map((size, dim) => Math.floor(e / (strides[dim] ?? 1)) % size);
  return evaluate(part.expr, (leaf) => {
    if (leaf.type === 'self') return self;
    if (leaf.type === 'coordinate') return at[leaf.dim] ?? 0;
    const view = leaf.type === 'view' ? part.views[leaf.index] : undefined;
    if (view === undefined) throw new RangeError('a leaf that is no view');
    const { clip } = view;
    if (
      clip?.ranges.some(([from, to], dim) => (at[dim] ?? 0) < from || (at[dim] ?? 0) >= to) === true
    )
      return clip.fill;
    const index = view.strides.reduce(
      (sum, stride, dim) => sum + stride * (at[dim] ?? 0),
      view.offset,
    );
    return read(view.value)[index] ?? NaN;
  });
};

/**
 * Calls back for each tap of each output pixel: indices into x [.., channels] and y [..,
 * outChannels], and the tap.
 */
const taps = (w: Window, use: (x: number, y: number, tap: number) => void): void => {
  for (let b = 0; b < w.batch; b++)
    for (let oy = 0; oy < w.outHeight; oy++)
      for (let ox = 0; ox < w.outWidth; ox++)
        for (let fy = 0; fy < w.filterHeight; fy++)
          for (let fx = 0; fx < w.filterWidth; fx++) {
            const y = oy * w.strideY - w.top + fy * w.dilationY;
            const x = ox * w.strideX - w.left + fx * w.dilationX;
            if (y < 0 || y >= w.height || x < 0 || x >= w.width) continue;
            const pixel = (b * w.height + y) * w.width + x;
            const out = (b * w.outHeight + oy) * w.outWidth + ox;
            use(pixel, out, fy * w.filterWidth + fx);
          }
};

const convolve = (
  node: Node & { type: 'convolution' | 'depthwise' },
  read: Read,
  out: Float64Array,
): void => {
  const w = node.window;
  const [first, second] = node.inputs.map(read) as [Float32Array, Float32Array];
  const depthwise = node.type === 'depthwise';
  const multiplier = w.outChannels / w.channels;
  taps(w, (pixel, place, tap) => {
    for (let c = 0; c < w.channels; c++)
      for (let o = 0; o < (depthwise ? multiplier : w.outChannels); o++) {
        const x = pixel * w.channels + c;
        const y = place * w.outChannels + (depthwise ? c * multiplier + o : o);
        const f = (tap * w.channels + c) * (depthwise ? multiplier : w.outChannels) + o;
        const [to, a, b] = { forward: [y, x, f], input: [x, y, f], filter: [f, x, y] }[
          node.variant
        ] as [number, number, number];
        out[to] = (out[to] ?? 0) + (first[a] ?? 0) * (second[b] ?? 0);
      }
  });
};

const pool = (node: Node & { type: 'pool' }, read: Read, out: Float64Array): void => {
  const w = node.window;
  const [first = new Float32Array(), second = new Float32Array()] = node.inputs.map(read);
  const x = node.variant === 'maxGradient' ? second : first;
  for (let c = 0; c < w.channels; c++) {
    const best = new Map<number, number>();
    const counts = new Map<number, number>();
    taps(w, (pixel, place) => {
      counts.set(place, (counts.get(place) ?? 0) + 1);
      const before = best.get(place);
      const value = x[pixel * w.channels + c] ?? 0;
      if (before === undefined || value > (x[before * w.channels + c] ?? 0)) best.set(place, pixel);
    });
    if (node.variant === 'max')
      for (const [place, pixel] of best)
        out[place * w.channels + c] = x[pixel * w.channels + c] ?? 0;
    if (node.variant === 'maxGradient')
      for (const [place, pixel] of best)
        out[pixel * w.channels + c] =
          (out[pixel * w.channels + c] ?? 0) + (first[place * w.channels + c] ?? 0);
    if (node.variant === 'average' || node.variant === 'averageGradient')
      taps(w, (pixel, place) => {
        const [to, from] = node.variant === 'average' ? [place, pixel] : [pixel, place];
        const at = to * w.channels + c;
        out[at] = (out[at] ?? 0) + (first[from * w.channels + c] ?? 0) / (counts.get(place) ?? 1);
      });
  }
};

const START = { sum: 0, prod: 1, max: -Infinity, min: Infinity };

const reduce = (
  { op, outer, size, inner }: Node & { type: 'reduce' },
  x: Float32Array,
  out: Float64Array,
): void => {
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      const row = Array.from({ length: size }, (_, r) => x[(o * size + r) * inner + i] ?? 0);
      const at = o * inner + i;
      if (op === 'argMax') out[at] = row.indexOf(Math.max(...row));
      else if (op === 'argMin') out[at] = row.indexOf(Math.min(...row));
      else
        out[at] = row.reduce(
          (sum, v) => (op === 'sum' ? sum + v : op === 'prod' ? sum * v : Math[op](sum, v)),
          START[op],
        );
    }
};

/** What a node computes before its epilogue. */
const compute = (node: Exclude<Node, { type: 'map' }>, read: Read, out: Float64Array): void => {
  switch (node.type) {
    case 'matMul': {
      const { m, n, k } = node;
      const [a, b] = [read(node.a), read(node.b)];
      for (let z = 0; z < node.batch; z++)
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++)
            for (let p = 0; p < k; p++) {
              const x = a[z * node.strideA + (node.transposeA ? p * m + i : i * k + p)] ?? 0;
              const y = b[z * node.strideB + (node.transposeB ? j * k + p : p * n + j)] ?? 0;
              out[(z * m + i) * n + j] = (out[(z * m + i) * n + j] ?? 0) + x * y;
            }
      return;
    }
    case 'convolution':
    case 'depthwise':
      convolve(node, read, out);
      return;
    case 'pool':
      pool(node, read, out);
      return;
    case 'reduce':
      reduce(node, read(node.input), out);
      return;
    case 'softmax':
      for (let r = 0; r < node.rows; r++) {
        const row = [...read(node.input).subarray(r * node.columns, (r + 1) * node.columns)];
        const e = row.map((v) => Math.exp(v - Math.max(...row)));
        const sum = e.reduce((x, y) => x + y, 0);
        out.set(
          e.map((v) => v / sum),
          r * node.columns,
        );
      }
      return;
    case 'gather':
      for (let o = 0; o < node.outer; o++)
        for (let i = 0; i < node.count; i++)
          for (let j = 0; j < node.inner; j++) {
            const row = o * node.axisSize + (read(node.indices)[i] ?? 0);
            out[(o * node.count + i) * node.inner + j] =
              read(node.params)[row * node.inner + j] ?? 0;
          }
      return;
    case 'segmentSum':
      for (let i = 0; i < node.count; i++)
        for (let j = 0; j < node.inner; j++) {
          const at = (read(node.ids)[i] ?? 0) * node.inner + j;
          out[at] = (out[at] ?? 0) + (read(node.x)[i * node.inner + j] ?? 0);
        }
  }
};

const sizeOf = (node: Exclude<Node, { type: 'map' }>, plan: Plan): number => {
  if (node.epilogue !== undefined) return elements(node.epilogue.shape);
  switch (node.type) {
    case 'matMul':
      return node.batch * node.m * node.n;
    case 'reduce':
      return node.outer * node.inner;
    case 'softmax':
      return node.rows * node.columns;
    case 'gather':
      return node.outer * node.count * node.inner;
    case 'segmentSum':
      return node.segments * node.inner;
    default:
      return plan.buffers[plan.bufferOf[node.out] ?? -1] ?? 0;
  }
};

export const createBuffers = (plan: Plan): Buffers => {
  const buffers = plan.buffers.map((size) => new Float32Array(size));
  for (const { buffer, data } of plan.constants) buffers[buffer]?.set(data);
  return buffers;
};

/** Runs the plan's nodes once over the buffers. */
export const runReference = (plan: Plan, buffers: Buffers): void => {
  const read: Read = (value) => buffers[plan.bufferOf[value] ?? -1] ?? new Float32Array();
  for (const node of plan.nodes) {
    const out = read(node.out);
    if (node.type === 'map') {
      const values = Float32Array.from({ length: elements(node.shape) }, (_, e) =>
        partAt(node, read, e, 0),
      );
      out.set(values);
      continue;
    }
    const own = new Float64Array(sizeOf(node, plan));
    compute(node, read, own);
    const { epilogue } = node;
    out.set(
      epilogue === undefined
        ? own
        : Float32Array.from(own, (self, e) => partAt(epilogue, read, e, Math.fround(self))),
    );
  }
};
