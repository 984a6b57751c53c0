/**
 * @module The metrics of a run: numbers that each participant sends with its update, under the
 * same masks. The specification declares them; nobody but their participant sees a single one. A
 * sum of a metric travels as an integer of 40 bits, see `ExtraSpec` in the encoding.
 */
import * as v from 'valibot';
import { ENCODING_LIMITS, type ExtraSpec } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';

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
});

export type MetricSpec = Readonly<v.InferOutput<typeof metricSchema>>;

/** Of a run that declares none: what every trainer of `floe/client` measures. */
export const DEFAULT_METRICS = [
  { name: 'loss', kind: 'mean', scale: 1000 },
  { name: 'accuracy', kind: 'mean', scale: 1000 },
] as const satisfies readonly MetricSpec[];

/** Of regression: the mean absolute and the mean squared error, whose root is the RMSE. */
const REGRESSION_METRICS = [
  { name: 'loss', kind: 'mean', scale: 1000 },
  { name: 'mae', kind: 'mean', scale: 1000 },
  { name: 'mse', kind: 'mean', scale: 1000 },
] as const satisfies readonly MetricSpec[];

/** The metrics of a run that declares none. @param task of its training, where it is declared */
export const metricsOfTask = (task: string | undefined): MetricSpec[] => [
  ...(task === 'regression' ? REGRESSION_METRICS : DEFAULT_METRICS),
];

export const metricsSchema = v.pipe(
  v.array(metricSchema),
  // The strategy's own scalars travel in the same lanes.
  v.maxLength(ENCODING_LIMITS.metrics - 8),
  v.check(
    (list) => new Set(list.map(({ name }) => name)).size === list.length,
    'expected each metric once',
  ),
);

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

/** How the values of these metrics lie in the extra lanes. */
export const extrasOf = (metrics: readonly MetricSpec[]): readonly ExtraSpec[] =>
  metrics.map(({ name, scale }) => ({ name, scale }));

/**
 * What a participant adds to the sums, in the order of the specification. Like its update, a mean
 * counts for no more examples than the round's weight scale: divided by the sum of the weights,
 * these sums are means.
 *
 * @param values by name
 * @throws FloeError `metric_out_of_range` if a metric is missing
 */
export const weighMetrics = (
  metrics: readonly MetricSpec[],
  values: Readonly<Record<string, number>>,
  examples: number,
  weightScale: number,
): readonly number[] =>
  metrics.map(({ name, kind }) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined)
      throw new FloeError(
        'metric_out_of_range',
        `metric ${name}: the run declares it, and the trainer did not measure it`,
        { metric: name },
      );
    return kind === 'sum' ? value : value * (Math.min(examples, weightScale) / examples);
  });

/** The metrics of a commit as they are shown. @param weight of the commit */
export const reportMetrics = (
  metrics: readonly MetricSpec[],
  sums: readonly NamedSum[],
  weight: number,
): readonly ReportedMetric[] =>
  metrics.map(({ name, kind }, i) => {
    const sum = sums[i]?.sum ?? 0;
    return { name, kind, value: kind === 'mean' ? sum / Math.max(1, weight) : sum };
  });

/** The value of the metric with this name, where the run has it. */
export const metricValue = (metrics: readonly ReportedMetric[], name: string): number | undefined =>
  metrics.find((metric) => metric.name === name)?.value;
