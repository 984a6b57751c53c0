/**
 * @module The extra lanes behind the model: example count, clip bit and metrics as non-negative
 * integers, cut into limbs of q bits. A limb is below 2^q, so the sum of n of them is below 2^b and
 * never wraps; the totals are put together again after.
 */
import { FloeError } from '../errors.ts';
import { ENCODING_LIMITS, type EncodingSpec, type ExtraSpec, type RingLayout } from './layout.ts';
import type { Lanes } from './lanes.ts';

/** What one participant adds to the extra lanes. */
export interface ExtraValues {
  /** min(examples, weightCap). */
  readonly weight: number;
  /** Whether the update was longer than the clip norm. */
  readonly clipped: boolean;
  /** In the order of the `ExtraSpec` list. */
  readonly metrics: readonly number[];
}

/** What the sum of the extra lanes says. */
export interface ExtraTotals {
  readonly weight: number;
  /** How many updates were clipped. */
  readonly clipped: number;
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
  spec: EncodingSpec,
  layout: RingLayout,
  extras: readonly ExtraSpec[],
  values: ExtraValues,
): void => {
  if (values.metrics.length !== extras.length)
    throw new FloeError(
      'metric_out_of_range',
      `expected ${extras.length} metrics, got ${values.metrics.length}`,
    );
  const { padded, weightLimbs, metricLimbs } = layout;
  writeLimbs(lanes, padded, weightLimbs, spec.bits, values.weight);
  lanes[padded + weightLimbs] = values.clipped ? 1 : 0;
  for (const [index, extra] of extras.entries()) {
    const at = padded + weightLimbs + 1 + index * metricLimbs;
    writeLimbs(lanes, at, metricLimbs, spec.bits, fixedPoint(extra, values.metrics[index]));
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
  const { extraLanes, weightLimbs, metricLimbs } = layout;
  const mostLimb = survivors * (2 ** spec.bits - 1);
  for (let i = 0; i < extraLanes; i += 1)
    if (!(tail[i]! <= mostLimb))
      throw implausible(`extra lane ${i}: expected at most ${mostLimb}, got ${tail[i]}`);
  const weight = readLimbs(tail, 0, weightLimbs, spec.bits);
  const mostWeight = survivors * spec.weightCap;
  if (weight < survivors || weight > mostWeight)
    throw implausible(`expected a weight sum of ${survivors} to ${mostWeight}, got ${weight}`);
  const clipped = tail[weightLimbs]!;
  if (clipped > survivors)
    throw implausible(`expected at most ${survivors} clipped updates, got ${clipped}`);
  const metrics = extras.map(({ name, scale }, index) => {
    const at = weightLimbs + 1 + index * metricLimbs;
    const total = readLimbs(tail, at, metricLimbs, spec.bits);
    if (total > survivors * (METRIC_CEILING - 1))
      throw implausible(`metric ${name}: the sum ${total / scale} is out of range`);
    return total / scale;
  });
  return { weight, clipped, metrics };
};
