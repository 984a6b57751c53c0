/**
 * @module Correlated integer noise: its coefficients, its accounting beside the independent and the
 * continuous mechanism, the true divergence of small cases by summing masses, and the attack on
 * noise without its independent part.
 */
import { describe, expect, it } from 'vitest';
import {
  INTEGER_ORDERS,
  skellamRdp,
  type RdpCurve,
} from '../../../protocol/privacy/accounting/rdp.ts';
import {
  bandedInverse,
  inverseOf,
  prefixVariance,
  roundVariance,
} from '../../../protocol/privacy/banded-inverse.ts';
import {
  correlatedNoise,
  noiseOfPrefix,
  noiseOfRound,
  releasedBy,
  shiftsOf,
} from '../../../protocol/privacy/correlated.ts';
import { ftrlMultiplier } from '../../../protocol/privacy/ftrl.ts';
import { curveOfNoise, noiseOf, sensitivityOf } from '../../../protocol/privacy/noise.ts';
import { skellamSampler } from '../../../protocol/privacy/skellam.ts';
import { cipherStream } from '../../../protocol/ports/random.ts';

const invalid = expect.objectContaining({ code: 'privacy_invalid' });

describe('the banded inverse', () => {
  it('has the dyadic coefficients of sqrt(1 - x), as integers', () => {
    expect(bandedInverse(1)).toEqual({ bands: [1], scale: 1 });
    expect(bandedInverse(2)).toEqual({ bands: [2, -1], scale: 2 });
    expect(bandedInverse(5)).toEqual({ bands: [128, -64, -16, -8, -5], scale: 128 });
    expect([3, 4, 6, 7, 8].map((bands) => bandedInverse(bands).scale)).toEqual([
      8, 16, 256, 1024, 2048,
    ]);
    for (const bands of [0, 9, 1.5]) expect(() => bandedInverse(bands)).toThrow(invalid);
  });

  it('is undone by C, which has no negative entry', () => {
    for (const bands of [1, 2, 3, 5, 8]) {
      const inverse = bandedInverse(bands);
      const c = inverseOf(inverse, 40);
      for (let t = 0; t < 40; t += 1) {
        const product = inverse.bands.reduce(
          (sum, value, k) => sum + (value / inverse.scale) * (c[t - k] ?? 0),
          0,
        );
        expect(product).toBeCloseTo(t === 0 ? 1 : 0, 12);
        expect(c[t]).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it('knows the variance of a round and of a prefix sum', () => {
    const inverse = bandedInverse(3);
    expect(roundVariance(inverse)).toBe(64 + 16 + 1);
    // 8, 8 - 4, 8 - 4 - 1, and from then on 3.
    expect(prefixVariance(inverse, 4)).toBe(64 + 16 + 9 + 9);
    expect(noiseOfRound({ shared: 2, rest: 5 }, 3)).toEqual({ variance: 167, step: 8 });
    expect(noiseOfPrefix({ shared: 2, rest: 5 }, 3, 4)).toBe(216);
  });
});

describe('the accounting', () => {
  const lattices = [{ norm: 900, dimension: 4096 }];
  const valuesOf = ({ values }: RdpCurve) => values;

  it('of one band is the composition of independent rounds', () => {
    const rounds = 20;
    const independent = noiseOf(lattices, 1.5);
    const noise = correlatedNoise(lattices, 1.5 / Math.sqrt(rounds), { bands: 1, rounds });
    expect(noise[0]).toMatchObject({ rest: 0 });
    expect(noise[0]!.shared).toBeCloseTo(independent[0]!.variance, 6);
    for (const t of [1, 7, 20]) {
      const [one, other] = [
        valuesOf(curveOfNoise(releasedBy(noise, 1, t), 1)),
        valuesOf(curveOfNoise(independent, t)),
      ];
      one.forEach((value, i) => expect(value / other[i]!).toBeCloseTo(1, 9));
    }
  });

  it('of as many bands as rounds has the limit of the continuous mechanism', () => {
    // Steps far finer than the noise: rounding is nothing, and one Gaussian mechanism is left.
    for (const rounds of [2, 3, 4]) {
      const { shared } = shiftsOf(1e9, 1, { bands: rounds, rounds });
      const scale = bandedInverse(rounds).scale;
      const sensitivity = (shared.l2 * scale) / 1e9;
      expect(ftrlMultiplier({ rounds, separation: 1 }, 7)).toBeCloseTo(7 / sensitivity, 6);
      const curve = valuesOf(
        skellamRdp({ ...shared, variance: (7 * 1e9) ** 2 / scale ** 2, steps: 1 }, [2, 8]),
      );
      const z = ftrlMultiplier({ rounds, separation: 1 }, 7);
      [2, 8].forEach((order, i) => expect(curve[i]! / (order / (2 * z * z))).toBeCloseTo(1, 5));
    }
  });

  it('of the whole run is one mechanism of the multiplier, and less of it before', () => {
    const mechanism = { bands: 3, rounds: 20 };
    const noise = correlatedNoise([...lattices, ...lattices], 2, mechanism);
    const at = (t: number): number => {
      const { orders, values } = curveOfNoise(releasedBy(noise, 3, t), 1);
      return values[orders.indexOf(8)]!;
    };
    expect(at(20)).toBeGreaterThanOrEqual(8 / (2 * 2 * 2));
    expect(at(20) / (8 / 8)).toBeLessThan(1.01);
    for (let t = 2; t <= 20; t += 1) expect(at(t)).toBeGreaterThan(at(t - 1));
  });

  it('spends on both kinds of draws what leaves the least noise after the last round', () => {
    const mechanism = { bands: 2, rounds: 10 };
    const [segment] = correlatedNoise([{ norm: 50, dimension: 1024 }], 1, mechanism);
    const { shared, rest } = shiftsOf(segment!.one.l2, 1024, mechanism);
    const least = noiseOfPrefix(segment!, 2, 10);
    for (const f of [0.01, 0.05, 0.1, 0.2, 0.5, 0.9]) {
      const split = { shared: shared.l2 ** 2 / (1 - f), rest: rest!.l2 ** 2 / f };
      expect(noiseOfPrefix(split, 2, 10)).toBeGreaterThanOrEqual(least);
    }
  });

  it('refuses noise without its independent part', () => {
    const noise = correlatedNoise(lattices, 2, { bands: 2, rounds: 4 });
    expect(() =>
      releasedBy(
        noise.map((segment) => ({ ...segment, rest: 0 })),
        2,
        4,
      ),
    ).toThrow('modulo 2 have no noise');
    expect(() => shiftsOf(1, 1, { bands: 2, rounds: 0 })).toThrow(invalid);
  });

  it('bounds the shifts of any integer vectors, by the shifts themselves', () => {
    const random = cipherStream(new Uint8Array(32).fill(3));
    const [dimension, rounds] = [6, 9];
    for (const bands of [2, 3, 4, 5]) {
      const { bands: d, scale } = bandedInverse(bands);
      const c = inverseOf(bandedInverse(bands), rounds);
      for (let trial = 0; trial < 40; trial += 1) {
        const delta = Array.from({ length: rounds }, () =>
          Array.from(random(dimension), (byte) => (byte % 41) - 20),
        );
        const l2 = Math.max(...delta.map((row) => Math.hypot(...row)));
        const a = delta.map((_, t) =>
          Array.from({ length: dimension }, (__, j) =>
            Math.round(delta.reduce((sum, row, s) => sum - (c[t - s] ?? 0) * row[j]!, 0) / scale),
          ),
        );
        // The shift of V that keeps the sums the same: an integer by construction.
        const b = a.map((_, t) =>
          Array.from(
            { length: dimension },
            (__, j) =>
              delta[t]![j]! + d.reduce((sum, value, k) => sum + value * (a[t - k]?.[j] ?? 0), 0),
          ),
        );
        const bound = shiftsOf(l2, dimension, { bands, rounds });
        expect(Math.hypot(...a.flat())).toBeLessThanOrEqual(bound.shared.l2 + 1e-9);
        expect(Math.hypot(...b.flat())).toBeLessThanOrEqual(bound.rest!.l2 + 1e-9);
        const l1 = (rows: number[][]) => rows.flat().reduce((sum, x) => sum + Math.abs(x), 0);
        expect(l1(a)).toBeLessThanOrEqual(bound.shared.l1 + 1e-9);
        expect(l1(b)).toBeLessThanOrEqual(bound.rest!.l1 + 1e-9);
      }
    }
  });
});

/** Masses of a Skellam variable from -reach to reach, by the series of its generating function. */
const skellamMasses = (variance: number, reach: number): readonly number[] => {
  const poisson: number[] = [Math.exp(-variance / 2)];
  for (let k = 1; k < 4 * reach; k += 1) poisson.push((poisson[k - 1]! * variance) / (2 * k));
  return Array.from({ length: 2 * reach + 1 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 4 * reach; k += 1) sum += (poisson[k] ?? 0) * (poisson[k + i - reach] ?? 0);
    return sum;
  });
};

/**
 * The true Renyi divergence of two rounds of one coordinate with two bands, of neighbours that
 * differ by at most S in each round: the worst first difference, and after every first sum the
 * worst second one.
 */
const trueDivergence = (order: number, s: number, shared: number, rest: number): number => {
  const [reachQ, reachV] = [14, 14];
  const q = skellamMasses(shared, reachQ);
  const v = rest === 0 ? undefined : skellamMasses(rest, reachV);
  const massV = (k: number): number => (v === undefined ? Number(k === 0) : (v[k + reachV] ?? 0));
  const [low, high] = [-2 * reachQ - reachV - reachQ, 2 * reachQ + reachV + reachQ];
  const size = high - low + 1;
  /** Of 2 q + v. */
  const round = Array.from({ length: size }, (_, i) =>
    q.reduce((sum, mass, k) => sum + mass * massV(i + low - 2 * (k - reachQ)), 0),
  );
  const joint = (y1: number): readonly number[] => {
    const row = Array.from({ length: size }, () => 0);
    for (const [k, mass] of q.entries()) {
      const q1 = k - reachQ;
      const first = mass * massV(y1 - 2 * q1);
      if (first === 0) continue;
      for (let i = 0; i < size; i += 1) row[i]! += first * (round[i + q1] ?? 0);
    }
    return row;
  };
  const rows = new Map<number, readonly number[]>();
  const rowOf = (y1: number): readonly number[] => {
    const row = rows.get(y1) ?? joint(y1);
    rows.set(y1, row);
    return row;
  };
  const differences = Array.from({ length: 2 * s + 1 }, (_, i) => i - s);
  // Beyond it the masses of the truncated draws are not those of the mechanism.
  const inner = 20;
  const worst = differences.map((first) => {
    let moment = 0;
    for (let y1 = -inner; y1 <= inner; y1 += 1) {
      const [before, after] = [rowOf(y1), rowOf(y1 - first)];
      moment += Math.max(
        ...differences.map((second) => {
          let sum = 0;
          for (let y2 = -inner; y2 <= inner; y2 += 1) {
            const [p, r] = [after[y2 - second - low] ?? 0, before[y2 - low] ?? 0];
            if (p > 0) sum += r > 0 ? p ** order * r ** (1 - order) : Infinity;
          }
          return sum;
        }),
      );
    }
    return moment;
  });
  return Math.log(Math.max(...worst)) / (order - 1);
};

describe('the true divergence of two rounds', () => {
  const boundOf = (order: number, s: number, shared: number, rest: number): number => {
    const noise = [{ one: { l1: s, l2: s }, dimension: 1, shared, rest }];
    return curveOfNoise(releasedBy(noise, 2, 2), 1).values[INTEGER_ORDERS.indexOf(order)]!;
  };

  it('is below the bound, for differences that follow the sums', () => {
    for (const s of [1, 2, 3])
      for (const [shared, rest] of [
        [3, 3],
        [4, 1],
        [1, 4],
      ] as const)
        for (const order of [2, 3, 4]) {
          const truth = trueDivergence(order, s, shared, rest);
          expect(truth).toBeGreaterThan(0);
          expect(truth).toBeLessThan(boundOf(order, s, shared, rest));
        }
  });

  it('is not bounded without the independent draws', () => {
    expect(trueDivergence(2, 1, 4, 0)).toBe(Infinity);
    expect(() => boundOf(2, 1, 4, 0)).toThrow(invalid);
  });
});

it('without the independent draws a reader takes the update modulo E from the sums', () => {
  const [dimension, bands] = [512, 2];
  const random = cipherStream(new Uint8Array(32).fill(5));
  const secret = Array.from(random(dimension), (byte) => byte & 1);
  const shared = new Int32Array(dimension);
  const rest = new Int32Array(dimension);
  skellamSampler(1e4).draw(shared, random);
  const [lattice] = correlatedNoise([{ norm: 0, dimension, whole: true }], 1, { bands, rounds: 4 });
  skellamSampler(Math.max(4, lattice!.rest)).draw(rest, random);
  const read = (noise: Int32Array | undefined): number =>
    secret.filter((bit, j) => ((bit + 2 * shared[j]! + (noise?.[j] ?? 0)) & 1) === bit).length /
    dimension;
  expect(read(undefined)).toBe(1);
  expect(Math.abs(read(rest) - 0.5)).toBeLessThan(0.1);
});

it('takes the rounded norm of a vector as the sensitivity of one round', () => {
  const lattice = { norm: 10, dimension: 64 };
  const [segment] = correlatedNoise([lattice], 1, { bands: 2, rounds: 3 });
  expect(segment!.one).toEqual(sensitivityOf(lattice));
});
