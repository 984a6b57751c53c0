/**
 * Streams of correlated noise in the rules: a sum needs enough members whose noise is in the same
 * sums, for whoever sees the records. A coordinator that opens a sum without a part of the members
 * and hides it from them divides the members, and no part counts as the whole.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { afterAttempt, EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import { emptyView, violation, withRecord, type ViewInit } from '../../protocol/rules/index.ts';
import {
  brokenStreams,
  carriersOf,
  newStream,
  streamAfter,
} from '../../protocol/rules/noise-streams.ts';
import type { RunHistory } from '../../protocol/rules/run-history.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { buildRound, makeCast, specOf, type Cast, type Course } from './build-round.ts';

const everybody = [0, 1, 2, 3, 4, 5] as const;
const MINIMUM = 5;

let cast: Cast;
beforeAll(async () => {
  cast = await makeCast(6);
});

const overOf = ({ people }: Cast) =>
  ({
    cohort: { size: 6, minimum: MINIMUM, overSelect: 1 },
    members: { type: 'closed', keys: people.map(({ publicKey }) => publicKey) },
    rounds: 8,
    privacy: {
      type: 'ftrl',
      epsilon: 8,
      delta: 1e-5,
      participations: 0,
      honest: 0.9,
      noiseMultiplier: 0,
      bands: 2,
    },
  }) as const;

const course: Course = {
  secagg: 'none',
  invited: everybody,
  members: everybody,
  sharers: everybody,
  survivors: everybody,
};

const correlated = (): RunSpec => specOf(cast, 'none', {}, overOf(cast));
const keyOf = (i: number): string => toHex(cast.people[i]!.publicKey);
/** Digests of streams do not depend on the run's own name here. */
const RUN = new Uint8Array(32).fill(1);
const HIDDEN = sha256(utf8('a sum that others have not seen'));

interface Played {
  /** The first rule that is broken. */
  readonly rule: string | undefined;
  readonly view: ReturnType<typeof emptyView>;
}

/** @param streamOf what each member states; nothing for undefined */
const play = (
  streamOf: (run: Uint8Array, i: number) => Uint8Array | undefined,
  changes: Partial<Course> = {},
  init: Partial<ViewInit> = {},
): Played => {
  const over = changes.over ?? overOf(cast);
  const built = buildRound(cast, { ...course, ...changes, over }, (type, at, body) => {
    if (type === 'commit') return { ...body, metrics: [] };
    if (type !== 'register') return body;
    const stream = streamOf(RUN, (changes.members ?? everybody)[at]!);
    return stream === undefined ? body : { ...body, stream };
  });
  let view = emptyView({ spec: built.spec, run: built.run, attempt: 1, complete: true, ...init });
  for (const record of built.records) {
    const broken = violation(view, record);
    if (broken !== undefined) return { rule: broken.rule, view };
    view = withRecord(view, record);
  }
  return { rule: undefined, view };
};

const fresh = (run: Uint8Array): Uint8Array => newStream(run);
const divided =
  (...apart: readonly number[]) =>
  (run: Uint8Array, i: number): Uint8Array =>
    apart.includes(i) ? streamAfter(newStream(run), HIDDEN) : newStream(run);

describe('an attempt with correlated noise', () => {
  it('is lawful with enough members whose noise is in the same sums', () => {
    expect(play(fresh).rule).toBeUndefined();
    expect(play(divided(0)).rule).toBeUndefined();
    expect(play(fresh, { survivors: [0, 1, 2, 3, 4] }).rule).toBeUndefined();
  });

  it('is refused where a hidden sum has divided the members, by all who see the cohort', () => {
    expect(play(divided(0, 1, 2)).rule).toBe('cohort-streams');
    // A participant sees the registrations of the cohort, and knows no other attempt.
    expect(play(divided(0, 1, 2), {}, { complete: false }).rule).toBe('cohort-streams');
  });

  it('is refused where too few of them survive', () => {
    const five = { survivors: [0, 2, 3, 4, 5] } as const;
    expect(play(divided(0)).rule).toBeUndefined();
    expect(play(divided(0), five).rule).toBe('survivors-streams');
    expect(play(divided(0), five, { complete: false }).rule).toBe('survivors-streams');
  });

  it('needs the statement of every registration, and no other run has one', () => {
    expect(play((run, i) => (i === 3 ? undefined : newStream(run))).rule).toBe('register-stream');
    const plain = { over: { ...overOf(cast), privacy: undefined } };
    expect(play(fresh, plain).rule).toBe('register-stream');
  });

  it('is not opened beyond the attempts of the budget, whoever sees it', () => {
    for (const complete of [true, false])
      expect(play(fresh, {}, { attempt: 9, complete }).rule).toBe('record-attempt');
    const { spec, run, records } = buildRound(cast, { ...course, over: overOf(cast) });
    const [open] = records;
    const view = emptyView({ spec, run, attempt: 9 });
    expect(violation(view, { ...open!, attempt: 9 })).toMatchObject({
      rule: 'open-noise-steps',
      code: 'privacy_budget_spent',
    });
    expect(violation({ ...view, attempt: 8 }, { ...open!, attempt: 8 })).toBeUndefined();
  });
});

describe('the members whose noise is in every sum', () => {
  const after = (history: RunHistory, played: Played): RunHistory =>
    afterAttempt(history, played.view);

  it('are those of all survivor sets', () => {
    const first = after(EMPTY_HISTORY, play(fresh, { survivors: [0, 1, 2, 3, 4] }));
    expect([...first.carriers!].toSorted()).toEqual([0, 1, 2, 3, 4].map(keyOf).toSorted());
    // Who missed a sum may come back, and does not count, though its registration says so.
    const second = play(fresh, { survivors: [0, 1, 2, 3, 5] }, { history: first });
    expect(second.rule).toBe('survivors-streams');
    const third = play(fresh, {}, { history: first });
    expect(third.rule).toBeUndefined();
    expect(after(first, third).carriers!.size).toBe(5);
    expect(
      carriersOf(
        third.view,
        cast.people.map(({ publicKey }) => publicKey),
      ),
    ).toHaveLength(5);
  });

  it('are all of a closed run before its first sum, and a culprit is none', () => {
    const spec = correlated();
    expect(brokenStreams(spec, EMPTY_HISTORY, new Set())).toBeUndefined();
    expect(brokenStreams(spec, EMPTY_HISTORY, new Set([0].map(keyOf)))).toBeUndefined();
    expect(brokenStreams(spec, EMPTY_HISTORY, new Set([0, 1].map(keyOf)))).toContain('got 4');
    expect(
      brokenStreams({ ...spec, privacy: undefined }, EMPTY_HISTORY, new Set()),
    ).toBeUndefined();
  });

  it('stay too few once all have registered and not enough state the same sums', () => {
    const { view } = play(divided(0, 1, 2));
    const history = afterAttempt(EMPTY_HISTORY, view);
    expect(history.carriers!.size).toBe(3);
    const open = view.open!;
    const next = emptyView({ ...view, history, attempt: 1 });
    expect(violation({ ...next, open: undefined, registers: new Map() }, open)).toMatchObject({
      rule: 'open-noise-streams',
      code: 'noise_streams_broken',
    });
    // While one of them is away, it may be of the larger part.
    const one = play(divided(0, 1, 2), { members: [0, 1, 2, 3, 4], survivors: [0, 1, 2, 3, 4] });
    expect(one.rule).toBe('cohort-streams');
    expect(afterAttempt(EMPTY_HISTORY, one.view).carriers!.size).toBe(6);
  });

  it('is another digest with every sum, and with every run', () => {
    const run = new Uint8Array(32).fill(7);
    const names = [
      newStream(run),
      newStream(new Uint8Array(32)),
      streamAfter(newStream(run), HIDDEN),
      streamAfter(streamAfter(newStream(run), HIDDEN), HIDDEN),
      streamAfter(newStream(run), run),
    ].map(toHex);
    expect(new Set(names).size).toBe(names.length);
  });
});
