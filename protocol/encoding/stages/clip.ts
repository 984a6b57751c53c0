/**
 * @module Clipping: the participant shortens its update to the clip norm, and further where one
 * rotation block holds too much of it; the server refuses a sum whose mean is longer than clipped
 * updates can give.
 */
import { BLOCK_ENERGY, type EncodingSpec, type RingLayout } from '../layout.ts';
import { blockEnergies, type Rotation } from '../rotation.ts';
import { checkBlockNorm, checkMeanNorm } from '../norm-check.ts';
import type { ScaledVector, Stage } from './stage.ts';

/**
 * What an update is multiplied by so that its norm is at most C and no rotation block holds more
 * than its share of the energy; 1 where both hold.
 */
const clipFactor = (
  { values, norm }: ScaledVector,
  spec: EncodingSpec,
  rotation: Rotation | undefined,
): number => {
  const toNorm = norm > spec.clipNorm ? spec.clipNorm / norm : 1;
  if (rotation === undefined) return toNorm;
  const fullest = blockEnergies(rotation, values).reduce((a, b) => Math.max(a, b));
  const limit = spec.clipNorm * Math.sqrt(BLOCK_ENERGY / rotation.blocks);
  const inBlock = Math.sqrt(fullest);
  return rotation.blocks > 1 && inBlock > limit ? Math.min(toNorm, limit / inBlock) : toNorm;
};

export const clipStage = (
  spec: EncodingSpec,
  layout: RingLayout,
  rotation: Rotation | undefined,
): Stage => ({
  name: 'clip',
  participant: {
    update: (vector) => {
      const factor = clipFactor(vector, spec, rotation);
      return {
        ...vector,
        factor: vector.factor * factor,
        clipped: vector.clipped || factor < 1,
      };
    },
  },
  server: {
    check: ({ lanes, block, survivors, weight }) =>
      (block === undefined ? checkMeanNorm : checkBlockNorm)(
        lanes,
        spec,
        layout,
        survivors,
        weight,
      ),
  },
});
