/**
 * @module The metrics of a run: numbers that each participant sends with its update, under the
 * same masks. The specification declares them; nobody but their participant sees a single one. A
 * sum of a metric travels as an integer of 40 bits, see `ExtraSpec` in the encoding.
 */
import * as v from 'valibot';
import { ENCODING_LIMITS, type ExtraSpec } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { metricSchema, type MetricSpec, type NamedSum, type ReportedMetric } from './metric.ts';
import { countsAsMetrics, isCount, isDetail } from './test-counts.ts';

export {
  metricName,
  metricSchema,
  type MetricSpec,
  type NamedSum,
  type ReportedMetric,
} from './metric.ts';

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

const ofHeldOut = (name: string): MetricSpec => ({
  name,
  kind: 'sum',
  scale: 1000,
  per: HELD_OUT,
});

/** How many examples the participants held out, over all survivors. */
export const HELD_OUT = 'testExamples';

/**
 * What participants measure on their held-out examples with the model that they begin the round
 * with: sums over these examples, so that the quotients are those of the pooled examples.
 */
export const testMetricsOf = (task: string | undefined): MetricSpec[] => [
  { name: HELD_OUT, kind: 'sum', scale: 1 },
  ofHeldOut('testLoss'),
  ...(task === 'regression'
    ? [ofHeldOut('testMae'), ofHeldOut('testMse')]
    : [ofHeldOut('testAccuracy')]),
];

/**
 * The names under which the measurements of training are reported: each example was met while the
 * weights changed, and they are trained on it.
 */
const REPORTED_AS: ReadonlyMap<string, string> = new Map([
  ['loss', 'trainLoss'],
  ['accuracy', 'trainAccuracy'],
  ['mae', 'trainMae'],
  ['mse', 'trainMse'],
]);

export const metricsSchema = v.pipe(
  v.array(metricSchema),
  // The strategy's own scalars travel in the same lanes.
  v.maxLength(ENCODING_LIMITS.metrics - 8),
  v.check(
    (list) => new Set(list.map(({ name }) => name)).size === list.length,
    'expected each metric once',
  ),
  v.check(
    (list) =>
      list.every(
        ({ kind, per }) =>
          per === undefined ||
          (kind === 'sum' && list.some((other) => other.name === per && other.per === undefined)),
      ),
    'per: expected a sum, and the name of another metric that is no quotient',
  ),
);

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

/** Means, sums and quotients by the names of the specification. @param weight of the commit */
export const metricValues = (
  metrics: readonly MetricSpec[],
  sums: readonly NamedSum[],
  weight: number,
): readonly ReportedMetric[] =>
  metrics.flatMap(({ name, kind, per }, i): ReportedMetric[] => {
    const sum = sums[i]?.sum ?? 0;
    if (kind === 'mean') return [{ name, kind, value: sum / Math.max(1, weight) }];
    if (per === undefined) return [{ name, kind, value: sum }];
    const whole = sums[metrics.findIndex((other) => other.name === per)]?.sum ?? 0;
    // Nobody held out an example: there is no quotient.
    return whole === 0 ? [] : [{ name, kind: 'mean', value: sum / whole }];
  });

/**
 * The metrics of a commit as they are shown: those of training as `trainLoss`, `trainAccuracy`, and
 * those of held-out examples as `testLoss`, `testAccuracy`. Counts are shown as what follows from
 * them: `testMeanRecall`, `testRecall.3`, `testAuc`. @param weight of the commit
 */
export const reportMetrics = (
  metrics: readonly MetricSpec[],
  sums: readonly NamedSum[],
  weight: number,
): readonly ReportedMetric[] => [
  ...metricValues(metrics, sums, weight)
    .filter((metric) => !isCount(metric))
    .map(({ name, ...rest }) => ({ name: REPORTED_AS.get(name) ?? name, ...rest })),
  ...countsAsMetrics(sums.filter(isCount)),
];

/** The words of a reported name: `train accuracy`. */
export const metricInWords = (name: string): string =>
  name.replaceAll(/[A-Z]/gu, (letter) => ` ${letter.toLowerCase()}`);

const isTest = ({ name }: { readonly name: string }): boolean => /^test[A-Z]/u.test(name);

/** A sum of whole numbers is a count. Where the kind is not known, a mean is rarely whole. */
const shownValue = ({ kind, value }: { readonly kind?: string; readonly value: number }): string =>
  Number.isInteger(value) && (kind === 'sum' || (kind === undefined && value > 1))
    ? String(value)
    : value.toFixed(4);

/**
 * Reported metrics as a line shows them, without those of single classes. The test metrics are of
 * the model before: participants measure it when they begin the round.
 *
 * @param round whose commit has these metrics, where that is known @example `train loss 0.1200;
 * test accuracy 0.9300 on 120 held-out examples (model after round 4)`
 */
export const metricsText = (
  metrics: readonly (Pick<ReportedMetric, 'name' | 'value'> & Partial<ReportedMetric>)[],
  round?: number,
): string => {
  const words = (of: typeof metrics): string =>
    of
      .filter((metric) => !isDetail(metric))
      .map((metric) => `${metricInWords(metric.name)} ${shownValue(metric)}${classOf(metric)}`)
      .join(', ');
  // Which class it is, where the recall of each is known.
  const classOf = ({ name, value }: (typeof metrics)[number]): string => {
    if (name !== 'testLowestRecall') return '';
    const found = metrics.find(
      (each) => each.name.startsWith('testRecall.') && each.value === value,
    );
    return found === undefined ? '' : ` (class ${found.name.split('.')[1]})`;
  };
  const heldOut = metrics.find(({ name }) => name === HELD_OUT)?.value;
  const tested = metrics.filter((metric) => isTest(metric) && metric.name !== HELD_OUT);
  const trained = words(metrics.filter((metric) => !isTest(metric)));
  if (tested.length === 0) return trained;
  const examples = heldOut === undefined ? '' : ` on ${heldOut} held-out examples`;
  const before = round === undefined ? 'the model before' : `model after round ${round - 1}`;
  const model = round === 1 ? 'the first model' : before;
  const test = `${words(tested)}${examples} (${model})`;
  return trained === '' ? test : `${trained}; ${test}`;
};

/** The value of the metric with this name, where the run has it. */
export const metricValue = (metrics: readonly ReportedMetric[], name: string): number | undefined =>
  metrics.find((metric) => metric.name === name)?.value;
