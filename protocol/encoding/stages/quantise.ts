/**
 * @module Quantisation: the participant scales, clamps and rounds stochastically to integers mod
 * 2^b; the server takes the sum of these integers back to the mean of the updates.
 */
import { FloeError } from '../../errors.ts';
import type { RandomSource } from '../../ports/random.ts';
import { laneMask, type Lanes } from '../lanes.ts';
import { quantisationStep, stepOfMean, type EncodingSpec, type SegmentLayout } from '../layout.ts';
import type { Quantiser } from './stage.ts';

/** u of one coordinate, from two bytes. */
const fraction = (bytes: Uint8Array, i: number): number =>
  ((bytes[2 * i]! | (bytes[2 * i + 1]! << 8)) + 0.5) / 65_536;

const clamp = (value: number, level: number): number =>
  value > level ? level : value < -level ? -level : value;

// One loop for each element type, as in lanes.ts.
const round16 = (
  x: Float64Array,
  factor: number,
  level: number,
  lanes: Uint16Array,
  mask: number,
  bytes: Uint8Array,
): void => {
  for (let i = 0; i < x.length; i += 1)
    lanes[i] = Math.floor(clamp(x[i]! * factor, level) + fraction(bytes, i)) & mask;
};
const round32 = (
  x: Float64Array,
  factor: number,
  level: number,
  lanes: Uint32Array,
  mask: number,
  bytes: Uint8Array,
): void => {
  for (let i = 0; i < x.length; i += 1)
    lanes[i] = Math.floor(clamp(x[i]! * factor, level) + fraction(bytes, i)) & mask;
};

/**
 * lanes[i] = floor(clamp(x[i] * factor, -L, L) + u) mod 2^b, u uniform over (k + 1/2) / 2^16.
 * Sixteen bits bias a coordinate by at most 2^-17 of a step.
 */
const roundStochastically = (
  x: Float64Array,
  factor: number,
  level: number,
  lanes: Lanes,
  mask: number,
  random: RandomSource,
): void => {
  const bytes = random(x.length * 2);
  if (bytes.length !== x.length * 2)
    throw new FloeError('internal', `expected ${x.length * 2} random bytes, got ${bytes.length}`);
  const to = lanes instanceof Uint16Array ? round16 : round32;
  to(x, factor, level, lanes as Uint16Array & Uint32Array, mask, bytes);
};

/**
 * Lanes stand for integers in [-2^(b-1), 2^(b-1)). One loop for each element type, as in lanes.ts.
 */
const centre = (lanes: Lanes, modulusBits: number, out: Float64Array): void => {
  const shift = 32 - modulusBits;
  if (lanes instanceof Uint16Array)
    for (let i = 0; i < out.length; i += 1) out[i] = (lanes[i]! << shift) >> shift;
  else for (let i = 0; i < out.length; i += 1) out[i] = (lanes[i]! << shift) >> shift;
};

/**
 * @param gain what the stages before left in the norm
 * @param random for the rounding; whoever only decodes has none
 */
export const quantiser = (
  spec: EncodingSpec,
  segment: SegmentLayout,
  gain: number,
  random: RandomSource | undefined,
): Quantiser => {
  const factor = 1 / (quantisationStep(spec, segment) * gain);
  const { modulusBits, level } = segment;
  return {
    round: (x, lanes) => {
      if (random === undefined)
        throw new FloeError('internal', 'expected randomness to round with');
      roundStochastically(x, factor, level, lanes, laneMask(modulusBits), random);
    },
    centre: (lanes, x) => centre(lanes, modulusBits, x),
    toMean: (totals) => stepOfMean(spec, segment, totals) / gain,
  };
};
