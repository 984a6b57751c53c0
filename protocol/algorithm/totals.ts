/**
 * @module What the sum of a round says of the updates in it, beside their mean: what they count
 * for, their metrics, and the clip norm that follows from them.
 */
import type { ExtraTotals } from '../encoding/index.ts';
import { nextClipNorm } from '../privacy/adaptive-clipping.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import type { NamedSum } from './metrics.ts';

/** What a sum says of the updates in it. */
export interface RoundTotals {
  /** What the updates count for in the mean: the sum of min(examples, weight scale). */
  readonly weight: number;
  /** Sum of the capped example counts. */
  readonly examples: number;
  /** ceil(examples / survivors): what the scale of the next attempts follows from. */
  readonly meanExamples: number;
  /** How many updates were clipped; 0 with differential privacy. */
  readonly clipped: number;
  /** Where the clip norm is adaptive: the share of the updates within it, and the next one. */
  readonly clip?: { readonly within: number; readonly next: number };
  /** In the order of the specification. */
  readonly metrics: readonly NamedSum[];
}

/** @param spec of the attempt @param within of its sum */
const clipOf = (
  { encoding: { clipping, clipNorm } }: RunSpec,
  within: number | undefined,
): Pick<RoundTotals, 'clip'> =>
  clipping === undefined || within === undefined
    ? {}
    : { clip: { within, next: nextClipNorm(clipNorm, within, clipping) } };

/** @param spec of the attempt */
export const totalsOf = (
  spec: RunSpec,
  survivors: number,
  { weight, examples, clipped, within, metrics }: ExtraTotals,
): RoundTotals => ({
  weight,
  examples,
  meanExamples: Math.ceil(examples / survivors),
  clipped,
  ...clipOf(spec, within),
  metrics: spec.metrics.map(({ name }, i) => ({ name, sum: metrics[i]! })),
});

/** Whether totals are those of a commit. */
export const sameTotals = (
  a: RoundTotals,
  b: Omit<RoundTotals, 'clip'> & { readonly clip?: RoundTotals['clip'] | undefined },
): boolean =>
  a.weight === b.weight &&
  a.examples === b.examples &&
  a.meanExamples === b.meanExamples &&
  a.clipped === b.clipped &&
  a.clip?.within === b.clip?.within &&
  a.clip?.next === b.clip?.next &&
  a.metrics.length === b.metrics.length &&
  a.metrics.every(({ name, sum }, i) => name === b.metrics[i]?.name && sum === b.metrics[i].sum);
