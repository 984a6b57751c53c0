/**
 * The product that skips zeros in a layer's inputs: byte for byte what the product of all numbers
 * is, which test/client/kernels.test.ts compares with tfjs and with finite differences.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { randomStream } from '../../client/random.ts';
import { inputScratchBytes, loadKernels } from '../../client/tfjs/kernels/load.ts';

const memory = new WebAssembly.Memory({ initial: 64 });
const kernels = loadKernels(memory);
const GUARD = 0xa5;

/** Where each array begins: after the last, with room for a guard. */
const places = (sizes: readonly number[]): readonly number[] => {
  let at = 64;
  return sizes.map((bytes) => {
    const start = at;
    at += Math.ceil(bytes / 64) * 64 + 64;
    return start;
  });
};

const product = fc.record({
  m: fc.integer({ min: 1, max: 70 }),
  n: fc.integer({ min: 1, max: 40 }),
  k: fc.integer({ min: 1, max: 600 }),
  transpose: fc.boolean(),
  density: fc.constantFrom(0, 0.02, 0.2, 0.8, 1),
  alpha: fc.constantFrom(1, -0.05),
  beta: fc.constantFrom(0, 1, 0.5),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

it('skipping zeros gives the bytes of the whole product, and stays in its scratch', () => {
  fc.assert(
    fc.property(product, ({ m, n, k, transpose, density, alpha, beta, seed }) => {
      const scratchBytes = inputScratchBytes(m, k);
      const [a = 0, b = 0, c = 0, d = 0, scratch = 0] = places([
        m * k * 4,
        k * n * 4,
        m * n * 4,
        m * n * 4,
        scratchBytes,
      ]);
      const stream = randomStream(new Uint8Array(32), String(seed));
      const fill = (at: number, size: number, share = 1): void => {
        const floats = new Float32Array(memory.buffer, at, size);
        for (let i = 0; i < size; i += 1)
          floats[i] = stream.uint32() / 2 ** 32 < share ? stream.uint32() / 2 ** 31 - 1 : 0;
      };
      fill(a, m * k, density);
      fill(b, k * n);
      fill(c, m * n);
      const bytes = new Uint8Array(memory.buffer);
      bytes.copyWithin(d, c, c + m * n * 4);
      bytes.fill(GUARD, scratch, scratch + scratchBytes + 64);
      kernels.gemm(m, n, k, a, transpose ? 1 : 0, b, 0, c, alpha, beta);
      kernels.gemmOfInputs(m, n, k, a, transpose ? 1 : 0, b, d, alpha, beta, scratch);
      const [whole, sparse] = [c, d].map((at) => Buffer.from(bytes.slice(at, at + m * n * 4)));
      expect(sparse?.equals(whole ?? Buffer.alloc(0))).toBe(true);
      const after = bytes.subarray(scratch + scratchBytes, scratch + scratchBytes + 64);
      expect(after.every((byte) => byte === GUARD)).toBe(true);
    }),
    { numRuns: 300 },
  );
});
