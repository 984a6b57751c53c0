/** @module Models that can come again: what is remembered of them, and within which limits. */
import { expect, it } from 'vitest';
import {
  NO_EARLIER_MODELS,
  triedBefore,
  withModel,
  type EarlierModels,
} from '../../coordinator/machine/earlier-models.ts';

const set = (size: number, from = 0): string[] =>
  Array.from({ length: size }, (_, i) => `member ${String(from + i).padStart(5, '0')}`);

it('the set of a model that comes again is tried and answered', () => {
  const all = set(5);
  const earlier = withModel(withModel(NO_EARLIER_MODELS, 'a', all), 'b', set(5, 5));
  expect(triedBefore(earlier, 'a', 7)).toEqual([
    { attempt: 7, members: all, threshold: 5, uploaded: all, survivors: all, answered: all },
  ]);
  expect(triedBefore(earlier, 'c', 7)).toEqual([]);
});

it('the latest set of a model counts', () => {
  const earlier = withModel(withModel(NO_EARLIER_MODELS, 'a', set(5)), 'a', set(4));
  expect(triedBefore(earlier, 'a', 7)[0]?.survivors).toEqual(set(4));
  expect(earlier.sets).toEqual([set(4)]);
});

it('one set of all models is kept once, and the oldest models are forgotten', () => {
  let earlier: EarlierModels = NO_EARLIER_MODELS;
  for (let i = 0; i < 1000; i += 1) earlier = withModel(earlier, `model ${i}`, set(100));
  expect(earlier.sets).toEqual([set(100)]);
  expect([...earlier.models.keys()]).toEqual(
    Array.from({ length: 256 }, (_, i) => `model ${744 + i}`),
  );
});

it('members of different sets are bounded, and the newest set stays whatever its size', () => {
  let earlier: EarlierModels = NO_EARLIER_MODELS;
  for (let i = 0; i < 50; i += 1) earlier = withModel(earlier, `model ${i}`, set(100, i));
  expect(earlier.sets).toHaveLength(10);
  expect(triedBefore(earlier, 'model 49', 1)[0]?.survivors).toEqual(set(100, 49));
  expect(triedBefore(earlier, 'model 39', 1)).toEqual([]);
  earlier = withModel(earlier, 'large', set(5000));
  expect(earlier.sets).toEqual([set(5000)]);
});
