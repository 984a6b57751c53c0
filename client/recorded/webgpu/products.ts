/**
 * @module Kernels of matrix products and convolutions: the product, its tile, and the epilogue of
 * each sum.
 */
import type { ConvolutionNode, Elementwise, MatMulNode } from '../ir.ts';
import { HELPERS, canBeVector, elementwiseCode } from './elementwise.ts';
import { type Loader, type Product, type Tile, gemmCode, splitLength, threadsOf } from './gemm.ts';
import { filterBack, gradientRows, matrixLoader, patchColumns, patchRows } from './loaders.ts';
import {
  type Bindings,
  type Kernel,
  createBindings,
  gridFor,
  invocation,
  shader,
} from './shader.ts';

/** The interface of the executor to code that makes kernels. */
export interface Room {
  readonly bufferOf: (value: number) => number;
  /** A buffer of the executor with at least so many floats, for the duration of a node. */
  readonly scratch: (floats: number) => number;
  /** The tile for a product, by measurement or rule. */
  readonly tileFor: (product: Shape) => Tile;
}

export interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly splits: number;
}

/** Products of the same key are the same to a tile. */
export const keyOf = ({ m, n, k, batch, splits }: Shape): string => [m, n, k, batch, splits].join();

type Sides = (bindings: Bindings) => {
  readonly a: Loader;
  readonly b: Loader;
  readonly helper: string;
};

/** Workgroups below which the device is not full; k is then cut into parts. */
const ENOUGH_GROUPS = 512;
const MOST_SPLITS = 256;
const SHORTEST_PART = 256;

/** By the product alone, so that the order of additions does not depend on the device. */
export const splitsFor = (m: number, n: number, k: number, batch: number): number => {
  if (batch > 1 || k < 2 * SHORTEST_PART) return 1;
  const groups = Math.ceil(m / 64) * Math.ceil(n / 64);
  if (groups >= ENOUGH_GROUPS / 4) return 1;
  const wanted = Math.min(
    MOST_SPLITS,
    Math.ceil(ENOUGH_GROUPS / groups),
    Math.floor(k / SHORTEST_PART),
  );
  return Math.max(1, Math.ceil(k / splitLength(k, wanted)));
};

const lanes = ['x', 'y', 'z', 'w'];

/** WGSL that stores four sums; by single numbers where the row's end is no multiple of four. */
const storing = (
  bindings: Bindings,
  room: Room,
  n: number,
  part: Elementwise | undefined,
  base: string,
): ((row: string, column: string, sum: string) => string) => {
  const whole = n % 4 === 0 && (part === undefined || canBeVector(part));
  if (whole)
    return (row, column, sum) => {
      const code =
        part === undefined
          ? { statements: '', result: sum }
          : elementwiseCode(part, 4, bindings, room.bufferOf, sum);
      return `  let e = ${base}${row} * ${n}u + ${column};\n${code.statements}  out[e / 4u] = ${code.result};\n`;
    };
  return (row, column, sum) =>
    lanes
      .map((lane, q) => {
        const code =
          part === undefined
            ? { statements: '', result: `${sum}.${lane}` }
            : elementwiseCode(part, 1, bindings, room.bufferOf, `${sum}.${lane}`);
        return `  if (${column} + ${q}u < ${n}u) {
  let e = ${base}${row} * ${n}u + ${column} + ${q}u;\n${code.statements}  out[e] = ${code.result};\n  }\n`;
      })
      .join('');
};

const widthOfStore = (n: number, part: Elementwise | undefined): 1 | 4 =>
  n % 4 === 0 && (part === undefined || canBeVector(part)) ? 4 : 1;

/** Kernels of one product: the sums, and where k is cut, their addition. */
export const productKernels = (
  label: string,
  shape: Shape,
  out: number,
  epilogue: Elementwise | undefined,
  room: Room,
  sides: Sides,
): Kernel[] => {
  const { m, n, k, batch, splits } = shape;
  const tile = room.tileFor(shape);
  const target = splits === 1 ? out : room.scratch(splits * m * n);
  const part = splits === 1 ? epilogue : undefined;
  const width = widthOfStore(n, part);
  const bindings = createBindings(target, width);
  const { a, b, helper } = sides(bindings);
  const product: Product = { m, n, k, batch, splits, a, b };
  const base = splits > 1 ? `part * ${m * n}u + ` : batch > 1 ? `z * ${m * n}u + ` : '';
  const code = gemmCode(product, tile, storing(bindings, room, n, part, base));
  const sums: Kernel = {
    label,
    code: shader(bindings, code.body, {
      group: threadsOf(tile),
      helpers: HELPERS(width) + helper + code.helpers,
    }),
    buffers: bindings.buffers(),
    workgroups: code.grid,
    flops: 2 * m * n * k * batch,
    product: { key: keyOf(shape), tile },
  };
  return splits === 1
    ? [sums]
    : [sums, addParts(label, m * n, splits, target, out, epilogue, room)];
};

/** out = the sum of the parts, in their order, and the epilogue. */
const addParts = (
  label: string,
  size: number,
  splits: number,
  parts: number,
  out: number,
  epilogue: Elementwise | undefined,
  room: Room,
): Kernel => {
  const whole = size % 4 === 0 && (epilogue === undefined || canBeVector(epilogue));
  const width = whole ? 4 : 1;
  const bindings = createBindings(out, width);
  const from = bindings.name(parts, width);
  const count = size / width;
  const workgroups = gridFor(count, 64);
  const type = whole ? 'vec4f' : 'f32';
  const code =
    epilogue === undefined
      ? { statements: '', result: 'sum' }
      : elementwiseCode(epilogue, width, bindings, room.bufferOf, 'sum');
  const body = `${invocation(workgroups, count, 64)}  let e = i * ${width}u;
  var sum = ${type}(0.0);
  for (var s = 0u; s < ${splits}u; s++) { sum += ${from}[s * ${count}u + i]; }
${code.statements}  out[i] = ${code.result};
`;
  return {
    label: `${label}, parts`,
    code: shader(bindings, body, { group: 64, helpers: HELPERS(width) }),
    buffers: bindings.buffers(),
    workgroups,
  };
};

export const matMulKernels = (node: MatMulNode, out: number, room: Room): Kernel[] => {
  const { m, n, k, batch } = node;
  const shape = { m, n, k, batch, splits: splitsFor(m, n, k, batch) };
  return productKernels(`matMul ${m}x${n}x${k}`, shape, out, node.epilogue, room, (bindings) => ({
    a: matrixLoader(bindings, room.bufferOf(node.a), {
      rows: m,
      depth: k,
      byRows: !node.transposeA,
      stride: node.strideA,
    }),
    b: matrixLoader(bindings, room.bufferOf(node.b), {
      rows: n,
      depth: k,
      byRows: node.transposeB,
      stride: node.strideB,
    }),
    helper: '',
  }));
};

export const convolutionKernels = (node: ConvolutionNode, out: number, room: Room): Kernel[] => {
  const w = node.window;
  const [first, second] = node.inputs.map(room.bufferOf) as [number, number];
  const pixels = w.batch * w.outHeight * w.outWidth;
  const taps = w.filterHeight * w.filterWidth;
  const sizes = {
    forward: [pixels, w.outChannels, taps * w.channels],
    input: [w.batch * w.height * w.width, w.channels, taps * w.outChannels],
    filter: [taps * w.channels, w.outChannels, pixels],
  } as const;
  const [m, n, k] = sizes[node.variant];
  const shape = { m, n, k, batch: 1, splits: splitsFor(m, n, k, 1) };
  const label = `convolution ${node.variant} ${m}x${n}x${k}`;
  return productKernels(label, shape, out, node.epilogue, room, (bindings) => {
    if (node.variant === 'input') {
      const { loader, helper } = gradientRows(bindings, first, w);
      return { a: loader, b: filterBack(bindings, second, w), helper };
    }
    const { loader, helper } =
      node.variant === 'forward' ? patchRows(bindings, first, w) : patchColumns(bindings, first, w);
    const b = matrixLoader(bindings, second, { rows: n, depth: k, byRows: false, stride: 0 });
    return { a: loader, b, helper };
  });
};
