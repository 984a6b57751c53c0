/**
 * @module Per-layer clipping: each tensor within C / sqrt(m), the whole within C, and nothing else
 * changed.
 */
import { expect, it } from 'vitest';
import { clipLayers } from '../../client/participant/host/clip-layers.ts';
import { makeRunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';

const C = 2;
const tensor = (name: string, size: number, role?: 'frozen') => ({
  name,
  shape: [size],
  dtype: 'float32' as const,
  ...(role === undefined ? {} : { role }),
});

const specOf = (over: Partial<RunSpecInput> = {}) =>
  makeRunSpec({
    id: new Uint8Array(16),
    coordinator: new Uint8Array(32).fill(9),
    model: {
      architecture: 'custom',
      tensors: [
        tensor('a/kernel', 4),
        tensor('a/bias', 1),
        tensor('still', 7, 'frozen'),
        tensor('b/kernel', 9),
        tensor('b/bias', 2),
      ],
    },
    encoding: { clipNorm: C, clipUnit: 'layer' },
    ...over,
  });

const norm = (values: Float32Array): number => Math.hypot(...values);

it('shortens each layer to its part, and leaves those within it as they are', () => {
  const delta = Float32Array.from({ length: 16 }, (_, i) => (i < 4 ? 10 * (i + 1) : 0.1));
  const { values, clipped } = clipLayers(specOf(), delta);
  expect(clipped).toBe(true);
  // Four layers travel: C / sqrt(4).
  expect(norm(values.subarray(0, 4))).toBeCloseTo(C / 2, 5);
  expect(values[3]! / values[0]!).toBeCloseTo(4, 5);
  expect(values.subarray(4)).toEqual(delta.subarray(4));
  expect(delta[0]).toBe(10);
});

it('keeps the whole within the clip norm, whatever the layers hold', () => {
  for (const scale of [1e-3, 1, 1e6]) {
    const delta = Float32Array.from({ length: 16 }, (_, i) => scale * Math.cos(3 * i));
    const { values } = clipLayers(specOf(), delta);
    expect(norm(values)).toBeLessThanOrEqual(C * (1 + 1e-6));
  }
});

it('counts no layer that stays at the site', () => {
  const spec = specOf({ training: { localLayers: ['b'] } });
  const { values } = clipLayers(spec, new Float32Array(5).fill(100));
  expect(norm(values.subarray(0, 4))).toBeCloseTo(C / Math.SQRT2, 5);
  expect(Math.abs(values[4]!)).toBeCloseTo(C / Math.SQRT2, 5);
});

it('does nothing in a run that clips the whole update', () => {
  const delta = new Float32Array(16).fill(100);
  const found = clipLayers(specOf({ encoding: { clipNorm: C } }), delta);
  expect(found).toEqual({ values: delta, clipped: false });
});
