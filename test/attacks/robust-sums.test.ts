/**
 * Liars in a run with a robust rule, whose sum still decides something: the numbers that a strategy
 * sends beside the update are summed, and the norm of the sum is compared with that of a mean.
 */
import { describe, expect, it } from 'vitest';
import { DEFAULT_METRICS, extrasOf } from '../../protocol/algorithm/metrics.ts';
import { createFold, finishRound, layoutOf } from '../../protocol/algorithm/round.ts';
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { encodeUpdate, meanNormLimit, pack, type Lanes } from '../../protocol/encoding/index.ts';
import { encodingFor } from '../../protocol/algorithm/segments.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { testSpec } from '../support/run.ts';

const N = 9;
const SIZE = 64;
const MEAN = 5;
const rotationSeed = new Uint8Array(32);

const specOf = (strategy?: string): Promise<RunSpec> =>
  testSpec({
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [SIZE], dtype: 'float32' }] },
    cohort: { size: N, minimum: N },
    secagg: 'none',
    encoding: { ring: 'ring16', bits: 6, clipNorm: 1, weightCap: 1000, rotation: false },
    robust: { rule: { type: 'median' }, byzantine: 4 },
    ...(strategy === undefined ? {} : { strategy: { name: strategy } }),
  });

/** What a participant with these values sends, clipped. */
const upload = (spec: RunSpec, delta: Float32Array, seed: number): Lanes =>
  encodeUpdate({
    delta,
    examples: MEAN,
    metrics: [1, 1],
    extras: extrasOf(DEFAULT_METRICS),
    spec: encodingFor(spec, N, MEAN),
    n: N,
    rotationSeed,
    random: seededRandom(new Uint8Array(32).fill(seed)),
  }).lanes;

/** The same vector in the ring, this many times as long, its numbers as they are. */
const stretched = (spec: RunSpec, lanes: Lanes, factor: number): Lanes => {
  const { padded, modulusBits } = layoutOf(spec, N, MEAN);
  const out = lanes.slice();
  const half = 2 ** (modulusBits - 1);
  for (let i = 0; i < padded; i += 1) {
    const value = lanes[i]! >= half ? lanes[i]! - 2 * half : lanes[i]!;
    const long = Math.trunc(value * factor);
    out[i] = long < 0 ? long + 2 * half : long;
  }
  return out;
};

const finish = (spec: RunSpec, uploads: readonly Lanes[]) => {
  const layout = layoutOf(spec, N, MEAN);
  const fold = createFold(layout);
  const each = uploads.map((lanes) => fold.add(pack(lanes, layout.modulusBits)));
  return finishRound({
    spec,
    n: N,
    survivors: N,
    lanes: fold.lanes,
    each,
    before: { weights: new Float32Array(SIZE), state: NO_STATE },
    meanExamples: MEAN,
    rotationSeed,
  });
};

const same = (value: number): Float32Array => new Float32Array(SIZE).fill(value);

describe('a rule that bears four of nine', () => {
  it('does not end the round where each update is within its own bound, and the sum is not', async () => {
    const spec = await specOf();
    const segment = layoutOf(spec, N, MEAN).segments[0];
    const encoding = encodingFor(spec, N, MEAN);
    const one = meanNormLimit(encoding, segment, 1, MEAN);
    const all = meanNormLimit(encoding, segment, N, N * MEAN);
    // The room of a single rounding is longer than that of a mean of many.
    expect(one / all).toBeGreaterThan(1.02);
    const honest = Array.from({ length: 5 }, (_, i) => upload(spec, same(1), i));
    const liars = Array.from({ length: 4 }, (_, i) =>
      stretched(spec, upload(spec, same(1), 10 + i), 0.99 * one),
    );
    const { after } = finish(spec, [...honest, ...liars]);
    expect(after.weights.every((value) => Math.abs(value - 1 / 8) < 0.1)).toBe(true);
  });

  it('an update beyond its bound is found by who recomputes the round, though the sum is short', async () => {
    const spec = await specOf();
    const long = upload(spec, same(1), 1);
    const uploads = Array.from({ length: N }, (_, i) => upload(spec, same(0), i));
    uploads[0] = stretched(spec, long, 4);
    uploads[1] = stretched(spec, long, -4);
    expect(() => finish(spec, uploads)).toThrow('expected a mean of norm');
  });
});

it('a strategy whose step follows a sum of numbers takes no robust rule', async () => {
  await expect(specOf('fednova')).rejects.toThrow(/fednova .* takes no robust rule/u);
});
