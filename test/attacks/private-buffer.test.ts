/**
 * @module A coordinator of a buffered run with differential privacy that delays registrations until
 * all members that add no noise are in one buffer, with as few others as a sum may have. No draw
 * stands against it: the noise of the others must be enough alone.
 */
import { describe, expect, it } from 'vitest';
import { noiseFor } from '../../protocol/algorithm/segments.ts';
import { privacyClaim } from '../../protocol/algorithm/privacy.ts';
import { BUDGET_RULES } from '../../protocol/rules/budget.ts';
import type { RunSpec, RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { keys, privateSpec } from '../support/private-spec.ts';

const K = 10;
const MINIMUM = 6;
const BUFFER = { buffer: { size: K }, cohort: { size: K, minimum: MINIMUM } } as const;

const specOf = (honest: number, changes: Partial<RunSpecInput> = {}): RunSpec =>
  privateSpec(6, 4, honest, { ...BUFFER, ...changes });

/** Of the noise that the guarantee needs, how much is in the smallest sum with all the liars. */
const noiseInWorstSum = (spec: RunSpec, liars: number): number =>
  (MINIMUM - liars) / noiseFor(spec)!.honestSurvivors;

describe('a buffer with all members that add no noise', () => {
  // A tenth of the twenty members.
  const liars = 2;

  it('has all the noise that the guarantee needs', () => {
    expect(noiseInWorstSum(specOf(0.9), liars)).toBe(1);
    expect(privacyClaim(specOf(0.9))).toMatchObject({ minimum: MINIMUM, honestSurvivors: 4 });
  });

  it('would have less by the count of a drawn cohort: a fifth is missing', () => {
    const drawn = privateSpec(6, 4, 0.9, { cohort: BUFFER.cohort });
    expect(noiseInWorstSum(drawn, liars)).toBe(0.8);
  });

  it('is refused where nobody honest is left in it', () => {
    expect(() => specOf(0.7)).toThrow('with 6 of 20 members that may add no noise, a sum of 6');
    expect(() => privateSpec(6, 4, 0.7, { cohort: BUFFER.cohort })).not.toThrow();
  });
});

describe('the budget of the fastest', () => {
  it('counts every round unless told: no cohort is drawn', () => {
    const open = { type: 'skellam', epsilon: 4, delta: 1e-5, honest: 0.9 } as const;
    const privacy = { ...open, participations: 0, noiseMultiplier: 0 };
    expect(specOf(0.9, { privacy }).privacy?.participations).toBe(6);
    const drawn = privateSpec(6, 4, 0.9, { cohort: BUFFER.cohort, privacy });
    expect(drawn.privacy?.participations).toBe(3);
  });

  it('is at its end for a member that was in as many buffers: it may not be invited', () => {
    const [victim] = keys;
    const spec = specOf(0.9);
    const history = { released: new Map([[Buffer.from(victim!).toString('hex'), 4]]) };
    const found = BUDGET_RULES[0]!.check(
      { spec, history } as never,
      { body: { invited: keys } } as never,
    );
    expect(found).toMatch('has no participation left');
  });
});
