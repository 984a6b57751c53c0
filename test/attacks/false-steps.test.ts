/**
 * What one liar does to the step of a strategy beyond the mean of the updates, whose norm every
 * party checks: a false number of local steps in FedNova, and a direction that it repeats in
 * FedDyn.
 */
import { expect, it } from 'vitest';
import { makeStrategySpec, strategyOf } from '../../protocol/algorithm/registry.ts';

const CLIP = 1;

/** One coordinate: the norms of the steps of some rounds with these means. */
const stepsOf = (
  name: string,
  means: readonly number[],
  localSteps?: number,
  given: Readonly<Record<string, number>> = {},
): readonly number[] => {
  const { strategy, parameters } = strategyOf({
    strategy: makeStrategySpec({ name, parameters: given }),
  });
  let state = strategy.state.map(() => new Float32Array(1));
  let before = new Float32Array(1);
  return means.map((mean) => {
    const after = new Float32Array(1);
    const stateAfter = strategy.state.map(() => new Float32Array(1));
    strategy.step({
      parameters,
      totals: {
        weight: 10,
        survivors: 10,
        scalars: localSteps === undefined ? {} : { localSteps },
      },
      mean: Float32Array.of(mean),
      extra: [],
      before,
      stateBefore: state,
      after,
      stateAfter,
    });
    const step = Math.abs(after[0]! - before[0]!);
    [before, state] = [after, stateAfter];
    return step;
  });
};

it('remains: one false number of steps multiplies the step of FedNova, up to mostSteps', () => {
  // The mean of numbers under masks: one of ten can put any sum there.
  expect(stepsOf('fednova', [CLIP], 30)).toEqual([1]);
  const [most] = stepsOf('fednova', [CLIP], 1e9);
  expect(most).toBe(4);
  // With room for sites of very many steps, as the default once was.
  const [wide] = stepsOf('fednova', [CLIP], 1e9, { mostSteps: 10_000 });
  expect(wide).toBeCloseTo(333.3, 1);
  const [bounded] = stepsOf('fednova', [CLIP], 1e9, { mostSteps: 60 });
  expect(bounded).toBe(2);
});

it('remains: one of ten that repeats a direction moves FedDyn further with every round', () => {
  const share = CLIP / 10;
  const steps = stepsOf('feddyn', Array<number>(20).fill(share), undefined, { population: 10 });
  for (const [i, step] of steps.entries()) expect(step).toBeCloseTo((i + 2) * share, 5);
});
