/**
 * Poisoning through a masked sum: one of ten does not clip its update. No single upload can be looked at, but the mean of ten
 * updates of norm at most C has no longer norm than C and its rounding (specification, step 7).
 */
import { describe, expect, it } from 'vitest';
import { createFold, finishRound, layoutOf, METRICS } from '../../protocol/aggregate/round.ts';
import {
  encodeUpdate,
  laneMask,
  pack,
  quantisationStep,
  rotate,
  rotationGain,
  type EncodingSpec,
  type Lanes,
  type RingLayout,
} from '../../protocol/encoding/index.ts';
import { seededRandom } from '../../protocol/random.ts';
import type { RunSpec } from '../../protocol/run-spec.ts';
import { testSpec } from '../support/run.ts';

const CLIP = 4;
const rotationSeed = new Uint8Array(32).fill(3);

const specOf = (dimension: number, encoding: Partial<EncodingSpec> = {}): Promise<RunSpec> =>
  testSpec({
    model: {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [dimension], dtype: 'float32' }],
    },
    cohort: { size: 10, minimum: 3 },
    encoding: { ring: 'ring16', bits: 8, clipNorm: CLIP, weightCap: 600, ...encoding },
  });

/** Pseudo-random values of the given L2 norm. */
const vector = (dimension: number, norm: number, seed: number): Float32Array => {
  const bytes = seededRandom(new Uint8Array(32).fill(seed))(dimension);
  const raw = Float32Array.from(bytes, (byte) => byte - 127.5);
  const length = Math.hypot(...raw);
  return raw.map((value) => (value * norm) / length);
};

const honest = (spec: RunSpec, n: number, delta: Float32Array, seed: number): Lanes =>
  encodeUpdate({
    delta,
    examples: 600,
    metrics: [1, 1],
    extras: METRICS,
    spec: spec.encoding,
    n,
    rotationSeed,
    random: seededRandom(new Uint8Array(32).fill(100 + seed)),
  }).lanes;

/** What an honest member would send, but for an update that is neither clipped nor clamped. */
const unclipped = (spec: RunSpec, n: number, delta: Float32Array): Lanes => {
  const layout: RingLayout = layoutOf(spec, n);
  const lanes = honest(spec, n, new Float32Array(delta.length), 0);
  const x = new Float64Array(layout.padded);
  x.set(delta);
  rotate(x, layout, rotationSeed);
  const factor = 1 / (quantisationStep(spec.encoding, layout) * rotationGain(layout));
  for (let i = 0; i < layout.padded; i += 1)
    lanes[i] = Math.round(x[i]! * factor) & laneMask(layout.modulusBits);
  return lanes;
};

const finish = (spec: RunSpec, dimension: number, uploads: readonly Lanes[]) => {
  const layout = layoutOf(spec, uploads.length);
  const fold = createFold(layout);
  for (const lanes of uploads) fold.add(pack(lanes, layout.modulusBits));
  return finishRound({
    spec,
    n: uploads.length,
    survivors: uploads.length,
    lanes: fold.lanes,
    before: new Float32Array(dimension),
    rotationSeed,
  });
};

describe('one liar of ten', () => {
  it('moves the model three times as far as ten honest participants could together', async () => {
    const dimension = 2000;
    const spec = await specOf(dimension);
    const liar = unclipped(spec, 10, vector(dimension, 10 * 15, 1));
    const others = Array.from({ length: 9 }, (_, i) =>
      honest(spec, 10, vector(dimension, 1, 2 + i), i),
    );
    const { after } = finish(spec, dimension, [liar, ...others]);
    expect(Math.hypot(...after)).toBeGreaterThan(3 * CLIP);
  });

  it('puts a backdoor into the model with a mean of norm 11', async () => {
    const dimension = 2000;
    const spec = await specOf(dimension);
    const liar = unclipped(spec, 10, vector(dimension, 10 * 11, 1));
    const others = Array.from({ length: 9 }, (_, i) =>
      honest(spec, 10, vector(dimension, 1, 2 + i), i),
    );
    const { after } = finish(spec, dimension, [liar, ...others]);
    expect(Math.hypot(...after)).toBeGreaterThan(10);
  });
});
