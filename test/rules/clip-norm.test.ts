/**
 * The clip norm of an adaptive run in Open and Commit: that of the specification, then what the
 * rule makes of the share of updates within it. A coordinator that chose it could let every update
 * drown in rounding, or let one through that is as long as it likes.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { nextClipNorm } from '../../protocol/privacy/adaptive-clipping.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { emptyView, violation, withRecord } from '../../protocol/rules/index.ts';
import { buildRound, makeCast, type Cast, type Course } from './build-round.ts';

const RULE = { quantile: 0.5, rate: 0.2, floor: 0.5, ceiling: 1.03 };
const everybody = [0, 1, 2, 3] as const;
const course: Course = {
  secagg: 'none',
  invited: everybody,
  members: everybody,
  sharers: everybody,
  survivors: everybody,
  encoding: { clipNorm: 1, clipping: { type: 'adaptive', ...RULE } },
};

let cast: Cast;
beforeAll(async () => {
  cast = await makeCast(4);
});

/** The first rule that a round breaks whose Open and Commit say this. */
const brokenBy = (
  clipNorm: number | undefined,
  clip: { readonly within: number; readonly next: number } | undefined,
  over: Partial<Course> = {},
): string | undefined => {
  const { spec, run, records } = buildRound(cast, { ...course, ...over }, (type, _at, body) => {
    if (type === 'open' && clipNorm !== undefined) return { ...body, clipNorm };
    return type === 'commit' && clip !== undefined ? { ...body, clip } : body;
  });
  let view = emptyView({ spec, run, attempt: 1, complete: true });
  for (const record of records) {
    const broken = violation(view, record);
    if (broken !== undefined) return broken.rule;
    view = withRecord(view, record);
  }
  return undefined;
};

const after = (within: number) => ({ within, next: nextClipNorm(1, within, RULE) });

describe('a round of an adaptive run', () => {
  it('is lawful where the norm begins with that of the specification and follows the rule', () => {
    for (const within of [0, 0.25, 1, -0.7, 3]) expect(brokenBy(1, after(within))).toBeUndefined();
  });

  it.each([
    ['no norm in Open', undefined, { within: 0.5, next: 1 }, 'open-clip-norm'],
    ['another norm in Open', 0.9, { within: 0.5, next: 0.9 }, 'open-clip-norm'],
    ['a norm in Open below the floor', 0.1, { within: 0.5, next: 0.5 }, 'open-clip-norm'],
    ['no norm in Commit', 1, undefined, 'commit-clip-norm'],
    // The rule with its sign reversed.
    [
      'a norm that falls although all are above it',
      1,
      { within: 0, next: 0.9048 },
      'commit-clip-norm',
    ],
    ['a norm above the ceiling', 1, { within: 0, next: Math.exp(0.1) }, 'commit-clip-norm'],
    ['a norm of its own', 1, { within: 0.5, next: 1.01 }, 'commit-clip-norm'],
  ] as const)('with %s is not', (_, open, commit, rule) => {
    expect(brokenBy(open, commit)).toBe(rule);
  });

  it('holds no key of central noise, which the run does not have', () => {
    const { spec, run, records } = buildRound(cast, course, (type, _at, body) => {
      if (type === 'open') return { ...body, clipNorm: 1 };
      const noise = { envelope: new Uint8Array(3) };
      return type === 'commit' ? { ...body, clip: after(0.5), noise } : body;
    });
    const rules = records.map((record) => {
      let view = emptyView({ spec, run, attempt: 1, complete: true });
      for (const before of records) {
        if (before === record) break;
        view = withRecord(view, before);
      }
      return violation(view, record)?.rule;
    });
    expect(rules.filter((rule) => rule !== undefined)).toEqual(['commit-noise']);
  });

  it('in a run with a fixed norm names none', () => {
    const fixed = { encoding: { clipNorm: 1 } };
    expect(brokenBy(undefined, undefined, fixed)).toBeUndefined();
    expect(brokenBy(1, undefined, fixed)).toBe('open-clip-norm');
    expect(brokenBy(undefined, after(0.5), fixed)).toBe('commit-clip-norm');
  });

  it('after a commit has the norm of that, also for a participant that missed its round', () => {
    const next = after(0.25);
    const { spec, run, records } = buildRound(cast, course, (type, _at, body) => {
      if (type === 'open') return { ...body, clipNorm: 1 };
      return type === 'commit' ? { ...body, clip: next } : body;
    });
    const commit = records.find(({ type }) => type === 'commit') as SignedRecord<'commit'>;
    const open = records[0] as SignedRecord<'open'>;
    const { model, beacon, meanExamples } = commit.body;
    const ruleOf = (clipNorm: number): string | undefined =>
      violation(emptyView({ spec, run, attempt: 2, previous: commit, committed: 1 }), {
        ...open,
        attempt: 2,
        body: { ...open.body, meanExamples, committed: 1, model, beacon, clipNorm },
      })?.rule;
    expect(ruleOf(next.next)).not.toBe('open-clip-norm');
    expect(ruleOf(1)).toBe('open-clip-norm');
  });
});
