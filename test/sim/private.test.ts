/**
 * @module A simulated run with differential privacy: masks change nothing of its sums, and it
 * verifies.
 */
import { expect, it } from 'vitest';
import { describeVerification } from '../../client/index.ts';
import { modelsOf, smallRuns, verifiedRun } from '../support/small-runs.ts';

const PRIVACY = {
  type: 'skellam',
  epsilon: 8,
  delta: 1e-5,
  participations: 2,
  honest: 0.8,
  noiseMultiplier: 0,
} as const;

const privately = smallRuns(
  'private',
  { rows: 240, features: 6 },
  { participants: 6, cohort: 5, rounds: 2, privacy: PRIVACY },
);

/** The run verifies, and so does the privacy that it claims. */
const requireVerified = async (
  { folder: own }: Awaited<ReturnType<typeof privately>>,
  participations: number,
): Promise<void> => {
  const result = await verifiedRun(own);
  expect(result).toMatchObject({
    ok: true,
    level: 'L1',
    privacy: { mechanism: 'skellam', participations, spent: { participations } },
  });
  expect(result.privacy?.spent.epsilon).toBe(result.privacy?.epsilon);
  const lines = describeVerification(result).map(([, text]) => text);
  expect(lines.some((line) => line.startsWith('privacy    epsilon'))).toBe(true);
  const spent = new RegExp(`^spent .* in ${participations} of ${participations} part`, 'u');
  expect(lines.some((line) => spent.test(line))).toBe(true);
};

it('gives the same models with masks and without, for the same noise', async () => {
  const [masked, plain] = [await privately(), await privately({ mask: false })];
  expect(modelsOf(masked)).toHaveLength(2);
  expect(modelsOf(plain)).toEqual(modelsOf(masked));
});

it('follows the updates with its clip norm, whose noisy bits verify, with masks and without', async () => {
  const clipping = {
    type: 'adaptive',
    quantile: 0.5,
    rate: 0.2,
    floor: 1e-3,
    ceiling: 64,
  } as const;
  const adapted = { clipping, clipNorm: 0.01, clipUnit: 'layer', seed: 'adaptive' } as const;
  const [masked, plain] = [await privately(adapted), await privately({ ...adapted, mask: false })];
  expect(modelsOf(plain)).toEqual(modelsOf(masked));
  const norms = masked.summary.history.map(({ clipNorm }) => clipNorm!);
  expect(norms).toHaveLength(2);
  // The noise decides how far, not whether: at most by exp(eta / 2) a round.
  for (const [i, norm] of norms.entries()) {
    const before = norms[i - 1] ?? 0.01;
    expect(norm).not.toBe(before);
    expect(Math.abs(Math.log(norm / before))).toBeLessThanOrEqual(0.1 + 1e-12);
  }
  for (const run of [masked, plain]) await requireVerified(run, 2);
});

it('has the same models in buffers, with masks and without, and no member beyond its budget', async () => {
  const buffer = {
    buffer: 5,
    maxStaleness: 4,
    rounds: 3,
    seed: 'buffer',
    speed: { type: 'stragglers', median: 100, fraction: 0.2, factor: 1.5 },
  } as const;
  // The fastest five may be in all rounds, so that each counts for three.
  const three = { privacy: { ...PRIVACY, participations: 3 } };
  const masked = await privately({ ...buffer, ...three });
  const plain = await privately({ ...buffer, ...three, mask: false });
  expect(modelsOf(plain)).toEqual(modelsOf(masked));
  expect(
    masked.summary.history.some(({ staleness = [] }) => staleness.some((age) => age > 0)),
  ).toBe(true);
  for (const run of [masked, plain]) await requireVerified(run, 3);
  // With two participations each, two buffers of five leave too few for a third.
  const over = privately({ ...buffer, privacy: { ...PRIVACY, participations: 2 } });
  await expect(over).rejects.toThrow(expect.objectContaining({ code: 'privacy_budget_spent' }));
});

it('opens no round that would overspend: the run ends by name', async () => {
  const over = privately({ participants: 5, rounds: 3, minimum: 3, seed: 'over' });
  await expect(over).rejects.toThrow(expect.objectContaining({ code: 'privacy_budget_spent' }));
});
