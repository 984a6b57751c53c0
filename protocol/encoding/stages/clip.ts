/**
 * @module Clipping: the participant shortens its vector to the clip norm of the segment, and
 * further where one rotation block holds too much of it. That a sum keeps to it is checked in
 * norm-check.ts.
 */
import { BLOCK_ENERGY, type SegmentLayout } from '../layout.ts';
import { blockEnergies, type Rotation } from '../rotation.ts';
import type { ScaledVector, Stage } from './stage.ts';

/**
 * What a vector is multiplied by so that its norm is at most C and no rotation block holds more
 * than its share of the energy; 1 where both hold.
 */
const clipFactor = (
  { values, norm, factor }: ScaledVector,
  clipNorm: number,
  rotation: Rotation | undefined,
): number => {
  const length = norm * factor;
  const toNorm = length > clipNorm ? clipNorm / length : 1;
  if (rotation === undefined) return toNorm;
  const fullest = blockEnergies(rotation, values).reduce((a, b) => Math.max(a, b));
  const limit = clipNorm * Math.sqrt(BLOCK_ENERGY / rotation.blocks);
  const inBlock = Math.sqrt(fullest) * factor;
  return rotation.blocks > 1 && inBlock > limit ? Math.min(toNorm, limit / inBlock) : toNorm;
};

export const clipStage = ({ clipNorm }: SegmentLayout, rotation: Rotation | undefined): Stage => ({
  name: 'clip',
  participant: {
    update: (vector) => {
      const factor = clipFactor(vector, clipNorm, rotation);
      return {
        ...vector,
        factor: vector.factor * factor,
        clipped: vector.clipped || factor < 1,
      };
    },
  },
  server: {},
});
