/**
 * @module The rotation as a stage, and how its blocks are dealt: see rotation.ts. Without it the
 * blocks are consecutive coordinates.
 */
import { plainCoordinates, type SegmentLayout } from '../layout.ts';
import {
  coordinatesOf,
  dealBlock,
  rotateBlock,
  rotateBlockBack,
  rotationGain,
  type Rotation,
} from '../rotation.ts';
import type { Deal, Stage } from './stage.ts';

export const rotateStage = (segment: SegmentLayout, rotation: Rotation): Stage => ({
  name: 'rotate',
  gain: rotationGain(segment),
  participant: { values: (x, block) => rotateBlock(x, rotation, block) },
  server: { values: (x, block) => rotateBlockBack(x, rotation, block) },
});

export const rotatedDeal = (rotation: Rotation): Deal => ({
  take: ({ values, factor }, block, out) => dealBlock(rotation, values, factor, block, out),
  coordinates: (block) => coordinatesOf(rotation, block),
});

export const plainDeal = (segment: SegmentLayout): Deal => ({
  take: ({ values, factor }, block, out) => {
    const from = block * segment.blockSize;
    for (let g = 0; g < out.length; g += 1) out[g] = (values[from + g] ?? 0) * factor;
  },
  coordinates: (block) => plainCoordinates(segment, block),
});
