/**
 * @module Random-k as a stage: see compression.ts. The participant clips its whole vector and keeps
 * the coordinates of the attempt; the server puts their mean back in its place, with 0 elsewhere.
 */
import type { SegmentLayout } from '../layout.ts';
import { chooseCoordinates, othersThan } from '../subsample.ts';
import type { Stage } from './stage.ts';

const gathered = (values: Float32Array, coordinates: Int32Array): Float32Array => {
  const out = new Float32Array(coordinates.length);
  for (let i = 0; i < out.length; i += 1) out[i] = values[coordinates[i]!]!;
  return out;
};

const normOf = (values: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

/** Undefined for a segment that travels whole. @param seed of the attempt, 32 bytes */
export const subsampleStage = (
  { whole, dimension }: SegmentLayout,
  seed: Uint8Array,
): Stage | undefined => {
  if (whole === undefined) return undefined;
  const coordinates = chooseCoordinates(whole.dimension, dimension, seed);
  return {
    name: 'subsample',
    participant: {
      update: ({ values, factor, norm, clipped }) => {
        const length = norm * factor;
        const clip = length > whole.clipNorm ? whole.clipNorm / length : 1;
        const chosen = gathered(values, coordinates);
        return {
          values: chosen,
          factor: factor * clip * whole.scaling,
          norm: normOf(chosen),
          clipped: clipped || clip < 1,
        };
      },
    },
    server: {
      mean: (mean) => {
        const all = new Float32Array(whole.dimension);
        for (let i = 0; i < dimension; i += 1) all[coordinates[i]!] = mean[i]!;
        return all;
      },
      coordinates: (positions) =>
        positions.map((position) => coordinates[position] ?? whole.dimension),
      unreached: () => othersThan(coordinates, whole.dimension),
    },
  };
};
