/**
 * @module The product of a layer's inputs with its weights, which skips what is zero in the inputs,
 * beside the product of all numbers: on images of MNIST, and on numbers of which none is zero.
 */
import { loadMnist } from '../client/data/mnist-node.ts';
import { inputScratchBytes, loadKernels } from '../client/tfjs/kernels/load.ts';
import { report } from './table.ts';

const INPUTS = 784;
const OUTPUTS = 200;
const BATCH = 256;
const TURNS = 60;
const REPEATS = 5;

const memory = new WebAssembly.Memory({ initial: 128 });
const kernels = loadKernels(memory);
const [inputs, weights, outputs, scratch] = [64, 1 << 21, 2 << 21, 3 << 21] as const;
const floats = (at: number, size: number): Float32Array =>
  new Float32Array(memory.buffer, at, size);
if (inputScratchBytes(BATCH, INPUTS) + scratch > memory.buffer.byteLength) throw new Error('room');

const { features } = await loadMnist('train');
const IMAGES = Float32Array.from(features.subarray(0, BATCH * INPUTS));
const NOISE = IMAGES.map((_, i) => Math.sin(i + 1));
floats(weights, INPUTS * OUTPUTS).set(NOISE.subarray(0, INPUTS * OUTPUTS));

/** Milliseconds of the fastest of some turns. */
const timeOf = (work: () => void): number => {
  let best = Infinity;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const started = performance.now();
    for (let i = 0; i < REPEATS; i += 1) work();
    best = Math.min(best, (performance.now() - started) / REPEATS);
  }
  return best;
};

for (const [what, data] of [
  ['images', IMAGES],
  ['no zeros', NOISE],
] as const) {
  floats(inputs, data.length).set(data);
  const products = [
    [`outputs of ${BATCH}`, BATCH, OUTPUTS, INPUTS, 0, 0],
    ['outputs of 10', 10, OUTPUTS, INPUTS, 0, 0],
    ['weights, batch of 10', INPUTS, OUTPUTS, 10, 1, 1],
  ] as const;
  for (const [name, m, n, k, transpose, beta] of products) {
    const whole = timeOf(() =>
      kernels.gemm(m, n, k, inputs, transpose, weights, 0, outputs, -1e-9, beta),
    );
    const skipping = timeOf(() =>
      kernels.gemmOfInputs(m, n, k, inputs, transpose, weights, outputs, -1e-9, beta, scratch),
    );
    report({
      what: `${what}: ${name}`,
      value: skipping,
      unit: 'ms',
      ratio: { value: whole / skipping, to: 'as fast as all numbers' },
    });
  }
}
