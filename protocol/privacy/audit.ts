/**
 * @module A lower bound of epsilon from one run (Steinke, Nasr, Jagielski 2023, "Privacy auditing
 * with one (1) training run"): each of m canaries is in the sum with probability 1/2, an adversary
 * guesses for the clearest of them, and more right guesses than epsilon allows refute epsilon.
 */
import { FloeError } from '../errors.ts';
import { bisect, logBinomial } from './accounting/special.ts';

/** Probabilities of 0 to r right guesses of r, each right with probability q. */
const binomial = (r: number, q: number): Float64Array =>
  Float64Array.from({ length: r + 1 }, (_, k) =>
    Math.exp(
      logBinomial(r, k) +
        (k === 0 ? 0 : k * Math.log(q)) +
        (k === r ? 0 : (r - k) * Math.log1p(-q)),
    ),
  );

export interface AuditCount {
  /** m */
  readonly canaries: number;
  /** r: canaries that were guessed at. */
  readonly guesses: number;
  /** v: right guesses. */
  readonly right: number;
}

/**
 * The probability of so many right guesses, at most, where epsilon and delta hold: theorem 5.2.
 *
 * @throws FloeError `privacy_invalid`
 */
export const auditProbability = (
  { canaries, guesses, right }: AuditCount,
  epsilon: number,
  delta: number,
): number => {
  if (!(right >= 0 && right <= guesses && guesses <= canaries && epsilon >= 0))
    throw new FloeError(
      'privacy_invalid',
      `expected right <= guesses <= canaries, got ${right}, ${guesses}, ${canaries}`,
    );
  const masses = binomial(guesses, 1 / (1 + Math.exp(-epsilon)));
  let tail = 0;
  for (let k = right; k <= guesses; k += 1) tail += masses[k]!;
  let [sum, worst] = [0, 0];
  for (let i = 1; i <= right; i += 1) {
    sum += masses[right - i]!;
    worst = Math.max(worst, sum / i);
  }
  return Math.min(1, tail + 2 * canaries * delta * worst);
};

/** The largest epsilon that these guesses refute; 0 where they refute none. */
export const refutedEpsilon = (count: AuditCount, delta: number, confidence: number): number => {
  const refutes = (epsilon: number): boolean =>
    auditProbability(count, epsilon, delta) <= 1 - confidence;
  if (!refutes(0)) return 0;
  let high = 1;
  while (refutes(high) && high < 100) high *= 2;
  return bisect(0, high, refutes);
};

/** Shares of the canaries that are guessed at; each is a test of its own. */
const GUESSED = [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16] as const;

export interface AuditResult extends AuditCount {
  /** With this confidence no mechanism of a smaller epsilon has given these scores. */
  readonly epsilon: number;
  readonly confidence: number;
}

/**
 * Guesses at the canaries whose scores are farthest from the middle: `in` above it, `out` below.
 *
 * @param scores one for each canary @param included whether it was in
 * @param middle between the scores that the two cases expect
 * @param confidence of the bound; divided over the numbers of guesses that are tried
 * @returns the number of guesses with the largest bound
 */
export const auditScores = (
  scores: readonly number[],
  included: readonly boolean[],
  middle: number,
  delta: number,
  confidence = 0.95,
): AuditResult => {
  const canaries = scores.length;
  const far = (i: number): number => Math.abs(scores[i]! - middle);
  const order = scores.map((_, i) => i).toSorted((a, b) => far(b) - far(a));
  const each = 1 - (1 - confidence) / GUESSED.length;
  const results = GUESSED.map((share): AuditResult => {
    const guesses = Math.max(1, Math.floor(canaries * share));
    const guessed = order.slice(0, guesses);
    const right = guessed.filter((i) => scores[i]! > middle === included[i]).length;
    const count = { canaries, guesses, right };
    return { ...count, epsilon: refutedEpsilon(count, delta, each), confidence };
  });
  return results.reduce((a, b) => (b.epsilon > a.epsilon ? b : a));
};
