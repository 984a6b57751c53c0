/**
 * @module From the lanes of a round to the means of its segments: of the sum, or where the run has
 * a robust rule, what the rule makes of the single updates.
 */
import { checkMeanNorm, decodeSum, type DecodedSum, type Lanes } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { aggregate, hasCentre } from '../robust/rule.ts';
import type { ModelContent } from '../model/open-model.ts';
import type { StepRounding } from '../model/precision.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { encodingFor, extrasFor, layoutOf, segmentsFor, trainableOf } from './segments.ts';
import { stateVectors } from './state.ts';

export interface StepInput {
  readonly spec: RunSpec;
  readonly n: number;
  readonly survivors: number;
  readonly lanes: Lanes;
  /** The single updates in the order of the survivors, where the run has a robust rule. */
  readonly each?: readonly Lanes[] | undefined;
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
    n,
    survivors,
    rotationSeed,
    dimension: segmentsFor(spec),
    extras: extrasFor(spec),
  });

/**
 * What the rule makes of the single updates, segment by segment. Statistics begin at no change.
 * Each update is within the bound of one: the norm of their sum says nothing here.
 *
 * @throws FloeError `mean_out_of_range`, `weight_sum_out_of_range`
 */
export const robustMeans = (input: StepInput): readonly Float32Array[] => {
  const { spec, n, meanExamples, survivors, each = [], before, rotationSeed: seed } = input;
  const { robust } = spec;
  if (robust === undefined || each.length !== survivors)
    throw new FloeError('internal', `expected ${survivors} single updates, got ${each.length}`);
  const encoding = encodingFor(spec, n, meanExamples);
  const layout = layoutOf(spec, n, meanExamples);
  const updates = each.map((lanes) => {
    const { means, weight } = decodeRound(input, lanes, 1);
    checkMeanNorm(lanes, encoding, layout, 1, weight);
    return means;
  });
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
