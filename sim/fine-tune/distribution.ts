/**
 * @module What fine-tuning did over all sites: deciles of the accuracy (of regression: the loss)
 * before and after, and of the change at each site. A site counts once, however many examples it
 * has.
 */
import * as v from 'valibot';
import type { FineTunePlan, TunedSite } from './measure.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const number = v.pipe(v.number(), v.finite());
/** 0 %, 10 %, ... 100 %. */
const DECILES = 11;
/** Empty where no site has both values. */
const deciles = v.union([v.pipe(v.array(number), v.length(DECILES)), v.tuple([])]);

export const fineTunedSchema = v.strictObject({
  epochs: count,
  batchSize: count,
  learningRate: v.pipe(number, v.minValue(0)),
  /** Sites that were measured; the others attack, or have too few examples to hold one out. */
  sites: count,
  /** Of these, sites without a finite value before or after: they are in no decile. */
  diverged: v.optional(count, 0),
  measure: v.picklist(['accuracy', 'loss']),
  before: deciles,
  after: deciles,
  /** After less before, site by site. */
  change: deciles,
  /** Sites whose model got better. */
  improved: count,
});
export type FineTuned = v.InferOutput<typeof fineTunedSchema>;

/**
 * A quantile, linear between the two nearest values (Hyndman and Fan 1996, definition 7).
 *
 * @param sorted ascending, at least one @param p in [0, 1]
 */
export const quantileOf = (sorted: readonly number[], p: number): number => {
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const [below, above] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!];
  return below + (at - low) * (above - below);
};

const decilesOf = (values: readonly number[]): number[] => {
  if (values.length === 0) return [];
  const sorted = values.toSorted((a, b) => a - b);
  return Array.from({ length: DECILES }, (_, i) => quantileOf(sorted, i / (DECILES - 1)));
};

/** Undefined where no site was fine-tuned. */
export const distributionOf = (
  { epochs, batchSize, learningRate }: Pick<FineTunePlan, 'epochs' | 'batchSize' | 'learningRate'>,
  sites: readonly TunedSite[],
): FineTuned | undefined => {
  if (sites.length === 0) return undefined;
  const measure = sites[0]?.accuracyBefore === undefined ? 'loss' : 'accuracy';
  const pairs = sites.flatMap((site) => {
    const [from, to] = [site[`${measure}Before`], site[`${measure}After`]];
    return from === undefined || to === undefined ? [] : [{ from, to }];
  });
  const change = pairs.map(({ from, to }) => to - from);
  const better = measure === 'accuracy' ? 1 : -1;
  return {
    epochs,
    batchSize,
    learningRate,
    sites: sites.length,
    diverged: sites.length - pairs.length,
    measure,
    before: decilesOf(pairs.map(({ from }) => from)),
    after: decilesOf(pairs.map(({ to }) => to)),
    change: decilesOf(change),
    improved: change.filter((value) => better * value > 0).length,
  };
};

/** The site that a tenth of the sites are worse than, and the one in the middle. */
const placesOf = ({ measure }: FineTuned): { readonly worst: number; readonly median: number } => ({
  worst: measure === 'accuracy' ? 1 : DECILES - 2,
  median: (DECILES - 1) / 2,
});

/** A value as its measure is written. */
export const writeMeasure = ({ measure }: Pick<FineTuned, 'measure'>, value: number): string =>
  measure === 'accuracy' ? `${(100 * value).toFixed(2)} %` : value.toFixed(4);

/** A change, with its sign. */
export const writeChange = ({ measure }: Pick<FineTuned, 'measure'>, value: number): string => {
  const text = measure === 'accuracy' ? `${(100 * value).toFixed(2)} points` : value.toFixed(4);
  return value < 0 ? text : `+${text}`;
};

/** One line: median, worst decile, sites that improved. */
export const describeFineTuned = (tuned: FineTuned): string => {
  const { measure, before, after, change, sites, diverged, improved } = tuned;
  if (diverged === sites) return `fine-tuned at ${sites} sites: all diverged`;
  const { worst, median } = placesOf(tuned);
  const pair = (at: number): string =>
    `${writeMeasure(tuned, before[at]!)} -> ${writeMeasure(tuned, after[at]!)}`;
  return (
    `fine-tuned at ${sites} sites: ${measure} median ${pair(median)}, worst decile ${pair(worst)}; ` +
    `${improved} improved, median change ${writeChange(tuned, change[median]!)}` +
    (diverged === 0 ? '' : `; ${diverged} diverged and not counted`)
  );
};
