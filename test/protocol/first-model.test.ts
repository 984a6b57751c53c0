/**
 * @module The first model: golden hashes, so that every platform draws the same bits, and the shape
 * of what is drawn.
 */
import { describe, expect, it, vi } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { initialModel, initialModelHash, seedOfId } from '../../protocol/model/first-model.ts';
import { hashModel, unflatten } from '../../protocol/model/index.ts';
import { testSpec } from '../support/run.ts';

const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
const f32 = 'float32' as const;
const tensors = [
  { name: 'convolution/kernel', shape: [5, 5, 3, 8], dtype: f32 },
  { name: 'convolution/bias', shape: [8], dtype: f32 },
  { name: 'norm/gamma', shape: [8], dtype: f32 },
  { name: 'norm/beta', shape: [8], dtype: f32 },
  { name: 'norm/moving_mean', shape: [8], dtype: f32 },
  { name: 'norm/moving_variance', shape: [8], dtype: f32 },
  { name: 'output/kernel', shape: [200, 10], dtype: 'bfloat16' as const },
  { name: 'scalar', shape: [], dtype: f32 },
];
const model = { tensors, seed };

describe('the first model', () => {
  it('has the golden hash, here and where there is no node:crypto', async () => {
    const golden = '817bab55e656dad1ae1e762cfb8c150a3962ffd253230e568c97e5ad2e09b2d9';
    expect(toHex(initialModelHash(model))).toBe(golden);
    expect(toHex(hashModel({ tensors }, initialModel(model)))).toBe(golden);
    vi.resetModules();
    vi.stubGlobal('process', { env: process.env });
    const browser = await import('../../protocol/model/first-model.ts');
    const { nodeCrypto } = await import('../../protocol/bytes.ts');
    vi.unstubAllGlobals();
    expect(nodeCrypto).toBeUndefined();
    expect(browser.initialModel(model)).toEqual(initialModel(model));
  });

  it('is Glorot uniform where it has two sizes or more, else zeros and ones', () => {
    const parts = unflatten({ tensors }, initialModel(model));
    const of = (name: string): Float32Array => parts.get(name) ?? new Float32Array();
    const zeros = ['convolution/bias', 'norm/beta', 'norm/moving_mean', 'scalar'];
    for (const name of zeros) expect(new Set(of(name)), name).toEqual(new Set([0]));
    for (const name of ['norm/gamma', 'norm/moving_variance'])
      expect(new Set(of(name)), name).toEqual(new Set([1]));
    for (const [name, fanIn, fanOut] of [
      ['convolution/kernel', 5 * 5 * 3, 5 * 5 * 8],
      ['output/kernel', 200, 10],
    ] as const) {
      const limit = Math.sqrt(6 / (fanIn + fanOut));
      const values = of(name);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
      expect(Math.max(...values.map(Math.abs)), name).toBeLessThanOrEqual(limit * (1 + 2 ** -8));
      expect(values.every((value) => value !== 0)).toBe(true);
      // Four standard errors of the mean and of the variance of a uniform distribution.
      expect(Math.abs(mean), name).toBeLessThan((4 * limit) / Math.sqrt(3 * values.length));
      expect(Math.abs(variance / (limit ** 2 / 3) - 1), name).toBeLessThan(
        4 * Math.sqrt(0.8 / values.length),
      );
    }
  });

  it('is another under another seed, and a tensor is the same whatever the others are', () => {
    const other = initialModel({ tensors, seed: seed.toReversed() });
    expect(other).not.toEqual(initialModel(model));
    const alone = initialModel({ tensors: tensors.slice(0, 1), seed });
    expect(initialModel(model).subarray(0, alone.length)).toEqual(alone);
  });

  it('needs a seed; a run that names none has that of its id', async () => {
    expect(() => initialModel({ tensors })).toThrow(/model.seed/u);
    const spec = await testSpec();
    expect(spec.model.seed).toEqual(seedOfId(spec.id));
    const parent = { modelHash: new Uint8Array(32) };
    expect((await testSpec({ parent })).model.seed).toBeUndefined();
    const both = testSpec({ parent, model: { ...spec.model, seed } });
    await expect(both).rejects.toThrow(/a seed or a parent, and not both/u);
  });
});
