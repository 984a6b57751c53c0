/**
 * @module The buffers of one session on a WebGPU device. Those of examples, orders and random
 * numbers are replaced by larger ones as needed; `version` tells replays when to bind anew.
 */
import { FloeError } from '../../../protocol/errors.ts';
import { CHUNK, STEP_BYTES } from './step-kernels.ts';

/** How many floats the tensors of a model hold; `outputs` is for one example. */
export interface Sizes {
  readonly weights: readonly number[];
  readonly state: readonly number[];
  readonly outputs: number;
}

/** Buffers that replays bind and that may be replaced by larger ones. */
interface Growing {
  features: GPUBuffer;
  labels: GPUBuffer;
  order: GPUBuffer;
  trail: GPUBuffer;
}

export interface SessionBuffers {
  readonly weights: readonly GPUBuffer[];
  readonly state: readonly GPUBuffer[];
  /** The numbers of each step of a submission. */
  readonly stepNumbers: GPUBuffer;
  readonly growing: Readonly<Growing>;
  /** The random numbers of a submission, by draw. */
  readonly draws: readonly GPUBuffer[];
  /** Counts the buffers that were replaced. */
  readonly version: number;
  /**
   * Makes a storage buffer.
   * @throws FloeError trainer_failed when the GPU cannot bind so large a buffer
   */
  make(bytes: number): GPUBuffer;
  grow(name: keyof Growing, floats: number): GPUBuffer;
  /** The buffer of draw `i`, with room for `floats` numbers in each step. */
  growDraw(i: number, floats: number): GPUBuffer;
  free(buffers: readonly GPUBuffer[]): void;
  dispose(): void;
}

/** Bytes of a buffer for so many floats. */
export const padded = (floats: number): number => Math.max(4, Math.ceil(floats / 4) * 4) * 4;

/** Buffers for a model of these sizes. */
export const createBuffers = (device: GPUDevice, sizes: Sizes): SessionBuffers => {
  const { STORAGE, COPY_DST, COPY_SRC, UNIFORM } = GPUBufferUsage;
  const owned = new Set<GPUBuffer>();
  const make = (bytes: number, usage = STORAGE | COPY_DST | COPY_SRC): GPUBuffer => {
    const limit =
      usage === (UNIFORM | COPY_DST) ? bytes : device.limits.maxStorageBufferBindingSize;
    if (bytes > limit)
      throw new FloeError('trainer_failed', `a buffer of ${bytes} bytes; the GPU binds ${limit}`);
    const buffer = device.createBuffer({ size: bytes, usage });
    owned.add(buffer);
    return buffer;
  };
  const weights = sizes.weights.map((size) => make(padded(size)));
  const state = sizes.state.map((size) => make(padded(size)));
  const stepNumbers = make(CHUNK * STEP_BYTES, UNIFORM | COPY_DST);
  const growing: Growing = {
    features: make(16),
    labels: make(16),
    order: make(16),
    trail: make(16),
  };
  const draws: GPUBuffer[] = [];
  let version = 0;
  const free = (buffers: readonly GPUBuffer[]): void => {
    for (const buffer of buffers) {
      owned.delete(buffer);
      buffer.destroy();
    }
  };
  return {
    weights,
    state,
    stepNumbers,
    growing,
    draws,
    get version() {
      return version;
    },
    make: (bytes) => make(bytes),
    grow: (name, floats) => {
      if (growing[name].size < padded(floats)) {
        const old = growing[name];
        growing[name] = make(padded(floats));
        free([old]);
        version++;
      }
      return growing[name];
    },
    growDraw: (i, floats) => {
      const bytes = padded(floats * CHUNK);
      if ((draws[i]?.size ?? 0) < bytes) {
        draws[i] = make(bytes);
        version++;
      }
      return draws[i] as GPUBuffer;
    },
    free,
    dispose: () => {
      for (const buffer of owned) buffer.destroy();
      owned.clear();
    },
  };
};
