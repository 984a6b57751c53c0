/**
 * @module One metric of a run: as a specification declares it, as a commit holds its sum, and as it
 * is shown.
 */
import * as v from 'valibot';
import { ENCODING_LIMITS } from '../encoding/index.ts';

/** Also the names of parameters and scalars of strategies. */
export const metricName = v.pipe(
  v.string(),
  v.regex(/^[a-z][A-Za-z0-9_.-]{0,59}$/u, 'expected a letter, then up to 59 of A-Z a-z 0-9 _ . -'),
);

export const metricSchema = v.strictObject({
  name: metricName,
  /**
   * `mean`: the participant's value is a sum over its examples, which counts for no more examples
   * than its update does; what is reported is the mean over all examples that count. `sum`: the
   * values are added as they are.
   */
  kind: v.picklist(['mean', 'sum']),
  /** Steps per unit: 1 for counts, 1000 for three decimals. A value is below 2^40 / scale. */
  scale: v.pipe(
    v.number(),
    v.check(
      (scale) => scale > 0 && scale < 2 ** ENCODING_LIMITS.metricBits,
      'expected a scale > 0',
    ),
  ),
  /** Of a `sum`: what is reported is this sum divided by that of the metric with this name. */
  per: v.optional(metricName),
});

export type MetricSpec = Readonly<v.InferOutput<typeof metricSchema>>;

/** The sum of one metric over the survivors, as a commit record holds it. */
export interface NamedSum {
  readonly name: string;
  readonly sum: number;
}

/** A metric as it is shown: the mean or the sum. */
export interface ReportedMetric {
  readonly name: string;
  readonly kind: MetricSpec['kind'];
  readonly value: number;
}
