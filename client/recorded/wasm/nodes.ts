/**
 * @module Nodes that are not maps, on one linear memory: products, convolutions and the gradient of
 * max pooling by the kernels, the others as loops in JavaScript.
 */
import { type Node, type Window, elements } from '../ir.ts';
import { type Operands, productOf } from './products.ts';

export interface Heap extends Operands {
  /** The memory as floats; it may be replaced when the memory grows. */
  readonly floats: () => Float32Array;
}

export type Step = () => void;
type Own = Exclude<Node, { type: 'map' }>;

/** How many floats a node computes before its epilogue. */
export const sizeOf = (node: Own): number => {
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
    case 'pool':
    case 'convolution':
    case 'depthwise':
      return windowSize(node);
  }
};

const windowSize = (node: Own & { type: 'pool' | 'convolution' | 'depthwise' }): number => {
  const w = node.window;
  const x = w.batch * w.height * w.width * w.channels;
  const y = w.batch * w.outHeight * w.outWidth * w.outChannels;
  if (node.type === 'pool') return node.variant === 'max' || node.variant === 'average' ? y : x;
  if (node.variant === 'forward') return y;
  if (node.variant === 'input') return x;
  const channels = node.type === 'depthwise' ? w.outChannels : w.channels * w.outChannels;
  return w.filterHeight * w.filterWidth * channels;
};

const geometry = (w: Window, outChannels: readonly number[]): number[] => [
  w.batch,
  w.height,
  w.width,
  w.channels,
  w.filterHeight,
  w.filterWidth,
  w.outHeight,
  w.outWidth,
  ...outChannels,
  w.strideY,
  w.strideX,
  w.dilationY,
  w.dilationX,
  w.top,
  w.left,
];

/** Calls back for each tap of each output pixel that lies inside the image. */
const taps = (w: Window, use: (pixel: number, place: number, tap: number) => void): void => {
  for (let b = 0; b < w.batch; b++)
    for (let oy = 0; oy < w.outHeight; oy++)
      for (let ox = 0; ox < w.outWidth; ox++) {
        const place = (b * w.outHeight + oy) * w.outWidth + ox;
        for (let fy = 0; fy < w.filterHeight; fy++) {
          const y = oy * w.strideY - w.top + fy * w.dilationY;
          if (y < 0 || y >= w.height) continue;
          for (let fx = 0; fx < w.filterWidth; fx++) {
            const x = ox * w.strideX - w.left + fx * w.dilationX;
            if (x < 0 || x >= w.width) continue;
            use((b * w.height + y) * w.width + x, place, fy * w.filterWidth + fx);
          }
        }
      }
};

const convolution = (node: Own & { type: 'convolution' }, out: number, heap: Heap): Step => {
  const w = node.window;
  const { kernels } = heap;
  const [first, second] = node.inputs.map(heap.at) as [number, number];
  const patch = heap.scratch(
    w.outHeight * w.outWidth * w.filterHeight * w.filterWidth * w.channels,
  );
  const numbers = [...geometry(w, [w.outChannels]), patch];
  if (node.variant === 'forward') return () => kernels.conv2d(first, second, out, ...numbers);
  if (node.variant === 'filter')
    return () => kernels.conv2dFilterGradient(first, second, out, ...numbers);
  return () => kernels.conv2dInputGradient(out, first, second, ...numbers);
};

const depthwise = (node: Own & { type: 'depthwise' }, out: number, heap: Heap): Step => {
  const w = node.window;
  const multiplier = w.outChannels / w.channels;
  const [first, second] = node.inputs.map((value) => heap.at(value) / 4) as [number, number];
  const to = out / 4;
  const size = sizeOf(node);
  return () => {
    const f = heap.floats();
    f.fill(0, to, to + size);
    taps(w, (pixel, place, tap) => {
      for (let c = 0; c < w.channels; c++)
        for (let q = 0; q < multiplier; q++) {
          const x = pixel * w.channels + c;
          const y = place * w.outChannels + c * multiplier + q;
          const k = tap * w.outChannels + c * multiplier + q;
          const [at, a, b] =
            node.variant === 'forward'
              ? [y, x, k]
              : node.variant === 'input'
                ? [x, y, k]
                : [k, x, y];
          f[to + at] = (f[to + at] ?? 0) + (f[first + a] ?? 0) * (f[second + b] ?? 0);
        }
    });
  };
};

const maxPool = (w: Window, from: number, to: number, f: Float32Array): void => {
  const count = w.batch * w.outHeight * w.outWidth * w.channels;
  f.fill(-Infinity, to, to + count);
  taps(w, (pixel, place) => {
    const x = from + pixel * w.channels;
    const y = to + place * w.channels;
    for (let c = 0; c < w.channels; c++) {
      const value = f[x + c] ?? 0;
      if (value > (f[y + c] ?? 0)) f[y + c] = value;
    }
  });
};

const averages = (
  node: Own & { type: 'pool' },
  from: number,
  to: number,
  f: Float32Array,
): void => {
  const w = node.window;
  const counts = new Int32Array(w.batch * w.outHeight * w.outWidth);
  taps(w, (_, place) => {
    counts[place] = (counts[place] ?? 0) + 1;
  });
  f.fill(0, to, to + sizeOf(node));
  taps(w, (pixel, place) => {
    const [target, source] = node.variant === 'average' ? [place, pixel] : [pixel, place];
    const count = counts[place] ?? 1;
    for (let c = 0; c < w.channels; c++) {
      const at = to + target * w.channels + c;
      f[at] = (f[at] ?? 0) + (f[from + source * w.channels + c] ?? 0) / count;
    }
  });
};

const pool = (node: Own & { type: 'pool' }, out: number, heap: Heap): Step => {
  const [first = 0, second = 0] = node.inputs.map(heap.at);
  if (node.variant === 'maxGradient') {
    const numbers = geometry(node.window, []);
    return () => heap.kernels.maxPoolGradient(second, first, out, ...numbers);
  }
  if (node.variant === 'max')
    return () => {
      maxPool(node.window, first / 4, out / 4, heap.floats());
    };
  return () => {
    averages(node, first / 4, out / 4, heap.floats());
  };
};

const START = { sum: 0, prod: 1, max: -Infinity, min: Infinity };

const reduce = (node: Own & { type: 'reduce' }, out: number, heap: Heap): Step => {
  const { op, outer, size, inner } = node;
  const from = heap.at(node.input) / 4;
  const to = out / 4;
  if (op === 'sum')
    return () => {
      const f = heap.floats();
      f.fill(0, to, to + outer * inner);
      for (let o = 0; o < outer; o++)
        for (let r = 0; r < size; r++) {
          const row = from + (o * size + r) * inner;
          for (let i = 0; i < inner; i++) {
            const at = to + o * inner + i;
            f[at] = (f[at] ?? 0) + (f[row + i] ?? 0);
          }
        }
    };
  return () => {
    const f = heap.floats();
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        let best = op === 'argMax' ? -Infinity : op === 'argMin' ? Infinity : START[op];
        let where = 0;
        for (let r = 0; r < size; r++) {
          const value = f[from + (o * size + r) * inner + i] ?? 0;
          if (op === 'prod') best = Math.fround(best * value);
          else if ((op === 'max' || op === 'argMax') === value > best && value !== best) {
            best = value;
            where = r;
          }
        }
        f[to + o * inner + i] = op === 'argMax' || op === 'argMin' ? where : best;
      }
  };
};

const matMul = (node: Own & { type: 'matMul' }, out: number, heap: Heap): Step => {
  const { m, n, batch } = node;
  const [a, b] = [heap.at(node.a), heap.at(node.b)];
  const multiply = productOf(node, heap);
  return () => {
    for (let z = 0; z < batch; z++)
      multiply(a + z * node.strideA * 4, b + z * node.strideB * 4, out + z * m * n * 4, 1, 0);
  };
};

/** The node as a step that writes `out` (an address) before its epilogue. */
export const nodeStep = (node: Own, out: number, heap: Heap): Step => {
  const to = out / 4;
  switch (node.type) {
    case 'matMul':
      return matMul(node, out, heap);
    case 'convolution':
      return convolution(node as Own & { type: 'convolution' }, out, heap);
    case 'depthwise':
      return depthwise(node as Own & { type: 'depthwise' }, out, heap);
    case 'pool':
      return pool(node, out, heap);
    case 'reduce':
      return reduce(node, out, heap);
    case 'softmax': {
      const from = heap.at(node.input) / 4;
      const count = node.rows * node.columns;
      return () => {
        heap.floats().copyWithin(to, from, from + count);
        heap.kernels.softmax(out, node.rows, node.columns);
      };
    }
    case 'gather': {
      const [from, ids] = [heap.at(node.params) / 4, heap.at(node.indices) / 4];
      const { outer, axisSize, count, inner } = node;
      return () => {
        const f = heap.floats();
        for (let o = 0; o < outer; o++)
          for (let i = 0; i < count; i++) {
            const index = Math.min(axisSize - 1, Math.max(0, f[ids + i] ?? 0));
            const row = from + (o * axisSize + index) * inner;
            f.copyWithin(to + (o * count + i) * inner, row, row + inner);
          }
      };
    }
    case 'segmentSum': {
      const [from, ids] = [heap.at(node.x) / 4, heap.at(node.ids) / 4];
      const { segments, count, inner } = node;
      return () => {
        const f = heap.floats();
        f.fill(0, to, to + segments * inner);
        for (let i = 0; i < count; i++) {
          const segment = f[ids + i] ?? -1;
          if (segment < 0 || segment >= segments) continue;
          for (let j = 0; j < inner; j++) {
            const at = to + segment * inner + j;
            f[at] = (f[at] ?? 0) + (f[from + i * inner + j] ?? 0);
          }
        }
      };
    }
  }
};
