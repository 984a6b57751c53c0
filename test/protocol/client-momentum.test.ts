/**
 * Momentum at the participants: after t rounds of equal updates a participant sends 1 - beta^t of
 * one, and what varies between rounds is damped as the formula says. Runs with it are among the
 * table of `strategies-run.test.ts`.
 */
import { expect, it } from 'vitest';
import { clientMomentum } from '../../protocol/algorithm/client-momentum/index.ts';
import { testSpec } from '../support/run.ts';

const { member } = clientMomentum;

const sent = (updates: readonly number[], momentum: number): readonly number[] => {
  let kept: readonly Float32Array[] = [new Float32Array(1)];
  return updates.map((value) => {
    const update = {
      parameters: { serverLearningRate: 1, momentum },
      state: [],
      kept,
      delta: Float32Array.of(value),
      examples: 1,
      steps: 1,
      effectiveSteps: 1,
      learningRate: 1,
    };
    member!.prepare(update);
    kept = member!.advance!(update, { delta: update.delta, vectors: [] });
    return update.delta[0]!;
  });
};

it('sends the running mean, which begins at zero', () => {
  for (const [t, value] of sent([2, 2, 2, 2], 0.9).entries())
    expect(value).toBeCloseTo(2 * (1 - 0.9 ** (t + 1)), 6);
  expect(sent([1, -1, 1], 0)).toEqual([1, -1, 1]);
  expect(sent([1, -1], 0.5)).toEqual([0.5, -0.25]);
});

it('takes a robust rule, since the server keeps nothing that follows the mean', async () => {
  const robust = { rule: { type: 'median' } } as const;
  const spec = await testSpec({ strategy: { name: 'client-momentum' }, secagg: 'none', robust });
  expect(spec.robust).toMatchObject(robust);
});
