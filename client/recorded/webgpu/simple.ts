/**
 * @module Kernels with one invocation for each element: maps, gathers, sums by segment; and softmax
 * by rows.
 */
import {
  type Elementwise,
  type GatherNode,
  type MapNode,
  type SegmentSumNode,
  type SoftmaxNode,
  elements,
} from '../ir.ts';
import { HELPERS, canBeVector, elementwiseCode } from './elementwise.ts';
import type { Room } from './products.ts';
import {
  type Bindings,
  GROUP,
  type Kernel,
  createBindings,
  gridFor,
  invocation,
  shader,
} from './shader.ts';

export const mapKernel = (node: MapNode, out: number, room: Room): Kernel => {
  const width = canBeVector(node) ? 4 : 1;
  const bindings = createBindings(out, width);
  const count = elements(node.shape) / width;
  const workgroups = gridFor(count);
  const code = elementwiseCode(node, width, bindings, room.bufferOf);
  const body = `${invocation(workgroups, count)}  let e = i * ${width}u;
${code.statements}  out[i] = ${code.result};
`;
  return {
    label: `map ${node.shape.join('x')}`,
    code: shader(bindings, body, { helpers: HELPERS(width) }),
    buffers: bindings.buffers(),
    workgroups,
  };
};

/** WGSL that stores `value`, through the epilogue, at flat index `e`. */
export const finishing = (
  bindings: Bindings,
  room: Room,
  part: Elementwise | undefined,
  value: string,
): string => {
  if (part === undefined) return `  out[e] = ${value};\n`;
  const code = elementwiseCode(part, 1, bindings, room.bufferOf, value);
  return `${code.statements}  out[e] = ${code.result};\n`;
};

/** A kernel whose body computes `value` for the element `e`. */
export const perElement = (
  label: string,
  count: number,
  out: number,
  part: Elementwise | undefined,
  room: Room,
  compute: (bindings: Bindings) => string,
): Kernel => {
  const bindings = createBindings(out, 1);
  const workgroups = gridFor(count);
  const computed = compute(bindings);
  const body = `${invocation(workgroups, count)}  let e = i;
${computed}${finishing(bindings, room, part, 'value')}`;
  return {
    label,
    code: shader(bindings, body, { helpers: HELPERS(1) }),
    buffers: bindings.buffers(),
    workgroups,
  };
};

export const gatherKernel = (node: GatherNode, out: number, room: Room): Kernel => {
  const { outer, axisSize, count, inner } = node;
  return perElement('gather', outer * count * inner, out, node.epilogue, room, (bindings) => {
    const params = bindings.name(room.bufferOf(node.params), 1);
    const indices = bindings.name(room.bufferOf(node.indices), 1);
    return `  let row = (i / ${inner}u) % ${count}u;
  let index = min(u32(max(${indices}[row], 0.0)), ${axisSize - 1}u);
  let value = ${params}[(i / ${inner * count}u * ${axisSize}u + index) * ${inner}u + i % ${inner}u];
`;
  });
};

export const segmentSumKernel = (node: SegmentSumNode, out: number, room: Room): Kernel => {
  const { segments, count, inner } = node;
  return perElement('segmentSum', segments * inner, out, node.epilogue, room, (bindings) => {
    const x = bindings.name(room.bufferOf(node.x), 1);
    const ids = bindings.name(room.bufferOf(node.ids), 1);
    return `  let segment = f32(i / ${inner}u);
  var value = 0.0;
  for (var j = 0u; j < ${count}u; j++) {
    if (${ids}[j] == segment) { value += ${x}[j * ${inner}u + i % ${inner}u]; }
  }
`;
  });
};

/** One workgroup for each row: its largest, the sum of exponentials, the quotients. */
export const softmaxKernel = (node: SoftmaxNode, out: number, room: Room): Kernel => {
  const { rows, columns } = node;
  const group = columns <= 64 ? 32 : GROUP;
  const bindings = createBindings(out, 1);
  const x = bindings.name(room.bufferOf(node.input), 1);
  const workgroups = gridFor(rows, 1);
  const tree = (combine: string): string => `  workgroupBarrier();
  for (var half = ${group / 2}u; half > 0u; half /= 2u) {
    if (li < half) { part[li] = ${combine}; }
    workgroupBarrier();
  }
`;
  const body = `  let row = wid.y * ${workgroups[0]}u + wid.x;
  if (row >= ${rows}u) { return; }
  var best = -3.4028234e38f;
  for (var j = li; j < ${columns}u; j += ${group}u) { best = max(best, ${x}[row * ${columns}u + j]); }
  part[li] = best;
${tree('max(part[li], part[li + half])')}  best = workgroupUniformLoad(&part[0]);
  var sum = 0.0;
  for (var j = li; j < ${columns}u; j += ${group}u) { sum += exp(${x}[row * ${columns}u + j] - best); }
  part[li] = sum;
${tree('part[li] + part[li + half]')}  sum = workgroupUniformLoad(&part[0]);
  for (var j = li; j < ${columns}u; j += ${group}u) {
    let e = row * ${columns}u + j;
    let value = exp(${x}[e] - best) / sum;
${finishing(bindings, room, node.epilogue, 'value')}  }
`;
  return {
    label: `softmax ${rows}x${columns}`,
    code: shader(bindings, body, {
      group,
      helpers: `${HELPERS(1)}var<workgroup> part: array<f32, ${group}>;\n`,
    }),
    buffers: bindings.buffers(),
    workgroups,
  };
};
