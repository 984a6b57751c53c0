/**
 * A coordinator of a run with differential privacy: it leaves honest members out of the draw as if
 * their budget were spent, so that a cohort has fewer honest members than the noise was sized for;
 * and it offers a run without any noise to a participant that has a budget.
 */
import { describe, expect, it } from 'vitest';
import { admitRun, loweringFlags, makeAdmission } from '../../client/admission.ts';
import { FloeError } from '../../protocol/errors.ts';
import { DRAW_RULES } from '../../protocol/rules/draw-rules.ts';
import type { RunSpec, RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { keys, privateSpec } from '../support/private-spec.ts';

const specOf = (changes: Partial<RunSpecInput> = {}): RunSpec => privateSpec(6, 4, 0.9, changes);

describe('a survivor of the last commit that is left out as if its budget were spent', () => {
  const rule = DRAW_RULES.find(({ name }) => name === 'open-passed-over')!;
  /** What a member says that knows the last commit, and not the attempts before it. */
  const judged = (attempt: number, spec: RunSpec): string | undefined => {
    const [victim] = keys;
    const members = keys.slice(0, 10);
    const lastSurvivors = { attempt: attempt - 1, body: { members } };
    const draw = { eligible: keys, late: [], out: [victim] };
    const found = rule.check(
      { spec, lastSurvivors, previous: undefined } as never,
      { attempt, body: { draw } } as never,
    );
    return found instanceof FloeError ? found.message : found;
  };

  it('is noticed as long as nobody can have spent it', () => {
    for (const attempt of [2, 3, 4]) expect(judged(attempt, specOf())).toMatch('1 survivors');
    expect(judged(5, specOf())).toBeUndefined();
    expect(judged(5, specOf({ privacy: undefined }))).toMatch('1 survivors');
  });
});

describe('a participant with a total budget', () => {
  it('takes part in no run whose noise counts on everybody, unless told', () => {
    const trusting = specOf({
      privacy: {
        type: 'skellam',
        epsilon: 4,
        delta: 1e-6,
        participations: 4,
        honest: 1,
        noiseMultiplier: 0,
      },
    });
    const admit = (input: Parameters<typeof makeAdmission>[0], spec: RunSpec) =>
      admitRun(makeAdmission(input), spec, keys[0]!);
    expect(() => admit({}, trusting)).toThrow('honest: the run offers noise for a cohort');
    expect(() => admit({ honest: 1 }, trusting)).not.toThrow();
    expect(() => admit({}, specOf())).not.toThrow();
  });

  it('takes part in no run whose coordinator adds the noise, unless told', () => {
    const central = specOf({
      secagg: 'none',
      privacy: {
        type: 'central',
        epsilon: 4,
        delta: 1e-6,
        participations: 4,
        noiseMultiplier: 0,
      },
    });
    const admit = (input: Parameters<typeof makeAdmission>[0]) => () =>
      admitRun(makeAdmission({ masked: false, minimum: 3, ...input }), central, keys[0]!);
    expect(admit({ epsilon: 8 })).toThrow(
      'central: the run offers noise that its coordinator adds',
    );
    expect(admit({ epsilon: 8, central: true })).not.toThrow();
    expect(loweringFlags(central)).toContain('--accept-central-noise');
  });

  it('takes part in no run without privacy, whose sums have no noise', () => {
    const policy = makeAdmission({ minimum: 3, totalEpsilon: 8 });
    expect(() => admitRun(policy, specOf(), keys[0]!)).not.toThrow();
    expect(() => admitRun(policy, specOf({ privacy: undefined }), keys[0]!)).toThrow(
      expect.objectContaining({ code: 'admission_refused' }),
    );
  });
});
