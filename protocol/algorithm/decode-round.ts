/**
 * @module From the lanes of a round to the means of its segments: of the sum, or where the run has
 * a robust rule, what the rule makes of the single updates or of the means of groups.
 */
import {
  checkMeanNorm,
  decodeSum,
  type DecodedSum,
  type ExtraTotals,
  type Lanes,
} from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { mostSummed } from '../robust/groups.ts';
import { aggregate, hasCentre } from '../robust/rule.ts';
import type { Robust } from '../spec/settings/robust.ts';
import type { ModelContent } from '../model/open-model.ts';
import type { StepRounding } from '../model/precision.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { encodingFor, extrasFor, layoutOf, segmentsFor, trainableOf } from './segments.ts';
import { stateVectors } from './state.ts';

/** The sum of one group, mod 2^b. */
export interface GroupSum {
  readonly lanes: Lanes;
  /** How many uploads are in it. */
  readonly survivors: number;
}

export interface StepInput {
  readonly spec: RunSpec;
  readonly n: number;
  readonly survivors: number;
  /** S, mod 2^b; of a run in groups nothing reads it. */
  readonly lanes: Lanes;
  /** The single updates in the order of the survivors, where the run has a robust rule. */
  readonly each?: readonly Lanes[] | undefined;
  /** The sums of the groups, in their order, where the run has groups. */
  readonly groups?: readonly GroupSum[] | undefined;
  readonly before: ModelContent;
  readonly rotationSeed: Uint8Array;
  /** Of the Open record: see encoding/weight-scale.ts. */
  readonly meanExamples: number;
}

/** How the weights after the step are rounded, whole and block by block. */
export const roundingOf = ({ encoding }: RunSpec, seed: Uint8Array): StepRounding => ({
  precision: encoding.modelPrecision,
  seed,
});

/** @param survivors how many encodings are in these lanes */
export const decodeRound = (
  { spec, n, meanExamples, rotationSeed }: StepInput,
  lanes: Lanes,
  survivors: number,
): DecodedSum =>
  decodeSum({
    lanes,
    spec: encodingFor(spec, n, meanExamples),
    n: mostSummed(spec, n),
    survivors,
    rotationSeed,
    dimension: segmentsFor(spec),
    extras: extrasFor(spec),
  });

/** The rule over vectors of every segment. Statistics begin at no change. */
const ruled = (
  { spec, before, rotationSeed: seed }: StepInput,
  robust: Robust,
  updates: readonly (readonly Float32Array[])[],
): readonly Float32Array[] => {
  const centre = hasCentre(robust)
    ? stateVectors(before.state, trainableOf(spec)).at(-1)
    : undefined;
  return segmentsFor(spec).map(({ dimension, whole }, segment) =>
    aggregate(robust, {
      vectors: updates.map((means) => means[segment]!),
      centre:
        (segment === 0 ? centre : undefined) ?? new Float32Array(whole?.dimension ?? dimension),
      seed,
    }),
  );
};

/** @throws FloeError `mean_out_of_range`, `weight_sum_out_of_range` */
const plausible = (input: StepInput, lanes: Lanes, survivors: number): DecodedSum => {
  const { spec, n, meanExamples } = input;
  const decoded = decodeRound(input, lanes, survivors);
  const layout = layoutOf(spec, n, meanExamples);
  const encoding = encodingFor(spec, n, meanExamples);
  checkMeanNorm(lanes, encoding, layout, survivors, decoded.weight);
  return decoded;
};

/**
 * What the rule makes of the single updates, segment by segment. Each update is within the bound of
 * one: the norm of their sum says nothing here.
 *
 * @throws FloeError `mean_out_of_range`, `weight_sum_out_of_range`
 */
export const robustMeans = (input: StepInput): readonly Float32Array[] => {
  const { spec, survivors, each = [] } = input;
  const { robust } = spec;
  if (robust === undefined || each.length !== survivors)
    throw new FloeError('internal', `expected ${survivors} single updates, got ${each.length}`);
  const updates = each.map((lanes) => plausible(input, lanes, 1).means);
  return ruled(input, robust, updates);
};

/** What a round in groups was decoded to. */
export interface DecodedGroups extends ExtraTotals {
  /** What the rule makes of the means of the groups, by segment. */
  readonly means: readonly Float32Array[];
  /** Updates in the groups that count. */
  readonly survivors: number;
  /** Of each group its mean; undefined where it cannot be that of clipped updates. */
  readonly groups: readonly (readonly Float32Array[] | undefined)[];
}

const IMPLAUSIBLE: ReadonlySet<string> = new Set(['mean_out_of_range', 'weight_sum_out_of_range']);

/** Undefined for a sum that no honest members can have made. */
const plausibleOrNot = (input: StepInput, group: GroupSum): DecodedSum | undefined => {
  try {
    return plausible(input, group.lanes, group.survivors);
  } catch (thrown) {
    if (thrown instanceof FloeError && IMPLAUSIBLE.has(thrown.code)) return undefined;
    throw thrown;
  }
};

/** Of an adaptive clip norm: the share of the updates within it, over the groups that count. */
const withinOf = (
  groups: readonly GroupSum[],
  decoded: readonly (DecodedSum | undefined)[],
): Pick<ExtraTotals, 'within'> => {
  let within = 0;
  let updates = 0;
  for (const [g, one] of decoded.entries()) {
    if (one?.within === undefined) continue;
    const { survivors } = groups[g]!;
    within += one.within * survivors;
    updates += survivors;
  }
  return updates === 0 ? {} : { within: within / updates };
};

/**
 * What the rule makes of the means of the groups, each of which counts once, and the totals over
 * them. A group whose sum no honest members can have made is left out: everybody sees which, and it
 * counts among the false ones that the rule bears.
 *
 * @throws FloeError `mean_out_of_range` where more are left out than the run bears
 */
export const groupedMeans = (input: StepInput): DecodedGroups => {
  const { spec, groups = [] } = input;
  const { robust } = spec;
  if (robust === undefined || groups.length === 0)
    throw new FloeError('internal', `expected the sums of groups, got ${groups.length}`);
  const decoded = groups.map((group) => plausibleOrNot(input, group));
  const good = decoded.flatMap((one) => one ?? []);
  const out = groups.length - good.length;
  if (out > robust.byzantine || good.length === 0)
    throw new FloeError(
      'mean_out_of_range',
      `the means of ${out} of ${groups.length} groups cannot be those of clipped updates, the run bears ${robust.byzantine}`,
    );
  const sum = (of: (one: DecodedSum) => number): number =>
    good.reduce((total, one) => total + of(one), 0);
  return {
    means: ruled(
      input,
      robust,
      good.map(({ means }) => means),
    ),
    survivors: groups.reduce((total, { survivors }, g) => total + (decoded[g] ? survivors : 0), 0),
    groups: decoded.map((one) => one?.means),
    weight: sum(({ weight }) => weight),
    examples: sum(({ examples }) => examples),
    clipped: sum(({ clipped }) => clipped),
    ...withinOf(groups, decoded),
    metrics: (good[0]?.metrics ?? []).map((_, i) => sum(({ metrics }) => metrics[i]!)),
  };
};
