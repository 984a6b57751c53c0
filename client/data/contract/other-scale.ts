/**
 * @module Images and arrays in another unit than the contract's: pixels of 0 to 255 where it takes
 * 0 to 1, numbers that it normalises far from its mean. They have no columns, so all numbers of a
 * data set are one: `pixels` or `values`.
 */
import { FloeError } from '../../../protocol/errors.ts';
import type { ContractInput } from '../../../protocol/spec/contract.ts';
import { type Dataset, featureLength, rowOf } from '../dataset.ts';
import { type AcceptedDrift, acceptFlag, isOtherUnit, otherUnitText } from './other-unit.ts';

/** Above it, or all below its inverse, the pixels are on another scale than 0 to 1. */
const MOST_PIXEL = 20;
/** With more of the pixels outside of 0 to 1 than this, they are on another scale. */
const MOST_OUTSIDE = 0.5;

interface Facts {
  readonly count: number;
  readonly least: number;
  readonly largest: number;
  readonly mean: number;
  readonly deviation: number;
  /** Below 0 or above 1. */
  readonly outside: number;
}

/** Of the rows that the data set has. */
const factsOfRows = (data: Dataset): Facts => {
  const width = featureLength(data);
  let [least, largest, sum, squares, outside] = [Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < data.size; i += 1) {
    const start = rowOf(data, i) * width;
    for (let j = start; j < start + width; j += 1) {
      const value = data.features[j] as number;
      if (value < least) least = value;
      if (value > largest) largest = value;
      if (value < 0 || value > 1) outside += 1;
      sum += value;
      squares += value * value;
    }
  }
  const count = data.size * width;
  const mean = sum / count;
  return {
    count,
    least,
    largest,
    mean,
    deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)),
    outside,
  };
};

const short = (value: number): string => String(Number(value.toPrecision(5)));

/** How to bring pixels to 0 to 1. */
const remedyOfPixels = ({ least, largest }: Facts): string => {
  if (least < 0)
    return least >= -1 && largest <= 1 ? 'write (x + 1) / 2' : 'undo the normalisation';
  if (largest <= 1) return 'they were divided twice: multiply them by 255';
  return largest <= 255 ? 'divide them by 255' : 'divide them by 65535';
};

/** Words on images on another scale; undefined for those of 0 to 1. */
const pixelText = (facts: Facts): string | undefined => {
  const { count, least, largest, outside } = facts;
  const isOther =
    largest > MOST_PIXEL ||
    outside > MOST_OUTSIDE * count ||
    (largest > 0 && least >= 0 && largest < 1 / MOST_PIXEL);
  if (!isOther) return undefined;
  const ratio = largest > 1 ? short(largest) : `1/${short(1 / largest)}`;
  return (
    `pixels are from ${short(least)} to ${short(largest)}, the contract takes 0 to 1` +
    `${least < 0 ? '' : ` (${ratio} times)`}: ${remedyOfPixels(facts)}`
  );
};

export interface ScaleReport {
  /** What `--accept-drift` calls them. */
  readonly name: 'pixels' | 'values';
  /** Words on numbers in another unit. */
  readonly other?: string;
  readonly warnings: readonly string[];
}

/** What the numbers of a data set without columns look like beside the contract. */
export const scaleReport = (data: Dataset, input: ContractInput): ScaleReport => {
  // Bytes are pixels of 0 to 255, and are read as such.
  if (data.features instanceof Uint8Array || input.type === 'table')
    return { name: 'pixels', warnings: [] };
  if (input.type === 'image') {
    const facts = factsOfRows(data);
    const other = pixelText(facts);
    const { outside } = facts;
    return {
      name: 'pixels',
      ...(other === undefined ? {} : { other }),
      warnings:
        other === undefined && outside > 0 ? [`${outside} pixels are outside of 0 to 1`] : [],
    };
  }
  const name = 'values';
  const { normalise: expected } = input;
  if (expected === undefined) return { name, warnings: [] };
  const { count: present, least, largest, mean, deviation } = factsOfRows(data);
  const column = { name, from: name, present, least, largest, mean, deviation, expected };
  return isOtherUnit(column)
    ? { name, other: otherUnitText(column), warnings: [] }
    : { name, warnings: [] };
};

/** @throws FloeError `data_unfit` where the numbers are in another unit, and not accepted */
export const refuseOtherScale = ({ name, other }: ScaleReport, accepted: AcceptedDrift): void => {
  if (other === undefined || accepted === 'all' || accepted.includes(name)) return;
  throw new FloeError(
    'data_unfit',
    `${other}\nConvert the data; if the numbers are right as they are, add ${acceptFlag(name)}`,
    { column: name },
  );
};
