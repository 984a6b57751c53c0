/**
 * Sites with quadratic losses, whose common optimum is known in closed form: FedAvg with many local
 * steps ends elsewhere, SCAFFOLD and FedDyn reach it, with all sites in every round and with some,
 * and with unlike numbers of examples. FedNova reaches what FedAvg misses where sites make unlike
 * numbers of steps.
 */
import { describe, expect, it } from 'vitest';
import { effectiveSteps } from '../../client/optimizer.ts';
import { makeStrategySpec, strategyOf } from '../../protocol/algorithm/registry.ts';
import type { MemberUpdate, ParameterValues } from '../../protocol/algorithm/strategy.ts';

const SIZE = 3;

/** f(w) = sum_j curvature_j (w_j - centre_j)^2 / 2 */
interface Site {
  readonly curvature: readonly number[];
  readonly centre: readonly number[];
  readonly examples: number;
  readonly steps: number;
}

const SITES: readonly Site[] = [
  { curvature: [1, 4, 2], centre: [0, 1, -1], examples: 10, steps: 10 },
  { curvature: [5, 1, 3], centre: [1, -1, 2], examples: 30, steps: 10 },
  { curvature: [2, 2, 0.5], centre: [-2, 0.5, 0], examples: 20, steps: 10 },
  { curvature: [0.5, 3, 4], centre: [3, 2, 1], examples: 20, steps: 10 },
];

/** The minimum of the losses, weighted by examples. */
const optimumOf = (sites: readonly Site[]): readonly number[] =>
  Array.from({ length: SIZE }, (_, j) => {
    const weights = sites.map(({ curvature, examples }) => curvature[j]! * examples);
    const total = weights.reduce((a, b) => a + b);
    return weights.reduce((sum, weight, i) => sum + weight * sites[i]!.centre[j]!, 0) / total;
  });

interface Play {
  readonly name: string;
  readonly parameters?: ParameterValues;
  readonly sites?: readonly Site[];
  readonly rounds?: number;
  readonly rate?: number;
  readonly momentum?: number;
  /** Which sites take part in a round. */
  readonly cohort?: (round: number) => readonly number[];
}

/** The rounds of a strategy without rounding or masks: the functions of its two sides. */
const play = ({
  name,
  parameters: given = {},
  sites = SITES,
  rounds = 300,
  rate = 0.05,
  momentum = 0,
  cohort = () => sites.map((_, i) => i),
}: Play): readonly number[] => {
  const chosen = strategyOf({ strategy: makeStrategySpec({ name, parameters: given }) });
  const { strategy, parameters } = chosen;
  const { member } = strategy;
  const fresh = (count: number) => Array.from({ length: count }, () => new Float32Array(SIZE));
  let weights = new Float32Array(SIZE);
  let state = fresh(strategy.state.length);
  const kept = sites.map(() => fresh(member?.kept?.length ?? 0));
  for (let round = 1; round <= rounds; round += 1) {
    const members = cohort(round);
    const total = members.reduce((sum, i) => sum + sites[i]!.examples, 0);
    const mean = new Float64Array(SIZE);
    const extra = fresh(member?.segments?.length ?? 0);
    const scalars: Record<string, number> = {};
    for (const i of members) {
      const { curvature, centre, examples, steps } = sites[i]!;
      const start = { parameters, state, kept: kept[i]! };
      const linear = member?.linear?.(start) ?? new Float32Array(SIZE);
      const proximal = member?.correction?.(parameters).proximal ?? 0;
      const w = [...weights];
      const velocity = w.map(() => 0);
      for (let step = 0; step < steps; step += 1)
        for (let j = 0; j < SIZE; j += 1) {
          const gradient = curvature[j]! * (w[j]! - centre[j]!);
          const own = gradient + linear[j]! + proximal * (w[j]! - weights[j]!);
          const next = momentum * velocity[j]! + own;
          velocity[j] = next;
          w[j] = w[j]! - rate * next;
        }
      const rule =
        momentum === 0 ? { type: 'sgd' as const } : { type: 'momentum' as const, momentum };
      const update: MemberUpdate = {
        ...start,
        delta: Float32Array.from(w, (value, j) => value - weights[j]!),
        examples,
        steps,
        effectiveSteps: effectiveSteps(rule, steps),
        learningRate: rate,
      };
      const share = examples / total;
      for (const [key, value] of Object.entries(member?.prepare(update) ?? {}))
        scalars[key] = (scalars[key] ?? 0) + value / total;
      const vectors = member?.vectors?.(update) ?? [];
      for (let j = 0; j < SIZE; j += 1) {
        mean[j]! += share * update.delta[j]!;
        for (const [k, vector] of vectors.entries())
          extra[k]![j] = extra[k]![j]! + share * vector[j]!;
      }
      if (member?.advance !== undefined)
        kept[i] = [...member.advance(update, { delta: update.delta, vectors })] as never;
    }
    const after = new Float32Array(SIZE);
    const stateAfter = fresh(strategy.state.length);
    strategy.step({
      parameters,
      totals: { weight: total, survivors: members.length, scalars },
      mean: Float32Array.from(mean),
      extra,
      before: weights,
      stateBefore: state,
      after,
      stateAfter,
    });
    weights = after;
    state = stateAfter;
  }
  return [...weights];
};

const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.hypot(...a.map((value, i) => value - b[i]!));

const EQUAL = SITES.map((site) => ({ ...site, examples: 20 }));
/** Two of the four in each round, in turns of all pairs. */
const PAIRS = [
  [0, 1],
  [2, 3],
  [0, 2],
  [1, 3],
  [0, 3],
  [1, 2],
] as const;
const inPairs = (round: number): readonly number[] => PAIRS[round % PAIRS.length]!;

describe('sites with unlike quadratic losses', () => {
  it('FedAvg and FedProx with ten local steps miss the optimum', () => {
    expect(distance(play({ name: 'fedavg' }), optimumOf(SITES))).toBeGreaterThan(0.1);
    const proximal = play({ name: 'fedprox', parameters: { mu: 0.1 } });
    expect(distance(proximal, optimumOf(SITES))).toBeGreaterThan(0.1);
  });

  it.each<[string, Omit<Play, 'sites'>]>([
    ['SCAFFOLD', { name: 'scaffold', parameters: { population: 4, controlNorm: 100 } }],
    [
      'SCAFFOLD with momentum',
      {
        name: 'scaffold',
        parameters: { population: 4, controlNorm: 100 },
        momentum: 0.5,
        rate: 0.02,
      },
    ],
    ['FedDyn', { name: 'feddyn', parameters: { population: 4, alpha: 1 } }],
  ])('%s reaches it, weighted by examples, and with half of the sites a round', (_, of) => {
    expect(distance(play({ ...of, sites: SITES }), optimumOf(SITES))).toBeLessThan(1e-4);
    const some = play({ ...of, sites: EQUAL, rounds: 1500, cohort: inPairs });
    expect(distance(some, optimumOf(EQUAL))).toBeLessThan(2e-3);
  });

  it('a bound below the gradients of the sites leaves SCAFFOLD short of the optimum, not unstable', () => {
    const bound = play({ name: 'scaffold', parameters: { population: 4, controlNorm: 0.5 } });
    expect(distance(bound, optimumOf(SITES))).toBeGreaterThan(0.01);
    expect(distance(bound, play({ name: 'fedavg' }))).toBeLessThan(2);
  });
});

describe('sites with unlike numbers of local steps', () => {
  // Small steps: what is left is the weight of the steps, not the drift within a round.
  const sites = SITES.map((site, i) => ({ ...site, steps: [2, 4, 8, 30][i]! }));
  const of = { sites, rate: 0.001, rounds: 6000 };

  it('FedNova reaches the optimum that FedAvg misses', () => {
    expect(distance(play({ ...of, name: 'fedavg' }), optimumOf(sites))).toBeGreaterThan(0.3);
    expect(distance(play({ ...of, name: 'fednova' }), optimumOf(sites))).toBeLessThan(0.03);
  });

  it('with equal steps it is FedAvg, also with momentum', () => {
    for (const momentum of [0, 0.9]) {
      const same = { sites: SITES, momentum, rounds: 5, rate: 0.01 };
      const nova = play({ ...same, name: 'fednova' });
      expect(distance(nova, play({ ...same, name: 'fedavg' }))).toBeLessThan(1e-5);
    }
  });
});

it('counts the steps of momentum as the sum of its velocities', () => {
  for (const [steps, m] of [
    [1, 0.9],
    [5, 0.5],
    [20, 0.9],
  ] as const) {
    let [velocity, sum] = [0, 0];
    for (let k = 0; k < steps; k += 1) sum += velocity = m * velocity + 1;
    expect(effectiveSteps({ type: 'momentum', momentum: m }, steps)).toBeCloseTo(sum, 9);
  }
  expect(effectiveSteps({ type: 'sgd' }, 7)).toBe(7);
});
