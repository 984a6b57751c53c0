/**
 * @module Runs planned steps on a WebGPU device. Weights and the participant's examples stay on it;
 * a round is a list of steps, submitted many at a time, and one read-back of the weights and of the
 * outputs that the last epoch gave.
 */
import type { Plan } from '../plan.ts';
import { type SessionBuffers, type Sizes, createBuffers, padded } from './buffers.ts';
import { type TileFor, tileByRule } from './compile.ts';
import type { GpuDevice } from './device.ts';
import { type Replay, createReplay } from './replay.ts';
import type { Kernel } from './shader.ts';
import { CHUNK, STEP_BYTES } from './step-kernels.ts';

export interface Examples {
  readonly features: Float32Array;
  /** One-hot for classes. */
  readonly targets: Float32Array;
  readonly size: number;
}

export interface Step {
  /** Where its batch begins in the order, and where its outputs go. */
  readonly start: number;
  readonly trail: number;
  readonly learningRate: number;
  /** One array for each of the plan's draws. */
  readonly draws: readonly Float32Array[];
}

export interface Session {
  readonly gpu: GpuDevice;
  /** `only` leaves out kernels, for measurements. */
  prepare(
    plan: Plan,
    size: number,
    tileFor?: TileFor,
    only?: (kernel: Kernel) => boolean,
  ): Promise<Replay>;
  /**
   * Sets the weights, and the optimiser's state: to the vectors that are given, in its order, and
   * the rest to zero.
   */
  load(flat: Float32Array, state?: readonly Float32Array[]): void;
  setExamples(examples: Examples): void;
  /** The order in which steps take the examples. */
  setOrder(order: Uint32Array): void;
  /** Submits steps; wait with `finished`. */
  run(replay: Replay, steps: readonly Step[]): void;
  finished(): Promise<void>;
  readWeights(): Promise<Float32Array>;
  /** Outputs of the examples in the order of their trails. */
  readTrail(): Promise<Float32Array>;
  dispose(): void;
}

/** Submits at most `CHUNK` steps. */
const submit = (
  device: GPUDevice,
  { draws, stepNumbers }: SessionBuffers,
  replay: Replay,
  steps: readonly Step[],
): void => {
  const { launches } = replay;
  const numbers = new ArrayBuffer(steps.length * STEP_BYTES);
  const words = new Uint32Array(numbers);
  const floats = new Float32Array(numbers);
  for (const [i, step] of steps.entries()) {
    const at = (i * STEP_BYTES) / 4;
    words.set([step.start, step.trail, 0, i], at);
    floats[at + 2] = step.learningRate;
    for (const [d, values] of step.draws.entries())
      device.queue.writeBuffer(
        draws[d] as GPUBuffer,
        i * values.byteLength,
        values as Float32Array<ArrayBuffer>,
      );
  }
  device.queue.writeBuffer(stepNumbers, 0, numbers);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const i of steps.keys())
    for (const { kernel, pipeline, group } of launches) {
      pass.setPipeline(pipeline);
      if (kernel.stepped === true) pass.setBindGroup(0, group, [i * STEP_BYTES]);
      else pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...kernel.workgroups);
    }
  pass.end();
  device.queue.submit([encoder.finish()]);
};

/** Reads buffers back, one after the other. */
const read = async (
  gpu: GpuDevice,
  parts: readonly { readonly buffer: GPUBuffer; readonly floats: number }[],
): Promise<Float32Array> => {
  const total = parts.reduce((sum, { floats }) => sum + floats, 0);
  const { device } = gpu;
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = device.createBuffer({ size: padded(total), usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  let at = 0;
  for (const { buffer, floats } of parts) {
    encoder.copyBufferToBuffer(buffer, 0, staging, at * 4, floats * 4);
    at += floats;
  }
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0, total * 4));
  staging.destroy();
  gpu.check();
  return values;
};

/** A session for models of these sizes. Buffers of examples and orders grow as they are needed. */
export const createSession = (gpu: GpuDevice, sizes: Sizes): Session => {
  const { device } = gpu;
  const buffers = createBuffers(device, sizes);
  let trailFloats = 0;
  const write = (name: 'features' | 'labels' | 'order', data: Float32Array | Uint32Array): void => {
    device.queue.writeBuffer(buffers.grow(name, data.length), 0, data as Float32Array<ArrayBuffer>);
  };
  return {
    gpu,
    prepare: async (plan, size, tileFor = tileByRule(device.limits), only = () => true) =>
      createReplay(gpu, buffers, { plan, size, outputs: sizes.outputs, tileFor, only }),
    load: (flat, state = []) => {
      let at = 0;
      for (const [i, buffer] of buffers.weights.entries()) {
        const size = sizes.weights[i] ?? 0;
        device.queue.writeBuffer(buffer, 0, flat as Float32Array<ArrayBuffer>, at, size);
        at += size;
      }
      const encoder = device.createCommandEncoder();
      for (const buffer of buffers.state.slice(state.length)) encoder.clearBuffer(buffer);
      device.queue.submit([encoder.finish()]);
      for (const [i, values] of state.entries())
        device.queue.writeBuffer(
          buffers.state[i] as GPUBuffer,
          0,
          values as Float32Array<ArrayBuffer>,
        );
    },
    setExamples: ({ features, targets, size }) => {
      write('features', features);
      write('labels', targets);
      trailFloats = size * sizes.outputs;
      buffers.grow('trail', trailFloats);
    },
    setOrder: (order) => {
      write('order', order);
    },
    run: (replay, steps) => {
      for (let at = 0; at < steps.length; at += CHUNK)
        submit(device, buffers, replay, steps.slice(at, at + CHUNK));
    },
    finished: async () => {
      await device.queue.onSubmittedWorkDone();
      gpu.check();
    },
    readWeights: async () =>
      read(
        gpu,
        buffers.weights.map((buffer, i) => ({ buffer, floats: sizes.weights[i] ?? 0 })),
      ),
    readTrail: async () => read(gpu, [{ buffer: buffers.growing.trail, floats: trailFloats }]),
    dispose: () => {
      buffers.dispose();
    },
  };
};
