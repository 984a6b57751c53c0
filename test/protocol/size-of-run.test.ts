/**
 * What a run stores, and costs, when participants announce how many examples they have: against
 * updates that are really encoded, and against sums by hand.
 */
import { describe, expect, it } from 'vitest';
import { beginningOf } from '../../client/run-start.ts';
import { costOfRun } from '../../coordinator/cost-of-run.ts';
import { describeCost } from '../../coordinator/describe-cost.ts';
import { encodingFor, layoutOf } from '../../protocol/algorithm/segments.ts';
import { laneOf } from '../../protocol/encoding/layout.ts';
import { runCost } from '../../protocol/net/cost.ts';
import { DOCUMENTED_PRICES, GAS_RATES, storedBy } from '../../protocol/spec/size-of-run.ts';
import { specOfSettings } from '../../protocol/spec/spec-of-settings.ts';

const { model } = await beginningOf({ model: 'mlp-2nn' });
const fixed = { id: new Uint8Array(16), coordinator: new Uint8Array(32), model };
const spec = specOfSettings({ cohort: 10, rounds: 25 }, fixed, (name) => name);

describe('uploads', () => {
  it('are as long as the lanes of their round', () => {
    for (const mean of [600, 1_000, 50_000]) {
      const { firstUploadBytes, uploadBytes } = storedBy(spec, 25, 3, mean);
      const counted = Math.min(mean, spec.encoding.weightCap);
      const bits = laneOf(encodingFor(spec, 10, counted), 10).modulusBits;
      const { lanes } = layoutOf(spec, 10, counted);
      // Lanes are packed, and whole blocks may end a byte later.
      expect(uploadBytes / ((lanes * bits) / 8)).toBeCloseTo(1, 2);
      expect(uploadBytes).toBeLessThan(firstUploadBytes ?? 0);
    }
  });

  it('are counted at their largest where nobody says how many examples there are', () => {
    const { firstUploadBytes, uploadBytes } = storedBy(spec, 25, 3);
    expect(uploadBytes).toBe(firstUploadBytes);
  });
});

describe('a cost', () => {
  it('is that of one first round and of the others', () => {
    const stored = storedBy(spec, 25, 3, 600);
    const { firstUploadBytes = 0 } = stored;
    const of = (rounds: number, uploadBytes: number) =>
      runCost(
        { ...stored, firstUploadBytes: uploadBytes, uploadBytes, rounds },
        DOCUMENTED_PRICES,
        GAS_RATES,
      );
    const first = of(1, firstUploadBytes);
    const others = of(24, stored.uploadBytes);
    const { total, once, round, separateTotal } = runCost(stored, DOCUMENTED_PRICES, GAS_RATES);
    for (const part of ['storage', 'write', 'gas'] as const)
      expect(total[part]).toBe(first.total[part] + others.total[part] - once[part]);
    expect(total.transactions).toBe(
      first.total.transactions + others.total.transactions - once.transactions,
    );
    expect(round).toEqual(others.round);
    expect(separateTotal).toBe(
      first.separateTotal + others.separateTotal - once.storage - once.write,
    );
    const none = runCost({ ...stored, rounds: 0 }, DOCUMENTED_PRICES, GAS_RATES);
    expect(none.total).toEqual(once);
  });

  it('says which uploads it counts', async () => {
    const lines = async (examples?: number): Promise<string> =>
      describeCost(spec, await costOfRun(spec, { examples }))
        .map(([, text]) => text)
        .join('\n');
    expect(await lines()).toMatch(/as little as 301079 bytes: --examples counts that/u);
    expect(await lines(600)).toMatch(/update of 301079 bytes.*\n.*first round 351252 bytes/u);
  });
});
