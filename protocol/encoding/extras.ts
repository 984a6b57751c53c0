/**
 * @module The extra lanes behind the model: example count, clip bit and metrics as non-negative
 * integers, cut into limbs of b - ceil(log2 n) bits. So the sum of n of them is below 2^b and never
 * wraps; the totals are put together again after. The count travels twice: as what the update
 * counts for in this round, and as it is up to the cap, which gives the next round its scale.
 */
import { FloeError } from '../errors.ts';
import {
  ENCODING_LIMITS,
  scaleOf,
  type EncodingSpec,
  type ExtraSpec,
  type RingLayout,
} from './layout.ts';
import { isNoisyBit, shareWithin } from './clip-bit.ts';
import type { Lanes } from './lanes.ts';

/** What one participant adds to the extra lanes. */
export interface ExtraValues {
  /** min(examples, weightScale). */
  readonly weight: number;
  /** min(examples, weightCap). */
  readonly examples: number;
  /** Whether the update was longer than the clip norm. */
  readonly clipped: boolean;
  /** In the order of the `ExtraSpec` list. */
  readonly metrics: readonly number[];
}

/** What the sum of the extra lanes says. */
export interface ExtraTotals {
  /** What the updates count for. */
  readonly weight: number;
  /** Their capped example counts. */
  readonly examples: number;
  /** How many updates were clipped; 0 with differential privacy, where that is not counted. */
  readonly clipped: number;
  /**
   * Of an adaptive clip norm: the share of the updates within it, with privacy a noisy one outside
   * of 0 to 1 too.
   */
  readonly within?: number;
  readonly metrics: readonly number[];
}

/** Largest integer a metric may become, plus one. */
const METRIC_CEILING = 2 ** ENCODING_LIMITS.metricBits;

const writeLimbs = (lanes: Lanes, at: number, limbs: number, bits: number, value: number): void => {
  const base = 2 ** bits;
  let rest = value;
  for (let i = 0; i < limbs; i += 1) {
    lanes[at + i] = rest % base;
    rest = Math.floor(rest / base);
  }
};

const readLimbs = (lanes: Lanes, at: number, limbs: number, bits: number): number => {
  let total = 0;
  for (let i = limbs - 1; i >= 0; i -= 1) total = total * 2 ** bits + lanes[at + i]!;
  return total;
};

const fixedPoint = ({ name, scale }: ExtraSpec, value: number | undefined): number => {
  const fixed = value === undefined ? Number.NaN : Math.floor(value * scale + 0.5);
  if (!(value !== undefined && value >= 0 && fixed < METRIC_CEILING))
    throw new FloeError(
      'metric_out_of_range',
      `metric ${name}: expected a number from 0 to ${METRIC_CEILING / scale}, got ${value}`,
      { metric: name },
    );
  return fixed;
};

/**
 * Fills the extra lanes.
 *
 * @throws FloeError `metric_out_of_range` when a metric is missing, negative, not finite, or 2^40
 * or more after scaling
 */
export const writeExtras = (
  lanes: Lanes,
  layout: RingLayout,
  extras: readonly ExtraSpec[],
  values: ExtraValues,
): void => {
  if (values.metrics.length !== extras.length)
    throw new FloeError(
      'metric_out_of_range',
      `expected ${extras.length} metrics, got ${values.metrics.length}`,
    );
  const { padded, weightLimbs, metricLimbs, limbBits } = layout;
  writeLimbs(lanes, padded, weightLimbs, limbBits, values.weight);
  writeLimbs(lanes, padded + weightLimbs, weightLimbs, limbBits, values.examples);
  const flag = padded + 2 * weightLimbs;
  lanes[flag] = values.clipped ? 1 : 0;
  for (const [index, extra] of extras.entries()) {
    const at = flag + 1 + index * metricLimbs;
    writeLimbs(lanes, at, metricLimbs, limbBits, fixedPoint(extra, values.metrics[index]));
  }
};

const implausible = (message: string): FloeError =>
  new FloeError('weight_sum_out_of_range', message);

/**
 * Reads the totals out of a sum over `survivors` participants.
 *
 * @param tail the extra lanes alone, `layout.extraLanes` of them
 * @throws FloeError `weight_sum_out_of_range` when no `survivors` honest contributions can have
 * this sum. A participant may still lie within its own range: a sum cannot show that.
 */
export const readExtras = (
  tail: Lanes,
  spec: EncodingSpec,
  layout: RingLayout,
  extras: readonly ExtraSpec[],
  survivors: number,
): ExtraTotals => {
  const { extraLanes, weightLimbs, metricLimbs, limbBits } = layout;
  const mostLimb = survivors * (2 ** limbBits - 1);
  const flag = 2 * weightLimbs;
  for (let i = 0; i < extraLanes; i += 1)
    if (!(tail[i]! <= mostLimb) && !(i === flag && isNoisyBit(spec)))
      throw implausible(`extra lane ${i}: expected at most ${mostLimb}, got ${tail[i]}`);
  const weight = readLimbs(tail, 0, weightLimbs, limbBits);
  const mostWeight = survivors * scaleOf(spec);
  if (weight < survivors || weight > mostWeight)
    throw implausible(`expected a weight sum of ${survivors} to ${mostWeight}, got ${weight}`);
  const examples = readLimbs(tail, weightLimbs, weightLimbs, limbBits);
  const mostExamples = survivors * spec.weightCap;
  if (examples < weight || examples > mostExamples)
    throw implausible(`expected ${weight} to ${mostExamples} examples, got ${examples}`);
  const clipped = isNoisyBit(spec) ? 0 : tail[flag]!;
  if (clipped > survivors)
    throw implausible(`expected at most ${survivors} clipped updates, got ${clipped}`);
  const metrics = extras.map(({ name, scale }, index) => {
    const at = flag + 1 + index * metricLimbs;
    const total = readLimbs(tail, at, metricLimbs, limbBits);
    if (total > survivors * (METRIC_CEILING - 1))
      throw implausible(`metric ${name}: the sum ${total / scale} is out of range`);
    return total / scale;
  });
  if (spec.clipping === undefined) return { weight, examples, clipped, metrics };
  const within = shareWithin(tail[flag]!, spec, layout, survivors);
  return { weight, examples, clipped, within, metrics };
};
