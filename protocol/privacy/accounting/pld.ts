/**
 * @module Composition of privacy losses: the sum of independent losses by the discrete Fourier
 * transform, on a window that Chernoff's bound gives, and the epsilon and delta of the sum. After
 * Koskela, Jalko, Honkela 2020 and Doroshenko et al. 2022.
 */
import { FloeError } from '../../errors.ts';
import { fourier, rootsOf, type ComplexVector } from './fft.ts';
import {
  LOSS_GRID,
  lossOfGaussian,
  type LossDistribution,
  type LossPair,
} from './loss-distribution.ts';
import type { SampledGaussian } from './rdp.ts';

/** Probability beyond each end of the window; it is charged to delta. */
const TAIL = 1e-15;
const MAX_WINDOW = 2 ** 25;

interface Part {
  readonly loss: LossDistribution;
  readonly steps: number;
}

/** ln E e^(t loss), finite losses only. */
const logMoment = ({ first, masses }: LossDistribution, t: number): number => {
  // The largest exponent first, so that nothing overflows.
  const top = t * LOSS_GRID * (t > 0 ? first + masses.length - 1 : first);
  let sum = 0;
  for (let i = 0; i < masses.length; i += 1)
    if (masses[i]! > 0) sum += masses[i]! * Math.exp(t * LOSS_GRID * (first + i) - top);
  return Math.log(sum) + top;
};

/** Arguments of Chernoff's bound: one of them is within a factor of 1.5 of the best. */
const ARGUMENTS = Array.from({ length: 18 }, (_, i) => 0.05 * 2 ** i);

/** The window that all but {@link TAIL} of the sum is in, on either side; in steps of the grid. */
const windowOf = (parts: readonly Part[]): readonly [low: number, high: number] => {
  const whole = (from: (loss: LossDistribution) => number): number =>
    parts.reduce((sum, { loss, steps }) => sum + steps * from(loss), 0);
  const bound = (sign: 1 | -1): number =>
    ARGUMENTS.reduce((best, t) => {
      const moment = parts.reduce(
        (sum, { loss, steps }) => sum + steps * logMoment(loss, sign * t),
        0,
      );
      return Math.min(best, Math.ceil((moment - Math.log(TAIL)) / (t * LOSS_GRID)));
    }, Infinity);
  const low = whole(({ first }) => first);
  const high = whole(({ first, masses }) => first + masses.length - 1);
  return [Math.max(low, -bound(-1)), Math.min(high, bound(1))];
};

/** A distribution on a circle of this length. */
const wrapped = ({ first, masses }: LossDistribution, length: number): ComplexVector => {
  const re = new Float64Array(length);
  let at = ((first % length) + length) % length;
  for (const mass of masses) {
    re[at] = re[at]! + mass;
    at = at + 1 === length ? 0 : at + 1;
  }
  return { re, im: new Float64Array(length) };
};

/**
 * total <- total * part^steps, value by value. The transform of real numbers is the conjugate of
 * itself backwards, so half of it is enough.
 */
const multiply = (total: ComplexVector, part: ComplexVector, steps: number): void => {
  const { length } = total.re;
  for (let i = 0; i <= length / 2; i += 1) {
    const size = Math.sqrt(part.re[i]! ** 2 + part.im[i]! ** 2) ** steps;
    const [a, b] = [total.re[i]!, total.im[i]!];
    const angle = size === 0 ? 0 : Math.atan2(part.im[i]!, part.re[i]!) * steps;
    const [c, s] = [size * Math.cos(angle), size * Math.sin(angle)];
    const mirror = i === 0 ? 0 : length - i;
    total.re[i] = a * c - b * s;
    total.im[i] = a * s + b * c;
    total.re[mirror] = total.re[i]!;
    if (mirror !== i) total.im[mirror] = -total.im[i]!;
  }
};

/**
 * The distribution of the sum of independent losses, each `steps` times.
 *
 * @throws FloeError `privacy_invalid` where the window of losses is too wide
 */
export const composeLosses = (given: readonly Part[]): LossDistribution => {
  const parts = given.filter(({ steps }) => steps > 0);
  const [only] = parts;
  if (only === undefined) return { first: 0, masses: new Float64Array([1]), infinite: 0 };
  if (parts.length === 1 && only.steps === 1) return only.loss;
  const [low, high] = windowOf(parts);
  const span = high - low + 1;
  if (span > MAX_WINDOW)
    throw new FloeError('privacy_invalid', 'the losses to compose are too wide for the grid');
  const length = 2 ** Math.ceil(Math.log2(span));
  const roots = rootsOf(length);
  const total = { re: new Float64Array(length).fill(1), im: new Float64Array(length) };
  for (const { loss, steps } of parts) {
    const part = wrapped(loss, length);
    fourier(part, roots);
    multiply(total, part, steps);
  }
  fourier(total, roots, true);
  const masses = new Float64Array(span);
  for (let i = 0; i < span; i += 1)
    masses[i] = Math.max(0, total.re[(((low + i) % length) + length) % length]!);
  const finite = parts.reduce(
    (sum, { loss, steps }) => sum + steps * Math.log1p(-loss.infinite),
    0,
  );
  return { first: low, masses, infinite: -Math.expm1(finite) + 2 * TAIL };
};

const deltaOf = ({ first, masses, infinite }: LossDistribution, epsilon: number): number => {
  let sum = infinite;
  for (let i = masses.length - 1; i >= 0; i -= 1) {
    const loss = (first + i) * LOSS_GRID;
    if (loss <= epsilon) break;
    sum += masses[i]! * -Math.expm1(epsilon - loss);
  }
  return sum;
};

/** The least epsilon with at most this delta: the curve is solved between two grid points. */
const epsilonOf = ({ first, masses, infinite }: LossDistribution, delta: number): number => {
  if (infinite > delta) return Infinity;
  let upper = infinite;
  let lower = 0;
  for (let i = masses.length - 1; i >= 0; i -= 1) {
    const loss = (first + i) * LOSS_GRID;
    // With the masses above `loss`: delta = upper - e^epsilon lower.
    if (upper - delta >= 0 && lower > 0) {
      const solved = Math.log((upper - delta) / lower);
      if (solved >= loss) return Math.max(0, solved);
    }
    upper += masses[i]!;
    lower += masses[i]! * Math.exp(-loss);
  }
  return upper - delta > 0 && lower > 0 ? Math.max(0, Math.log((upper - delta) / lower)) : 0;
};

/** Both directions of neighbours, composed. */
export const composeGaussians = (mechanisms: readonly SampledGaussian[]): LossPair => {
  const pairs = mechanisms.map((mechanism) => ({
    steps: mechanism.steps,
    pair: lossOfGaussian(mechanism),
  }));
  const sides = (side: keyof LossPair): LossDistribution =>
    composeLosses(pairs.map(({ pair, steps }) => ({ loss: pair[side], steps })));
  return { add: sides('add'), remove: sides('remove') };
};

/** The larger of the two directions, at least 0. */
export const deltaOfLoss = ({ add, remove }: LossPair, epsilon: number): number =>
  Math.max(deltaOf(add, epsilon), deltaOf(remove, epsilon));

/** The larger of both directions. @throws FloeError `privacy_invalid` for a delta out of range */
export const epsilonOfLoss = ({ add, remove }: LossPair, delta: number): number => {
  if (!(delta > 0 && delta < 1))
    throw new FloeError('privacy_invalid', `delta: expected above 0 and below 1, got ${delta}`);
  return Math.max(epsilonOf(add, delta), epsilonOf(remove, delta));
};
