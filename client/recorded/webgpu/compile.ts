/** @module From a plan to kernels: which shader each node becomes, with which tile. */
import type { Node } from '../ir.ts';
import type { Plan } from '../plan.ts';
import { type Tile, memoryOf, threadsOf } from './gemm.ts';
import { type Room, type Shape, convolutionKernels, matMulKernels } from './products.ts';
import { reduceKernels } from './reduce.ts';
import type { Kernel } from './shader.ts';
import { gatherKernel, mapKernel, segmentSumKernel, softmaxKernel } from './simple.ts';
import { depthwiseKernel, poolKernel } from './windows.ts';

export type TileFor = (shape: Shape) => Tile;

const tile = (
  blockM: number,
  blockN: number,
  blockK: number,
  threadM: number,
  threadN: number,
): Tile => ({ blockM, blockN, blockK, threadM, threadN });

/** Tiles that measurements choose from; the first that suits is the rule without one. */
export const TILES: readonly Tile[] = [
  tile(128, 128, 8, 8, 8),
  tile(128, 128, 16, 8, 8),
  tile(128, 64, 16, 8, 8),
  tile(128, 64, 8, 8, 8),
  tile(64, 128, 16, 8, 8),
  tile(64, 64, 16, 8, 4),
  tile(64, 64, 16, 4, 4),
  tile(64, 64, 16, 8, 8),
  tile(128, 32, 16, 8, 4),
  tile(64, 32, 16, 4, 4),
  tile(32, 64, 16, 4, 4),
  tile(32, 32, 16, 4, 4),
];

const SMALL = tile(32, 32, 16, 4, 4);

/** How many of the tiles' elements are none of the product's. */
const wasted = ({ m, n }: Shape, { blockM, blockN }: Tile): number => {
  const covered = Math.ceil(m / blockM) * blockM * Math.ceil(n / blockN) * blockN;
  return covered / (m * n);
};

export const suits = (shape: Shape, candidate: Tile, limits: GPUSupportedLimits): boolean =>
  memoryOf(candidate) <= limits.maxComputeWorkgroupStorageSize &&
  threadsOf(candidate) <= limits.maxComputeInvocationsPerWorkgroup &&
  wasted(shape, candidate) <= 1.7;

/** The rule: large tiles where they leave enough workgroups, small ones for small products. */
export const tileByRule =
  (limits: GPUSupportedLimits): TileFor =>
  (shape) => {
    const groups = (candidate: Tile): number =>
      Math.ceil(shape.m / candidate.blockM) *
      Math.ceil(shape.n / candidate.blockN) *
      shape.splits *
      shape.batch;
    // In the order of the sums per second that they gave on an H200.
    const order = [TILES[3], TILES[8], TILES[5], TILES[6]];
    for (const candidate of order)
      if (candidate !== undefined && suits(shape, candidate, limits) && groups(candidate) >= 192)
        return candidate;
    return SMALL;
  };

const nodeKernels = (node: Node, out: number, room: Room): Kernel[] => {
  switch (node.type) {
    case 'map':
      return [mapKernel(node, out, room)];
    case 'matMul':
      return matMulKernels(node, out, room);
    case 'convolution':
      return convolutionKernels(node, out, room);
    case 'depthwise':
      return [depthwiseKernel(node, out, room)];
    case 'pool':
      return [poolKernel(node, out, room)];
    case 'reduce':
      return reduceKernels(node, out, room);
    case 'softmax':
      return [softmaxKernel(node, out, room)];
    case 'gather':
      return [gatherKernel(node, out, room)];
    case 'segmentSum':
      return [segmentSumKernel(node, out, room)];
  }
};

export interface Compiled {
  readonly kernels: readonly Kernel[];
  /** Floats of every buffer: the plan's, then scratch. */
  readonly buffers: readonly number[];
}

export const compile = (plan: Plan, tileFor: TileFor): Compiled => {
  const buffers = [...plan.buffers];
  const kernels: Kernel[] = [];
  const scratch: number[] = [];
  for (const node of plan.nodes) {
    let used = 0;
    // Scratch lives for one node, so that the next one may have it again.
    const room: Room = {
      bufferOf: (value) => plan.bufferOf[value] ?? -1,
      scratch: (floats) => {
        const at = scratch[used] ?? buffers.push(0) - 1;
        scratch[used] = at;
        used++;
        buffers[at] = Math.max(buffers[at] ?? 0, floats);
        return at;
      },
      tileFor,
    };
    kernels.push(...nodeKernels(node, plan.bufferOf[node.out] ?? -1, room));
  }
  return { kernels, buffers };
};
