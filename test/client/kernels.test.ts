/**
 * @module Floe's kernels against tfjs's cpu backend (an independent implementation) and against
 * central finite differences, and the committed binary against its sources.
 */
import * as fc from 'fast-check';
import type * as Tfjs from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileKernels } from '../../scripts/build-kernels.ts';
import { type Tf, selectBackend } from '../../client/tfjs/backends.ts';
import { KERNELS_BASE64 } from '../../client/tfjs/kernels/binary.ts';
import { randomStream } from '../../client/random.ts';

let tf: Tf;

beforeAll(async () => {
  await selectBackend({ prefer: 'cpu' });
  ({ tf } = await selectBackend({ prefer: 'wasm' }));
});

const values = (shape: readonly number[], label: string): Float32Array => {
  const stream = randomStream(new Uint8Array(32), label);
  const size = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: size }, () => stream.uint32() / 2 ** 31 - 1);
};

type Operation = (...inputs: Tfjs.Tensor[]) => Tfjs.Tensor;

/** Outputs and gradients (of a weighted sum of the outputs) on one backend. */
const runOn = async (
  backend: string,
  operation: Operation,
  shapes: readonly number[][],
  data: readonly Float32Array[] = shapes.map((shape, i) => values(shape, `input ${i}`)),
): Promise<Float32Array[]> => {
  await tf.setBackend(backend);
  const inputs = data.map((input, i) => tf.tensor(input, shapes[i] ?? []));
  const y = operation(...inputs);
  const dy = tf.tensor(values(y.shape, 'dy'), y.shape);
  const gradients = tf.grads((...xs: Tfjs.Tensor[]) => tf.sum(tf.mul(operation(...xs), dy)))(
    inputs,
  );
  const result = [y, ...gradients].map((tensor) => tensor.dataSync<'float32'>());
  tf.dispose([...inputs, y, dy, ...gradients]);
  return result;
};

const expectClose = (actual: Float32Array, expected: Float32Array, tolerance: number): void => {
  expect(actual.length).toBe(expected.length);
  const worst = actual.reduce((max, v, i) => Math.max(max, Math.abs(v - (expected[i] ?? NaN))), 0);
  expect(worst).toBeLessThan(tolerance);
};

const compare = async (
  operation: Operation,
  shapes: readonly number[][],
  tolerance = 2e-4,
): Promise<void> => {
  const wasm = await runOn('wasm', operation, shapes);
  const cpu = await runOn('cpu', operation, shapes);
  for (const [i, array] of wasm.entries()) expectClose(array, cpu[i] ?? array, tolerance);
};

/**
 * Central differences of the weighted sum, on the cpu backend, for a few coordinates of each input.
 */
const compareWithDifferences = async (
  operation: Operation,
  shapes: readonly number[][],
): Promise<void> => {
  const data = shapes.map((shape, i) => values(shape, `input ${i}`));
  const [, ...gradients] = await runOn('wasm', operation, shapes, data);
  await tf.setBackend('cpu');
  const weighted = (arrays: readonly Float32Array[]): number => {
    const inputs = arrays.map((input, i) => tf.tensor(input, shapes[i] ?? []));
    const y = operation(...inputs);
    const outputs = y.dataSync<'float32'>();
    const dy = values(y.shape, 'dy');
    tf.dispose([...inputs, y]);
    return outputs.reduce((sum, v, i) => sum + v * (dy[i] ?? 0), 0);
  };
  const h = 1e-2;
  for (const [i, array] of data.entries())
    for (const at of [0, Math.floor(array.length / 2), array.length - 1]) {
      const moved = (by: number): Float32Array[] =>
        data.map((other, j) => (i === j ? other.map((v, p) => (p === at ? v + by : v)) : other));
      const slope = (weighted(moved(h)) - weighted(moved(-h))) / (2 * h);
      expect(gradients[i]?.[at]).toBeCloseTo(slope, 2);
    }
};

const matMul =
  (transposeA: boolean, transposeB: boolean): Operation =>
  (a, b) =>
    tf.matMul(a, b, transposeA, transposeB);

const TRANSPOSES = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

const matrixShapes = (m: number, k: number, n: number, ta: boolean, tb: boolean): number[][] => [
  ta ? [k, m] : [m, k],
  tb ? [n, k] : [k, n],
];

describe('the committed binary', () => {
  it('is what the sources compile to', async () => {
    expect(Buffer.from(await compileKernels()).toString('base64')).toBe(KERNELS_BASE64);
  });
});

describe.each(TRANSPOSES)('matMul, transposed %s, %s', (ta, tb) => {
  it('agrees with the cpu backend for any size', async () => {
    const size = fc.integer({ min: 1, max: 23 });
    await fc.assert(
      fc.asyncProperty(size, size, size, async (m, k, n) => {
        await compare(matMul(ta, tb), matrixShapes(m, k, n, ta, tb), 1e-4);
      }),
      { numRuns: 12, seed: 1 },
    );
  });

  it('agrees beyond one block of the depth, and with finite differences', async () => {
    await compare(matMul(ta, tb), matrixShapes(7, 601, 19, ta, tb), 1e-3);
    await compareWithDifferences(matMul(ta, tb), matrixShapes(6, 13, 9, ta, tb));
  });

  it('agrees over batches and their broadcast', async () => {
    const [a = [], b = []] = matrixShapes(6, 50, 11, ta, tb);
    await compare(matMul(ta, tb), [
      [3, ...a],
      [3, ...b],
    ]);
    // tfjs has no gradient through this broadcast; the reference repeats the operands.
    await tf.setBackend('wasm');
    const broadcast = tf.tidy(() => {
      const x = tf.tensor(values([2, 1, ...a], 'x'), [2, 1, ...a]);
      const y = tf.tensor(values([1, 3, ...b], 'y'), [1, 3, ...b]);
      const product = matMul(ta, tb);
      const repeated = product(tf.tile(x, [1, 3, 1, 1]), tf.tile(y, [2, 1, 1, 1]));
      const difference = tf.max(tf.abs(tf.sub(product(x, y), repeated)));
      return { shape: repeated.shape, worst: difference.dataSync()[0] };
    });
    expect(broadcast).toEqual({ shape: [2, 3, 6, 11], worst: 0 });
  });

  it.each(['linear', 'relu', 'sigmoid', 'elu', 'relu6'] as const)(
    'fused with a bias and %s agrees, also where the published kernel is wrong (K > 48)',
    async (activation) => {
      await tf.setBackend('wasm');
      const fused: Operation = (a, b, bias) =>
        tf.fused.matMul({
          a: a,
          b: b,
          transposeA: ta,
          transposeB: tb,
          bias: bias,
          activation,
        });
      // Gradients through elu and sigmoid are not fused in tfjs: the outputs alone are compared
      // there.
      const shapes = [...matrixShapes(6, 60, 11, ta, tb), [11]];
      const forward = async (backend: string): Promise<Float32Array> => {
        await tf.setBackend(backend);
        return tf.tidy(() =>
          fused(
            ...shapes.map((shape, i) => tf.tensor(values(shape, `input ${i}`), shape)),
          ).dataSync<'float32'>(),
        );
      };
      expectClose(await forward('wasm'), await forward('cpu'), 1e-4);
      if (activation === 'linear' || activation === 'relu') await compare(fused, shapes);
    },
  );
});

describe('convolutions', () => {
  const cases: [string, number[], number[], number | [number, number], 'same' | 'valid'][] = [
    ['5x5, same', [2, 9, 8, 3], [5, 5, 3, 6], 1, 'same'],
    ['3x3, valid', [2, 7, 9, 4], [3, 3, 4, 8], 1, 'valid'],
    ['strides 2 and 3', [1, 11, 10, 2], [3, 2, 2, 9], [2, 3], 'same'],
    ['1x1', [3, 4, 4, 5], [1, 1, 5, 7], 1, 'same'],
  ];
  it.each(cases)('%s: outputs and both gradients agree', async (_, x, filter, strides, pad) => {
    const convolution: Operation = (a, b) =>
      tf.conv2d(a as Tfjs.Tensor4D, b as Tfjs.Tensor4D, strides, pad);
    await compare(convolution, [x, filter]);
    await compareWithDifferences(convolution, [x, filter]);
  });

  it('dilated: the output agrees', async () => {
    const forward = async (backend: string): Promise<Float32Array> => {
      await tf.setBackend(backend);
      return tf.tidy(() =>
        tf
          .conv2d(
            tf.tensor4d(values([1, 9, 9, 2], 'x'), [1, 9, 9, 2]),
            tf.tensor4d(values([3, 3, 2, 5], 'filter'), [3, 3, 2, 5]),
            1,
            'same',
            'NHWC',
            2,
          )
          .dataSync<'float32'>(),
      );
    };
    expectClose(await forward('wasm'), await forward('cpu'), 1e-4);
  });

  it('fused with bias and relu agrees, and sees weights written in place', async () => {
    const fused: Operation = (x, filter, bias) =>
      tf.fused.conv2d({
        x: x as Tfjs.Tensor4D,
        filter: filter as Tfjs.Tensor4D,
        strides: 1,
        pad: 'same',
        bias: bias,
        activation: 'relu',
      });
    await compare(fused, [[2, 6, 6, 3], [3, 3, 3, 5], [5]]);
    await tf.setBackend('wasm');
    const x = tf.ones([1, 3, 3, 1]) as Tfjs.Tensor4D;
    const filter = tf.ones([1, 1, 1, 1]) as Tfjs.Tensor4D;
    expect(tf.conv2d(x, filter, 1, 'same').dataSync()[0]).toBe(1);
    const backend = tf.backend() as unknown as {
      typedArrayFromHeap(tensor: Tfjs.Tensor): Float32Array;
    };
    backend.typedArrayFromHeap(filter).fill(5);
    expect(tf.conv2d(x, filter, 1, 'same').dataSync()[0]).toBe(5);
  });
});

describe('the gradient of max pooling', () => {
  it.each([
    ['2x2', 2, 2, 'valid'],
    ['3x3 overlapping', 3, 2, 'same'],
  ] as const)('%s agrees with the cpu backend', async (_, size, strides, pad) => {
    await compare((x) => tf.maxPool(x as Tfjs.Tensor4D, size, strides, pad), [[2, 7, 6, 5]]);
  });

  it('is right where a whole window is negative', async () => {
    await tf.setBackend('wasm');
    const x = tf.tensor4d([-4, -3, -2, -1], [1, 2, 2, 1]);
    const gradient = tf.grad((t: Tfjs.Tensor) =>
      tf.sum(tf.maxPool(t as Tfjs.Tensor4D, 2, 2, 'valid')),
    );
    expect([...gradient(x).dataSync()]).toEqual([0, 0, 0, 1]);
  });
});

describe('kernels from plain JavaScript, which wasm lacks or has wrong', () => {
  const depthwise: Operation = (x, filter) =>
    tf.depthwiseConv2d(x as Tfjs.Tensor4D, filter as Tfjs.Tensor4D, 1, 'same');

  it('depthwise convolution: the output and both gradients', async () => {
    const shapes = [
      [2, 5, 6, 3],
      [3, 3, 3, 2],
    ];
    await compare(depthwise, shapes);
    await compareWithDifferences(depthwise, shapes);
  });

  it('convolution in three dimensions: both gradients', async () => {
    const convolution: Operation = (x, filter) =>
      tf.conv3d(x as Tfjs.Tensor5D, filter as Tfjs.Tensor5D, 1, 'same');
    const shapes = [
      [1, 4, 4, 3, 2],
      [2, 2, 2, 2, 3],
    ];
    await compare(convolution, shapes);
    await compareWithDifferences(convolution, shapes);
  });

  it('gather: the gradient is a sum by segments', async () => {
    const rows: Operation = (x) => tf.gather(x, tf.tensor1d([3, 0, 3, 1], 'int32'));
    await compare(rows, [[5, 4]]);
    await compareWithDifferences(rows, [[5, 4]]);
  });

  it('einsum gives what a product gives', async () => {
    await tf.setBackend('wasm');
    const difference = tf.tidy(() => {
      const a = tf.tensor(values([2, 3, 4], 'a'), [2, 3, 4]);
      const b = tf.tensor(values([2, 4, 5], 'b'), [2, 4, 5]);
      return tf.max(tf.abs(tf.sub(tf.einsum('bik,bkj->bij', a, b), tf.matMul(a, b)))).dataSync()[0];
    });
    expect(difference).toBeLessThan(1e-6);
  });
});

describe('composed layers on wasm', () => {
  it('layer norm, GELU and attention: gradients as differences have them', async () => {
    const norm: Operation = (x, gain) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-3))), gain);
    };
    const gelu: Operation = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1));
    const attention: Operation = (q, k, v) =>
      tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), 0.5)), v);
    for (const [operation, shapes] of [
      [norm, [[3, 6], [6]]],
      [gelu, [[4, 5]]],
      [
        attention,
        [
          [2, 3, 4],
          [2, 5, 4],
          [2, 5, 3],
        ],
      ],
    ] as const) {
      const own = shapes.map((shape) => [...shape]);
      await compare(operation, own);
      await compareWithDifferences(operation, own);
    }
  });
});
