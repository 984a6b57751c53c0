/**
 * Simulated runs that send a part of each update: masked as unmasked, verified, with error feedback
 * over losses; smaller uploads, and a model that learns.
 */
import { describe, expect, it } from 'vitest';
import { type ScenarioInput } from '../../sim/index.ts';
import { modelsOf, smallRuns, verifiedRun } from '../support/small-runs.ts';

const run = smallRuns(
  'compression',
  { rows: 360, features: 20 },
  {
    participants: 6,
    cohort: 5,
    minimum: 3,
    rounds: 3,
    model: 'mlp:16',
    drops: { upload: 1 / 5 },
  },
);

const WAYS: readonly ScenarioInput[] = [
  { compression: { type: 'random-k', rate: 0.25, mode: 'feedback' } },
  { compression: { type: 'low-rank', rank: 4, mode: 'feedback' }, modelPrecision: 'bfloat16' },
];

describe('a simulated run that compresses', () => {
  it.each(WAYS)('ends with the same model masked and unmasked, and verifies: %j', async (way) => {
    const masked = await run(way);
    const open = await run({ ...way, mask: false });
    const hashes = modelsOf(masked);
    expect(modelsOf(open)).toEqual(hashes);
    expect(new Set(hashes).size).toBe(3);
    expect(masked.summary.encoding.rounding.words).toContain(`${way.compression!.type}: `);
    const result = await verifiedRun(masked.folder);
    expect(result).toMatchObject({ ok: true, level: 'L1', modelHash: hashes.at(-1) });
  });
});
