/**
 * @module A simulated run with correlated noise: masks change nothing of its sums, it verifies, its
 * budget stops it, and it ends by name when too few members were in every sum.
 */
import { describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { readRun, type ScenarioInput } from '../../sim/index.ts';
import { modelsOf, smallRuns, verifiedRun } from '../support/small-runs.ts';

const PRIVACY = {
  type: 'ftrl',
  epsilon: 8,
  delta: 1e-5,
  participations: 0,
  honest: 0.8,
  noiseMultiplier: 0,
  bands: 2,
} as const;

const correlated = smallRuns(
  'correlated',
  { rows: 240, features: 6 },
  { participants: 5, cohort: 5, minimum: 4, rounds: 3, privacy: PRIVACY },
);

it('gives the same models with masks and without, and verifies as its own mechanism alone', async () => {
  const [masked, plain] = [await correlated(), await correlated({ mask: false })];
  expect(modelsOf(masked)).toHaveLength(3);
  expect(modelsOf(plain)).toEqual(modelsOf(masked));
  for (const { folder: own, summary } of [masked, plain]) {
    const result = await verifiedRun(own);
    expect(result).toMatchObject({
      ok: true,
      level: 'L1',
      privacy: { mechanism: 'ftrl', participations: 3, spent: { participations: 3 } },
    });
    expect(result.privacy?.spent.epsilon).toBe(result.privacy?.epsilon);
    expect(result.privacy?.epsilon).toBeLessThanOrEqual(8);
    expect(summary.privacy?.words).toContain('correlated Skellam noise of 2 bands');
  }
  const forged = await verifiedRun(plain.folder, (spec) => {
    const { bands: _, ...independent } = spec.privacy as Extract<
      NonNullable<RunSpec['privacy']>,
      { readonly type: 'ftrl' }
    >;
    return { ...spec, privacy: { ...independent, type: 'skellam' } };
  });
  expect(forged.ok).toBe(false);
  const fewer = await verifiedRun(plain.folder, (spec) => ({
    ...spec,
    privacy: { ...spec.privacy!, noiseMultiplier: spec.privacy!.noiseMultiplier / 10 },
  }));
  expect(fewer.ok).toBe(false);
});

describe('members that are lost', () => {
  const losing = {
    participants: 7,
    cohort: 7,
    minimum: 5,
    drops: { share: 0.14 },
    seed: 'c',
  } as const;
  const withAttempts = (participations: number): ScenarioInput => ({
    ...losing,
    privacy: { ...PRIVACY, honest: 0.86, participations },
  });

  it('may come back and do not count: a round waits for those in every sum', async () => {
    const { folder: own, summary } = await correlated(withAttempts(6));
    // One is lost in each attempt. In two of them the fifth that counts is: no sum is opened.
    expect(summary.history.map(({ attempt }) => attempt)).toEqual([1, 2, 5]);
    const result = await verifiedRun(own);
    expect(result).toMatchObject({ ok: true, level: 'L1' });
    expect(result.privacy?.spent.participations).toBe(5);
    const { spec, transcript } = await readRun(own);
    const { entries } = decodeTranscript(hashRunSpec(spec), transcript);
    const streams = entries.flatMap(({ record }) =>
      record.type === 'register' && record.attempt === 5 ? [toHex(record.body.stream!)] : [],
    );
    const counts = Map.groupBy(streams, (stream) => stream);
    const sizes = [...counts.values()].map(({ length }) => length);
    expect(sizes.toSorted((a, b) => a - b)).toEqual([1, 1, 5]);
  });

  it('cost an attempt of the budget: the run ends by name', async () => {
    await expect(correlated(withAttempts(3))).rejects.toThrow(
      expect.objectContaining({ code: 'privacy_budget_spent' }),
    );
  });
});
