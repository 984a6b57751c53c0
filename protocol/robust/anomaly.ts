/**
 * @module What the groups of a round say of their members: a mean that stays far from what the rule
 * makes of all, round after round, in whichever group a member is drawn into, points at the member.
 * A score, and no proof: data unlike the others' looks the same. The statistic is that of group
 * testing with noisy tests: standardised deviations, summed over rounds (Stouffer).
 */
import { squaredDistance } from './distances.ts';

/** A group as its mean shows it. */
export interface GroupFacts {
  /** Of the mean update; undefined where the sum cannot be that of clipped updates. */
  readonly norm: number | undefined;
  /** Between the mean and what the rule made of all. */
  readonly cosine: number | undefined;
  /** Distance to what the rule made of all, in standard deviations over the groups of the round. */
  readonly deviation: number;
}

/** Deviation of a group whose sum cannot be right: no honest one comes near it often. */
const IMPLAUSIBLE = 3;

const normOf = (vector: Float32Array): number =>
  Math.sqrt(squaredDistance(vector, new Float32Array(vector.length)));

const cosineOf = (a: Float32Array, b: Float32Array): number => {
  let dot = 0;
  for (let i = 0; i < a.length; i += 1) dot += a[i]! * b[i]!;
  const norms = normOf(a) * normOf(b);
  return norms === 0 ? 0 : dot / norms;
};

/**
 * @param means of the groups, in their order; undefined where a sum was left out
 * @param aggregate what the rule made of them, of the same length
 */
export const groupFacts = (
  means: readonly (Float32Array | undefined)[],
  aggregate: Float32Array,
): readonly GroupFacts[] => {
  const distances = means.map((mean) => mean && Math.sqrt(squaredDistance(mean, aggregate)));
  const known = distances.filter((distance) => distance !== undefined);
  const centre = known.reduce((a, b) => a + b, 0) / known.length;
  const spread = Math.sqrt(known.reduce((a, b) => a + (b - centre) ** 2, 0) / known.length);
  return means.map((mean, g) => {
    const distance = distances[g];
    if (mean === undefined || distance === undefined)
      return { norm: undefined, cosine: undefined, deviation: IMPLAUSIBLE };
    return {
      norm: normOf(mean),
      cosine: cosineOf(mean, aggregate),
      deviation: spread === 0 ? 0 : (distance - centre) / spread,
    };
  });
};

/** By member: rounds in which its group was summed, and the sum of their deviations. */
export type Scores = ReadonlyMap<string, { readonly rounds: number; readonly sum: number }>;

/** @param members of each group, alike with `facts` */
export const withRound = (
  scores: Scores,
  members: readonly (readonly string[])[],
  facts: readonly GroupFacts[],
): Scores => {
  const next = new Map(scores);
  for (const [g, { deviation }] of facts.entries())
    for (const member of members[g] ?? []) {
      const { rounds, sum } = next.get(member) ?? { rounds: 0, sum: 0 };
      next.set(member, { rounds: rounds + 1, sum: sum + deviation });
    }
  return next;
};

/** Rounds from which on a member may be suspected. */
const LEAST_ROUNDS = 4;
/** An honest member exceeds it once in thirty thousand, as far as its rounds are independent. */
const SUSPECT = 4;

/** The score of a member: about normal for an honest one. */
export const scoreOf = ({ rounds, sum }: { readonly rounds: number; readonly sum: number }) =>
  sum / Math.sqrt(Math.max(1, rounds));

/** Members whose groups deviate more often than chance puts them into deviating ones. */
export const suspectsIn = (scores: Scores): readonly string[] =>
  [...scores]
    .filter(([, score]) => score.rounds >= LEAST_ROUNDS && scoreOf(score) > SUSPECT)
    .map(([member]) => member)
    .toSorted();
