/**
 * @module Instantiates Floe's kernels on a linear memory: tfjs's own, so that they work on its
 * tensors in place, or a fresh one. All addresses are byte offsets into that memory; all data is
 * float32, row-major.
 */
import { KERNELS_BASE64 } from './binary.ts';

/** Sizes of a convolution or a pooling; padding is added at the top and on the left. */
export interface Window2d {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly top: number;
  readonly left: number;
}

type Numbers = (...args: number[]) => void;

/** The module's exports, see `assembly/`. */
export interface Kernels {
  /** C[m, n] = beta C + alpha op(A) op(B). */
  gemm(
    ...args: [
      m: number,
      n: number,
      k: number,
      a: number,
      transposeA: number,
      b: number,
      transposeB: number,
      c: number,
      alpha: number,
      beta: number,
    ]
  ): void;
  /**
   * C[m, n] = beta C + alpha op(A) B, where A has many zeros; with the bytes of `gemm` if all
   * numbers are finite. `scratch`: {@link inputScratchBytes}.
   */
  gemmOfInputs(
    ...args: [
      m: number,
      n: number,
      k: number,
      a: number,
      transposeA: number,
      b: number,
      c: number,
      alpha: number,
      beta: number,
      scratch: number,
    ]
  ): void;
  readonly conv2d: Numbers;
  readonly conv2dFilterGradient: Numbers;
  readonly conv2dInputGradient: Numbers;
  readonly maxPoolGradient: Numbers;
  /** y[rows, columns] += bias (0: none), then the activation by its number in `ACTIVATIONS`. */
  biasActivation(y: number, bias: number, rows: number, columns: number, activation: number): void;
  activationGradient(dy: number, y: number, count: number, activation: number): void;
  addColumnSums(x: number, to: number, rows: number, columns: number, scale: number): void;
  softmax(x: number, rows: number, columns: number): void;
  crossEntropyGradient(p: number, labels: number, rows: number, columns: number): void;
  squaredErrorGradient(y: number, target: number, count: number): void;
}

/** Bytes of the scratch of `gemmOfInputs`: a list for five rows, of the places that count. */
export const inputScratchBytes = (m: number, k: number): number =>
  Math.ceil(m / 5) * (1 + Math.min(k, 256)) * 8;

/** Activations that `biasActivation` and `activationGradient` know, by number. */
export const ACTIVATIONS = ['linear', 'relu', 'sigmoid', 'tanh'] as const;

let compiled: WebAssembly.Module | undefined;

/** Whether this engine has WebAssembly with 128-bit SIMD. */
export const simdSupported = (): boolean =>
  typeof WebAssembly === 'object' && WebAssembly.validate(kernelBytes());

const kernelBytes = (): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(KERNELS_BASE64), (character) => character.charCodeAt(0));

/** Binds the kernels to `memory`; compiled once in each context. */
export const loadKernels = (memory: WebAssembly.Memory): Kernels => {
  compiled ??= new WebAssembly.Module(kernelBytes());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports as unknown as Kernels;
};
