/**
 * The warm-up of mimic against a direct decomposition: the Jacobi method on the whole scatter
 * matrix of all rounds, which the attack never forms.
 */
import { describe, expect, it } from 'vitest';
import { normal } from '../../client/data/sampling.ts';
import { functionTrainer, type Trainer } from '../../client/trainer.ts';
import { cipherStream } from '../../protocol/ports/random.ts';
import { createChoice, rehearse } from '../../sim/attackers/mimic.ts';

const D = 6;
const seed = new Uint8Array(32).fill(3);

/** The eigenvector of the largest eigenvalue of a symmetric matrix: cyclic Jacobi rotations. */
const topEigenvector = (matrix: readonly (readonly number[])[]): number[] => {
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((__, j) => Number(i === j)));
  for (let sweep = 0; sweep < 50; sweep += 1)
    for (let p = 0; p < D; p += 1)
      for (let q = p + 1; q < D; q += 1) {
        if (Math.abs(a[p]![q]!) < 1e-15) continue;
        const angle = 0.5 * Math.atan2(2 * a[p]![q]!, a[q]![q]! - a[p]![p]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < D; k += 1) {
          const [x, y] = [a[k]![p]!, a[k]![q]!];
          [a[k]![p], a[k]![q]] = [c * x - s * y, s * x + c * y];
        }
        for (let k = 0; k < D; k += 1) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          [a[p]![k], a[q]![k]] = [c * x - s * y, s * x + c * y];
          const [e, f] = [v[k]![p]!, v[k]![q]!];
          [v[k]![p], v[k]![q]] = [c * e - s * f, s * e + c * f];
        }
      }
  const values = a.map((row, i) => row[i]!);
  const top = values.indexOf(Math.max(...values));
  return v.map((row) => row[top]!);
};

const scatterOf = (rounds: readonly (readonly (readonly number[])[])[]): number[][] => {
  const scatter = Array.from({ length: D }, () => [...new Float64Array(D)]);
  for (const updates of rounds) {
    const mean = updates[0]!.map((_, j) => updates.reduce((s, x) => s + x[j]!, 0) / updates.length);
    for (const x of updates)
      for (let i = 0; i < D; i += 1)
        for (let j = 0; j < D; j += 1) scatter[i]![j]! += (x[i]! - mean[i]!) * (x[j]! - mean[j]!);
  }
  return scatter;
};

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0);

/** Updates of `sites` participants about centres of their own, in each of `rounds`. */
const draw = (sites: number, rounds: number, key: number): number[][][] => {
  const random = cipherStream(new Uint8Array(32).fill(key));
  const vector = (scale: number) =>
    Array.from({ length: D }, (_, j) => (scale * normal(random)) / (j + 1));
  const centres = Array.from({ length: sites }, () => vector(3));
  return Array.from({ length: rounds }, () =>
    centres.map((centre) => vector(0.3).map((noise, j) => 1 + centre[j]! + noise)),
  );
};

describe("mimic's warm-up", () => {
  it('finds the first eigenvector of the scatter, and the participant furthest along it', () => {
    const chosen = new Set<number>();
    for (const key of [1, 2, 3, 4, 5]) {
      const rounds = draw(7, 60, key);
      const choice = createChoice(D, seed);
      for (const updates of rounds) choice.observe(updates);
      const direct = topEigenvector(scatterOf(rounds));
      expect(Math.abs(dot(direct, choice.direction)), `draw ${key}`).toBeGreaterThan(0.99);
      expect(dot(choice.direction, choice.direction)).toBeCloseTo(1, 12);
      const shifts = rounds[0]!.map((_, i) =>
        Math.abs(rounds.reduce((sum, updates) => sum + dot(direct, updates[i]!), 0)),
      );
      // Of two that are nearly as far, an error of the direction may choose the second.
      expect(shifts[choice.best()]!, `draw ${key}`).toBeGreaterThan(0.95 * Math.max(...shifts));
      expect(shifts.filter((shift) => shift < 0.9 * Math.max(...shifts)).length).toBeGreaterThan(2);
      chosen.add(choice.best());
    }
    // Not the first one always.
    expect(chosen.size).toBeGreaterThan(1);
  });

  it('takes the first of equal updates, and before any round', () => {
    const choice = createChoice(D, seed);
    expect(choice.best()).toBe(0);
    choice.observe([new Float64Array(D).fill(1), new Float64Array(D).fill(1)]);
    expect(choice.best()).toBe(0);
    expect([...choice.direction].every(Number.isFinite)).toBe(true);
  });

  it('rehearses rounds from the first model, each from the mean of the one before', async () => {
    const seen: number[] = [];
    const site = (change: number): Trainer =>
      functionTrainer({
        manifest: { tensors: [{ name: 'w', shape: [2], dtype: 'float32' }] },
        train: ({ weights, round }) => {
          if (change === 1) seen.push(round, weights[0]!);
          return {
            weights: weights.map((weight, i) => (i === 0 ? weight + change : weight)),
            examples: 1,
            lossSum: 0,
            correct: 0,
          };
        },
        evaluate: () => ({ examples: 1, lossSum: 0, correct: 0 }),
      });
    const requestOf = (round: number) => ({ round, epochs: 1, batchSize: 1, learningRate: 1 });
    const rehearsal = { firstModel: () => Float32Array.of(5, 5), requestOf };
    const best = await rehearse(rehearsal, [1, 9, 2].map(site), 3, seed);
    expect(best).toBe(1);
    expect(seen).toEqual([1, 5, 2, 9, 3, 13]);
  });
});
