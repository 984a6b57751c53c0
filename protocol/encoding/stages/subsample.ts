/**
 * @module Random-k as a stage: see compression.ts. The participant clips its whole vector and keeps
 * the coordinates of the attempt; the server puts their mean back in its place, with 0 elsewhere.
 */
import type { SegmentLayout } from '../layout.ts';
import { chooseCoordinates, othersThan } from '../subsample.ts';
import type { Whole } from '../compression.ts';
import type { ScaledVector, Stage } from './stage.ts';

const gathered = (values: Float32Array, coordinates: Int32Array): Float32Array => {
  const out = new Float32Array(coordinates.length);
  for (let i = 0; i < out.length; i += 1) out[i] = values[coordinates[i]!]!;
  return out;
};

export const normOf = (values: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

/** The factor of a vector that is clipped before it is cut. */
export const clippedWhole = (
  { factor, norm, clipped }: ScaledVector,
  { clipNorm, scaling }: Whole,
): Pick<ScaledVector, 'factor' | 'clipped'> => {
  const length = norm * factor;
  const clip = length > clipNorm ? clipNorm / length : 1;
  return { factor: factor * clip * scaling, clipped: clipped || clip < 1 };
};

/** Undefined where no coordinates are left out. @param seed of the attempt, 32 bytes */
export const subsampleStage = (
  { whole, dimension }: SegmentLayout,
  seed: Uint8Array,
): Stage | undefined => {
  if (whole === undefined || whole.sketch !== undefined) return undefined;
  const coordinates = chooseCoordinates(whole.dimension, dimension, seed);
  return {
    name: 'subsample',
    participant: {
      update: (vector) => {
        const chosen = gathered(vector.values, coordinates);
        return { values: chosen, norm: normOf(chosen), ...clippedWhole(vector, whole) };
      },
    },
    server: {
      mean: (mean) => {
        const all = new Float32Array(whole.dimension);
        for (let i = 0; i < dimension; i += 1) all[coordinates[i]!] = mean[i]!;
        return all;
      },
      spread: ({ coordinates: positions, values }) => ({
        coordinates: positions.map((position) => coordinates[position] ?? whole.dimension),
        values,
      }),
      unreached: () => othersThan(coordinates, whole.dimension),
    },
  };
};
