/**
 * @module Low rank as a stage: see low-rank.ts. The participant clips its whole vector and
 * multiplies its matrices; the server multiplies the mean by the transpose.
 */
import type { SegmentLayout } from '../layout.ts';
import { createProjector } from '../low-rank.ts';
import type { Stage } from './stage.ts';
import { clippedWhole, normOf } from './subsample.ts';

/** Undefined for a segment that is not multiplied. @param seed of the attempt, 32 bytes */
export const lowRankStage = ({ whole }: SegmentLayout, seed: Uint8Array): Stage | undefined => {
  if (whole?.sketch === undefined) return undefined;
  const { dimension, sketch, scaled = false } = whole;
  const projector = createProjector(sketch, seed);
  return {
    name: 'low-rank',
    participant: {
      update: (vector) => {
        const { factor, clipped } = clippedWhole(vector, whole);
        const values = projector.project(vector.values, scaled);
        return { values, factor, norm: normOf(values), clipped };
      },
    },
    server: {
      mean: (mean) => projector.expand(mean, dimension),
      spread: ({ coordinates, values }) => projector.spread(coordinates, values),
    },
  };
};
