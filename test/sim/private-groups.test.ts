/**
 * @module A simulated run with differential privacy and a robust rule over groups: the noise of
 * each group does alone, and the run verifies with what it claims.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeVerification } from '../../client/index.ts';
import { noiseFor } from '../../protocol/algorithm/segments.ts';
import { readRun, RUN_FILES } from '../../sim/index.ts';
import { smallRuns, verifiedRun } from '../support/small-runs.ts';

const run = smallRuns(
  'private-groups',
  { rows: 240, features: 6 },
  { participants: 12, cohort: 12, rounds: 2 },
);

it('opens noisy sums of groups, charges them as one sum, and verifies', async () => {
  const { summary, folder: own } = await run({
    aggregation: { type: 'median' },
    groupSize: 4,
    privacy: {
      type: 'skellam',
      epsilon: 8,
      delta: 1e-5,
      participations: 2,
      honest: 0.9,
      noiseMultiplier: 0,
    },
  });
  expect(summary.history).toHaveLength(2);
  expect(summary.rule).toMatchObject({
    name: 'median',
    byzantine: 1,
    tolerated: 1,
    groupSize: 4,
    groups: 3,
  });
  for (const { groups } of summary.history) {
    expect(groups).toMatchObject({ opened: 3, leftOut: 0, suspects: [] });
    expect(groups?.norms.every((norm) => norm > 0)).toBe(true);
    expect(groups?.deviations).toHaveLength(3);
  }
  const report = await readFile(join(own, RUN_FILES.report), 'utf8');
  expect(report).toContain('median over the means of groups: bears 1 false of 12');
  expect(report).toContain('0 of 6 sums in 2 rounds');
  // A sum has three of a group of four at least, and both that add no noise may be among them.
  const claim = { minimum: 3, honestSurvivors: 1, participations: 2 };
  expect(summary.privacy).toMatchObject(claim);
  const stored = await readRun(own);
  expect(noiseFor(stored.spec)).toMatchObject({ honestSurvivors: 1 });
  const result = await verifiedRun(own);
  expect(result).toMatchObject({
    ok: true,
    level: 'L1',
    privacy: { ...claim, mechanism: 'skellam', spent: { participations: 2 } },
  });
  const lines = describeVerification(result).map(([, text]) => text);
  expect(lines.some((line) => line.includes('1 of at least 3 survivors of each group'))).toBe(true);
});
