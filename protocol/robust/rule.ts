/**
 * @module The rule by which the updates of a round become one, as the specification names it, and
 * how many false updates it bears. A rule compares single updates, so a run with one has no masks:
 * under masks there is only their sum.
 */
import type { AggregationRule, Robust } from '../spec/settings/robust.ts';
import { centredClipping } from './centred-clipping.ts';
import { combine, meansOf, medianCut, type Combination } from './combine.ts';
import { medianOf, squaredDistance } from './distances.ts';
import { geometricMedian } from './geometric-median.ts';
import { multiKrum } from './krum.ts';
import { buckets, nearest } from './mixing.ts';

/** Whether the rule begins at the aggregate of the round before, which the state then carries. */
export const hasCentre = ({ rule }: Robust): boolean => rule.type === 'centred-clipping';

/** More than half are honest. */
const majority = (byzantine: number): number => 2 * byzantine + 1;
/** 2f + 2 < n: Blanchard et al. 2017, proposition 4.2. */
const majorityAndTwo = (byzantine: number): number => 2 * byzantine + 3;

/** Vectors that a rule needs for f false ones, at least. */
const NEEDS: Readonly<Record<AggregationRule['type'], (byzantine: number) => number>> = {
  median: majority,
  'trimmed-mean': majority,
  rfa: majority,
  'centred-clipping': majority,
  krum: majorityAndTwo,
  'multi-krum': majorityAndTwo,
};

/**
 * The most false updates that a rule bears among these: a false update spoils its whole bucket.
 *
 * @param updates in the round, 1 to 4096
 */
export const tolerated = (
  { rule, bucketing = 1 }: Pick<Robust, 'rule' | 'bucketing'>,
  updates: number,
): number => {
  const vectors = Math.ceil(updates / bucketing);
  const needed = NEEDS[rule.type];
  let most = 0;
  while (needed(most + 1) <= vectors) most += 1;
  return most;
};

const distancesTo = (vectors: readonly Float32Array[], point: Float32Array): readonly number[] =>
  vectors.map((vector) => Math.sqrt(squaredDistance(vector, point)));

const combinationOf = (
  vectors: readonly Float32Array[],
  centre: Float32Array,
  { rule, byzantine }: Robust,
): Combination => {
  switch (rule.type) {
    case 'median':
      return { type: 'trimmed', cut: medianCut(vectors.length) };
    case 'trimmed-mean':
      return { type: 'trimmed', cut: Math.min(byzantine, medianCut(vectors.length)) };
    case 'krum':
      return multiKrum(vectors, byzantine, 1);
    case 'multi-krum':
      return multiKrum(vectors, byzantine, Math.max(1, vectors.length - byzantine));
    // Updates shrink while a model is trained, so lengths are ratios to theirs.
    case 'rfa': {
      const norm = medianOf(distancesTo(vectors, new Float32Array(centre.length)));
      const { iterations, smoothing } = rule;
      return geometricMedian(vectors, { iterations, smoothing: smoothing * norm });
    }
    case 'centred-clipping': {
      const distance = medianOf(distancesTo(vectors, centre));
      const { iterations, radius } = rule;
      return centredClipping(vectors, centre, { iterations, radius: radius * distance });
    }
  }
};

/** What a rule begins with in addition to the updates. */
export interface RuleInput {
  /** Updates of one length, in the order of the survivors; at least one. */
  readonly vectors: readonly Float32Array[];
  /** The aggregate of the round before, of the same length; zeros where there is none. */
  readonly centre: Float32Array;
  /** What the buckets are drawn from, 32 bytes. */
  readonly seed: Uint8Array;
}

/** One vector of the updates of a round. */
export const aggregate = (robust: Robust, { vectors, centre, seed }: RuleInput): Float32Array => {
  const { bucketing = 1, mixing, byzantine } = robust;
  const bucketed =
    bucketing === 1 ? vectors : meansOf(vectors, buckets(vectors.length, bucketing, seed));
  const mixed = mixing === 'nearest' ? meansOf(bucketed, nearest(bucketed, byzantine)) : bucketed;
  return combine(mixed, centre, combinationOf(mixed, centre, robust));
};
