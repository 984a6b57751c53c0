/**
 * @module The fixed point of a column of numbers in a survey. A value counts in whole steps from
 * the smaller end of the contract's range; a step is a power of two, at most 2^-19 of the range. So
 * the sums of whole numbers, and of decimals on the grid, are exact, and every site has the same
 * steps.
 */
import { FloeError } from '../errors.ts';

/** A range has between 2^19 and 2^20 steps, and one more where its ends lie between steps. */
const RESOLUTION_BITS = 20;
/** Bits of a value in steps. */
export const VALUE_BITS = RESOLUTION_BITS + 1;

export interface Grid {
  readonly range: readonly [number, number];
  /** A power of two. */
  readonly step: number;
  /** The smaller end of the range in steps from 0: an integer. */
  readonly origin: number;
  /** The larger end in steps from the smaller: below 2^VALUE_BITS. */
  readonly span: number;
}

/** The smallest power of two of which `width` has at most 2^20. */
const stepOf = (width: number): number => {
  const most = 2 ** RESOLUTION_BITS;
  // The logarithm may be off by one place; the loops mend that, and are exact.
  let step = 2 ** (Math.floor(Math.log2(width)) - RESOLUTION_BITS);
  while (width / step > most) step *= 2;
  while (width / (step / 2) <= most) step /= 2;
  return step;
};

/**
 * @param column names the column in errors
 * @throws FloeError `contract_invalid` for a range that has no such steps
 */
export const gridOf = (column: string, range: readonly [number, number]): Grid => {
  const [least, largest] = range;
  const width = least === largest ? Math.max(Math.abs(least), 1) : largest - least;
  // Steps far below the smallest normal number would be 0.
  const step = Number.isFinite(width) && width > 2 ** -900 ? stepOf(width) : Number.NaN;
  const origin = Math.round(least / step);
  const span = Math.round(largest / step) - origin;
  if (!Number.isSafeInteger(origin) || !Number.isSafeInteger(span))
    throw new FloeError(
      'contract_invalid',
      `column ${column}: the range ${least} to ${largest} overflows a sum; give one that is narrower, or wider around the same numbers`,
      { column },
    );
  return { range, step, origin, span };
};

/** A value of the range in steps from its smaller end, rounded; values beyond count as its ends. */
export const stepsOf = ({ step, origin, span }: Grid, value: number): number =>
  Math.min(span, Math.max(0, Math.round(value / step) - origin));

/**
 * The bin of a value: 0 below the range, 1 to `bins` in it, `bins` + 1 above. The last bin has the
 * larger end.
 */
export const binOf = ({ range: [least, largest] }: Grid, bins: number, value: number): number => {
  if (value < least) return 0;
  if (value > largest) return bins + 1;
  if (least === largest) return 1;
  return 1 + Math.min(bins - 1, Math.floor(((value - least) / (largest - least)) * bins));
};

/** The smaller end of a bin from 0 to `bins`: that of `bins` is the larger end of the range. */
export const edgeOf = ({ range: [least, largest] }: Grid, bins: number, bin: number): number =>
  least + (largest - least) * (bin / bins);
