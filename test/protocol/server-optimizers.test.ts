/**
 * The steps of the server optimisers beside the formulas of their papers, written a second time in
 * float64, and the published reference value of FedAdagrad.
 */
import { describe, expect, it } from 'vitest';
import { diLoCo } from '../../protocol/algorithm/diloco/index.ts';
import { fedAdagrad } from '../../protocol/algorithm/fedadagrad/index.ts';
import { fedAvgM } from '../../protocol/algorithm/fedavgm/index.ts';
import { fedYogi } from '../../protocol/algorithm/fedyogi/index.ts';
import type { ParameterValues, Strategy } from '../../protocol/algorithm/strategy.ts';

interface Content {
  readonly weights: Float32Array;
  readonly state: readonly Float32Array[];
}

const take = (
  strategy: Strategy,
  parameters: ParameterValues,
  before: Content,
  mean: readonly number[],
): Content => {
  const after = new Float32Array(mean.length);
  const stateAfter = strategy.state.map(() => new Float32Array(mean.length));
  strategy.step({
    parameters: {
      ...Object.fromEntries(strategy.parameters.map(({ name, default: usual }) => [name, usual])),
      ...parameters,
    },
    totals: { weight: 1, survivors: 1, scalars: {} },
    mean: Float32Array.from(mean),
    extra: [],
    before: before.weights,
    stateBefore: before.state,
    after,
    stateAfter,
  });
  return { weights: after, state: stateAfter };
};

/** One coordinate in float64: [w, first, second] and the mean update to the next ones. */
type Rule = (w: number, a: number, b: number, delta: number) => readonly [number, number, number];

const RULES: readonly [Strategy, ParameterValues, Rule][] = [
  [
    fedAvgM,
    { serverLearningRate: 0.5, momentum: 0.8 },
    (w, a, b, delta) => [w + 0.5 * (0.8 * a + delta), 0.8 * a + delta, b],
  ],
  [
    diLoCo,
    {},
    // As torch.optim.SGD with nesterov=True on the gradient -delta, whose buffer is -a.
    (w, a, b, delta) => {
      const buffer = 0.9 * -a - delta;
      return [w - 0.7 * (-delta + 0.9 * buffer), -buffer, b];
    },
  ],
  [
    fedAdagrad,
    { serverLearningRate: 0.2, beta1: 0.5, tau: 0.01 },
    (w, a, b, delta) => {
      const [m, v] = [(a + delta) / 2, b + delta ** 2];
      return [w + (0.2 * m) / (v ** 0.5 + 0.01), m, v];
    },
  ],
  [
    fedYogi,
    { serverLearningRate: 0.05, beta1: 0.9, beta2: 0.9, tau: 0.01 },
    (w, a, b, delta) => {
      const m = 0.9 * a + 0.1 * delta;
      const v = b > delta ** 2 ? b - 0.1 * delta ** 2 : b + 0.1 * delta ** 2;
      return [w + (0.05 * m) / (v ** 0.5 + 0.01), m, v];
    },
  ],
];

describe.each(RULES)('$name', (strategy, parameters, rule) => {
  it('follows the formulas of its paper in float64 over twenty rounds', () => {
    const first = [0.5, -0.25, 0, 1, -2];
    let content: Content = {
      weights: Float32Array.from(first),
      state: strategy.state.map(() => new Float32Array(first.length)),
    };
    const expected = first.map((w): readonly [number, number, number] => [w, 0, 0]);
    for (let t = 1; t <= 20; t += 1) {
      const mean = first.map((_, i) => Math.fround(0.3 * Math.sin(t * (i + 1)) * 10 ** -(i / 2)));
      content = take(strategy, parameters, content, mean);
      for (const [i, delta] of mean.entries()) {
        expected[i] = rule(...expected[i]!, delta);
        const [w, a, b] = expected[i];
        expect(content.weights[i]).toBeCloseTo(w, 4);
        expect(content.state[0]![i]).toBeCloseTo(a, 5);
        if (content.state.length > 1) expect(content.state[1]![i]).toBeCloseTo(b, 5);
      }
    }
    // They differ from FedAvg's.
    expect(content.weights[0]).not.toBeCloseTo(0.5, 2);
  });
});

it('FedAdagrad: the reference value, from .1 with the clients .2 and 1.0 to .15', () => {
  // Updates .1 and .9 of equal weight: delta = .5, v = .25, and .1 + .1 * .5 / (.5 + .5).
  const before = {
    weights: Float32Array.of(0.1),
    state: [new Float32Array(1), new Float32Array(1)],
  };
  const parameters = { serverLearningRate: 0.1, tau: 0.5 };
  const { weights } = take(fedAdagrad, parameters, before, [0.5]);
  expect(weights[0]).toBeCloseTo(0.15, 7);
});
