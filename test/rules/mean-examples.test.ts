/**
 * The mean of the example counts in Open, which the scale of the weighted share follows from: that
 * of the commit before, or the fixed one of a run that has none. A coordinator that chose it could
 * let the updates of small sites drown. And the number of commits before an attempt, which a
 * schedule of the learning rate follows from.
 */
import { expect, it } from 'vitest';
import { emptyView, violation } from '../../protocol/rules/index.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { buildRound, makeCast } from './build-round.ts';

const everybody = [0, 1, 2, 3] as const;
const course = {
  secagg: 'none',
  invited: everybody,
  members: everybody,
  sharers: everybody,
  survivors: everybody,
} as const;

it('before the first commit it is 5, whatever a coordinator signs', async () => {
  const cast = await makeCast(4);
  const ruleOf = (meanExamples: number): string | undefined => {
    const { spec, run, records } = buildRound(cast, course, (type, _at, body) =>
      type === 'open' ? { ...body, meanExamples } : body,
    );
    const view = emptyView({ spec, run, attempt: 1, complete: true });
    return violation(view, records[0]!)?.rule;
  };
  expect(ruleOf(5)).toBeUndefined();
  expect(ruleOf(1000)).toBe('open-examples');
});

it('after a commit it is what that says', async () => {
  const cast = await makeCast(4);
  const { spec, run, records } = buildRound(cast, course);
  const commit = records.find(({ type }) => type === 'commit') as SignedRecord<'commit'>;
  const open = records[0] as SignedRecord<'open'>;
  const view = emptyView({ spec, run, attempt: 2, previous: commit, committed: 1 });
  const after = (meanExamples: number): string | undefined =>
    violation(view, {
      ...open,
      attempt: 2,
      body: {
        ...open.body,
        meanExamples,
        committed: 1,
        model: commit.body.model,
        beacon: commit.body.beacon,
      },
    })?.rule;
  expect(commit.body.meanExamples).toBe(10);
  expect(after(5)).toBe('open-examples');
  expect(after(10)).not.toBe('open-examples');
});

it('the commits before an attempt are counted right, for all who know them', async () => {
  const cast = await makeCast(4);
  const { spec, run, records } = buildRound(cast, course);
  const commit = records.find(({ type }) => type === 'commit') as SignedRecord<'commit'>;
  const open = records[0] as SignedRecord<'open'>;
  const { model, beacon, meanExamples } = commit.body;
  const ruleOf = (committed: number, complete: boolean, known = 1): string | undefined =>
    violation(emptyView({ spec, run, attempt: 2, previous: commit, committed: known, complete }), {
      ...open,
      attempt: 2,
      body: { ...open.body, meanExamples, committed, model, beacon },
    })?.rule;
  // A learning rate follows from it: neither 0 again, nor what has not been committed.
  expect(ruleOf(0, false)).toBe('open-committed');
  expect(ruleOf(1, true)).not.toBe('open-committed');
  expect(ruleOf(2, true)).toBe('open-committed');
  // A participant may have missed one.
  expect(ruleOf(2, false)).not.toBe('open-committed');
  expect(ruleOf(1, false, 2)).toBe('open-committed');
  expect(ruleOf(spec.rounds, false)).toBe('open-rounds');
});
