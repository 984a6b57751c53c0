/**
 * @module Reductions over the middle of [outer, size, inner]. Long sums are cut into parts whose
 * number depends on the sizes alone, and added in a fixed order: the same bytes every time.
 */
import type { ReduceNode, ReduceOp } from '../ir.ts';
import { HELPERS } from './elementwise.ts';
import type { Room } from './products.ts';
import { type Kernel, createBindings, shader } from './shader.ts';
import { finishing, perElement } from './simple.ts';

type Plain = Exclude<ReduceOp, 'argMax' | 'argMin'>;

const START: Readonly<Record<Plain, string>> = {
  sum: '0.0',
  prod: '1.0',
  max: '-3.4028234e38f',
  min: '3.4028234e38f',
};

const combine = (op: Plain, a: string, b: string): string =>
  op === 'sum' ? `${a} + ${b}` : op === 'prod' ? `${a} * ${b}` : `${op}(${a}, ${b})`;

/** Invocations side by side along `inner`, and rows of them along `size`. */
const shapeOf = (inner: number): { readonly columns: number; readonly rows: number } => {
  const columns = inner >= 32 ? 32 : 2 ** Math.ceil(Math.log2(Math.max(1, inner)));
  return { columns, rows: 256 / columns };
};

/** Sums below this length for each row of a workgroup are not cut. */
const WORTH_CUTTING = 64;
const GROUPS = 512;

interface Stage {
  readonly op: Plain;
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  readonly parts: number;
}

/** From [outer, size, inner] to [outer, parts, inner]. */
const stage = (
  { op, outer, size, inner, parts }: Stage,
  from: number,
  to: number,
  node: ReduceNode | undefined,
  room: Room,
): Kernel => {
  const { columns, rows } = shapeOf(inner);
  const bindings = createBindings(to, 1);
  const x = bindings.name(from, 1);
  const length = Math.ceil(size / parts);
  const blocks = Math.ceil(inner / columns);
  const body = `  let lx = li % ${columns}u;
  let ly = li / ${columns}u;
  let outer = (wid.z * 65535u + wid.y) / ${parts}u;
  let part = (wid.z * 65535u + wid.y) % ${parts}u;
  if (outer >= ${outer}u) { return; }
  let column = wid.x * ${columns}u + lx;
  let to = min(${size}u, (part + 1u) * ${length}u);
  var sum = ${START[op]};
  if (column < ${inner}u) {
    for (var r = part * ${length}u + ly; r < to; r += ${rows}u) {
      sum = ${combine(op, 'sum', `${x}[(outer * ${size}u + r) * ${inner}u + column]`)};
    }
  }
  shared_[li] = sum;
  workgroupBarrier();
  for (var half = ${rows / 2}u; half > 0u; half /= 2u) {
    if (ly < half) { shared_[li] = ${combine(op, 'shared_[li]', `shared_[li + half * ${columns}u]`)}; }
    workgroupBarrier();
  }
  if (ly == 0u && column < ${inner}u) {
    let e = (outer * ${parts}u + part) * ${inner}u + column;
    let value = shared_[li];
${finishing(bindings, room, node?.epilogue, 'value')}  }
`;
  const groups = outer * parts;
  return {
    label: `reduce ${op} ${outer}x${size}x${inner}`,
    code: shader(bindings, body, {
      helpers: `${HELPERS(1)}var<workgroup> shared_: array<f32, 256>;\n`,
    }),
    buffers: bindings.buffers(),
    workgroups: [blocks, Math.min(groups, 65_535), Math.ceil(groups / 65_535)],
  };
};

const serial = (node: ReduceNode, out: number, room: Room): Kernel => {
  const { op, outer, size, inner } = node;
  const index = op === 'argMax' || op === 'argMin';
  return perElement(`reduce ${op}`, outer * inner, out, node.epilogue, room, (bindings) => {
    const x = bindings.name(room.bufferOf(node.input), 1);
    const at = `${x}[(i / ${inner}u * ${size}u + r) * ${inner}u + i % ${inner}u]`;
    const first = `${x}[i / ${inner}u * ${size * inner}u + i % ${inner}u]`;
    if (index)
      return `  var value = 0.0;
  var best = ${first};
  for (var r = 1u; r < ${size}u; r++) {
    if (${at} ${op === 'argMax' ? '>' : '<'} best) { best = ${at}; value = f32(r); }
  }
`;
    return `  var value = ${START[op]};
  for (var r = 0u; r < ${size}u; r++) { value = ${combine(op, 'value', at)}; }
`;
  });
};

export const reduceKernels = (node: ReduceNode, out: number, room: Room): Kernel[] => {
  const { op, outer, size, inner } = node;
  if (op === 'argMax' || op === 'argMin' || size <= 32) return [serial(node, out, room)];
  const { columns, rows } = shapeOf(inner);
  const groups = outer * Math.ceil(inner / columns);
  const parts = Math.min(Math.ceil(GROUPS / groups), Math.floor(size / (rows * WORTH_CUTTING)));
  const whole = { op, outer, size, inner };
  const from = room.bufferOf(node.input);
  if (parts <= 1) return [stage({ ...whole, parts: 1 }, from, out, node, room)];
  const middle = room.scratch(outer * parts * inner);
  return [
    stage({ ...whole, parts }, from, middle, undefined, room),
    stage({ op, outer, size: parts, inner, parts: 1 }, middle, out, node, room),
  ];
};
