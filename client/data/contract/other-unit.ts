/**
 * @module Columns of numbers so far from the contract that they are in another unit, or another
 * quantity. Inputs of that size make training diverge, at this site and in the sum of all, so such
 * data is refused unless the site accepts it by the column's name.
 */
import { FloeError } from '../../../protocol/errors.ts';

/**
 * A mean this many scales from the contract's is refused. Another population rarely lies more than
 * three away; inputs of ten and more make a learning rate that suits the others diverge.
 */
export const MOST_DRIFT = 10;
/** A spread this many times the contract's scale, or this part of it, is another unit's. */
export const MOST_SPREAD = 20;
/**
 * A column with every value outside of the range is refused this many scales from the contract's
 * mean: fewer may be another population.
 */
export const MOST_DRIFT_OUTSIDE = 5;
/** With fewer values, a small spread says nothing of the unit. */
const FEWEST_FOR_SPREAD = 5;
/** Columns of mostly zeros have larger scales: a site may well have hardly anything else. */
const MOST_SCALES_PER_MEAN = 2;

/** Of a column's report: `expected` is what the contract has. */
interface NumberColumn {
  readonly name: string;
  readonly from: string;
  readonly mean?: number;
  readonly deviation?: number;
  readonly expected?: { readonly mean: number; readonly scale: number };
  readonly range?: readonly [least: number, largest: number];
  readonly outside?: number;
  /** Values that are there. */
  readonly present?: number;
  readonly least?: number;
  readonly largest?: number;
}

/** Columns whose drift a site accepts, by its own names or the contract's; `all`: warn only. */
export type AcceptedDrift = readonly string[] | 'all';

/**
 * Ratios between units that tables hold: kilo, centi, dozens, hours and minutes, days, pounds,
 * inches; mg/dl to mmol/l of glucose, cholesterol, triglycerides, creatinine (to umol/l).
 */
const RATIOS = [
  1000, 1e6, 100, 10, 12, 60, 24, 365.25, 7, 2.20462, 2.54, 18.016, 38.67, 88.57, 88.42,
] as const;
const FACTORS = RATIOS.flatMap((ratio) => [
  { by: ratio, name: String(ratio), undo: `divide it by ${ratio}` },
  { by: 1 / ratio, name: `1/${ratio}`, undo: `multiply it by ${ratio}` },
]);

const short = (value: number): string => String(Number(value.toPrecision(5)));

interface Distance {
  /** |mean - contract's mean| / scale */
  readonly drift: number;
  /** deviation / scale */
  readonly spread: number;
}

const distanceOf = (of: NumberColumn, by = 1): Distance | undefined => {
  const { mean, deviation = 0, expected } = of;
  if (mean === undefined || expected === undefined) return undefined;
  return {
    drift: Math.abs(mean / by - expected.mean) / expected.scale,
    spread: deviation / by / expected.scale,
  };
};

/** Far is 0 for equal mean and spread. A column without a spread is judged by its mean. */
const far = ({ drift, spread }: Distance): number =>
  drift + (spread === 0 ? 0 : Math.abs(Math.log2(spread)));

/** The likely unit: the factor after which the column lies near the contract's. */
const likelyFactor = (of: NumberColumn): (typeof FACTORS)[number] | undefined => {
  let best: (typeof FACTORS)[number] | undefined;
  let least = 3;
  for (const factor of FACTORS) {
    const distance = distanceOf(of, factor.by);
    if (distance === undefined || far(distance) >= least) continue;
    least = far(distance);
    best = factor;
  }
  return best;
};

/** Numbers that are a part of the contract's: mean, spread and width of the range are less. */
const isMuchSmaller = (of: NumberColumn, { spread }: Distance): boolean => {
  const { mean = 0, deviation = 0, expected, range, present = 0, least = 0, largest = 0 } = of;
  if (expected === undefined || present < FEWEST_FOR_SPREAD || deviation === 0) return false;
  if (expected.scale > MOST_SCALES_PER_MEAN * Math.abs(expected.mean)) return false;
  const width = range === undefined ? Infinity : range[1] - range[0];
  return (
    spread < 1 / MOST_SPREAD &&
    Math.abs(mean) * MOST_SPREAD < Math.abs(expected.mean) &&
    (largest - least) * MOST_SPREAD < width
  );
};

/**
 * Whether a column is refused: values inside the contract's range are in its unit, however rare
 * they are there, unless they are all a small part of what they should be.
 */
export const isOtherUnit = (of: NumberColumn): boolean => {
  const distance = distanceOf(of);
  if (distance === undefined) return false;
  if (isMuchSmaller(of, distance)) return true;
  const { range, outside = 0, present } = of;
  if (range !== undefined && outside === 0) return false;
  const isAllOutside = range !== undefined && present !== undefined && outside === present;
  return (
    distance.drift > (isAllOutside ? MOST_DRIFT_OUTSIDE : MOST_DRIFT) ||
    distance.spread > MOST_SPREAD
  );
};

/** What is wrong with such a column, with both numbers and the likely factor. */
export const otherUnitText = (of: NumberColumn): string => {
  const { name, from, mean = 0, deviation = 0, expected = { mean: 0, scale: 1 } } = of;
  const label = from === name ? `column ${name}` : `column ${from} (${name})`;
  const factor = likelyFactor(of);
  const ratio = expected.mean === 0 ? Number.NaN : mean / expected.mean;
  const guess =
    factor === undefined
      ? `${Number.isFinite(ratio) ? `the means are ${short(ratio)} to 1: ` : ''}is it in another unit, or another quantity?`
      : `it is likely in another unit, ${factor.name} times the contract's numbers: ${factor.undo}`;
  return (
    `${label}: the mean is ${short(mean)} with a spread of ${short(deviation)}, the contract has ` +
    `${short(expected.mean)} with a scale of ${short(expected.scale)}; ${guess}`
  );
};

const MOST_NAMED = 5;

/** A flag that a shell takes as it is written. */
export const acceptFlag = (column: string): string =>
  `--accept-drift ${/^[\w.-]+$/u.test(column) ? column : JSON.stringify(column)}`;

const requireKnown = (columns: readonly NumberColumn[], accepted: AcceptedDrift): void => {
  if (accepted === 'all') return;
  const known = new Set(columns.flatMap(({ name, from }) => [name, from]));
  const unknown = accepted.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new FloeError(
      'usage',
      `--accept-drift (acceptDrift): neither the contract nor the data has a column ${JSON.stringify(unknown)} that is used`,
      { column: unknown },
    );
};

/**
 * @throws FloeError `data_unfit` naming the columns in another unit that are not accepted; `usage`
 * for an accepted column that is not there
 */
export const refuseOtherUnits = (
  columns: readonly NumberColumn[],
  accepted: AcceptedDrift,
): void => {
  requireKnown(columns, accepted);
  if (accepted === 'all') return;
  const refused = columns.filter(
    (of) => isOtherUnit(of) && !accepted.includes(of.name) && !accepted.includes(of.from),
  );
  const [first] = refused;
  if (first === undefined) return;
  const left = refused.length - MOST_NAMED;
  const flags = refused.slice(0, MOST_NAMED).map(({ from }) => acceptFlag(from));
  throw new FloeError(
    'data_unfit',
    refused.slice(0, MOST_NAMED).map(otherUnitText).join('\n') +
      (left > 0 ? `\nand ${left} more ${left === 1 ? 'column' : 'columns'}` : '') +
      `\nConvert the ${refused.length === 1 ? 'column' : 'columns'} in the file; if the numbers are right as they are, add ${flags.join(' ')}${left > 0 ? ' ...' : ''}`,
    { column: first.from },
  );
};
