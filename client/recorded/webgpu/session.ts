/**
 * @module Runs planned steps on a WebGPU device. Weights and the participant's examples stay on it; a round is a list of
 * steps, submitted many at a time, and one read-back of the weights and of the outputs that the last epoch gave.
 */
import { FloeError } from '../../../protocol/errors.ts';
import type { Plan } from '../plan.ts';
import { type TileFor, compile, tileByRule } from './compile.ts';
import type { GpuDevice } from './device.ts';
import { type Kernel, gridFor, invocation } from './shader.ts';

/** Bytes between the numbers of one step and the next: the largest alignment a device may ask for. */
const STEP_BYTES = 256;
/** Steps in one submission. */
const CHUNK = 64;

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

interface Launch {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

/** A plan on the device; runs for batches of one size. */
export interface Replay {
  readonly size: number;
  readonly launches: readonly Launch[];
  /** Frees the buffers that are this replay's alone. */
  dispose(): void;
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
  /** Sets the weights, and the optimiser's state to zero. */
  load(flat: Float32Array): void;
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

const STEP_STRUCT = `struct Step { start: u32, trail: u32, rate: f32, draw: u32 }
`;

interface Sizes {
  readonly weights: readonly number[];
  readonly state: readonly number[];
  readonly outputs: number;
}

/** Copies one batch, its targets and the learning rate to where the plan reads them. */
const batchCode = (size: number, width: number, targets: number): string => `${STEP_STRUCT}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> rate: array<f32>;
@group(0) @binding(3) var<storage, read> features: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<f32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<uniform> step: Step;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) lid: vec3u) {
${invocation(gridFor(size * width), size * width)}  let row = i / ${width}u;
  x[i] = features[order[step.start + row] * ${width}u + i % ${width}u];
  if (i == 0u) { rate[0] = step.rate; }
  for (var j = i; j < ${size * targets}u; j += ${size * width}u) {
    y[j] = labels[order[step.start + j / ${targets}u] * ${targets}u + j % ${targets}u];
  }
}
`;

/** Copies the outputs of a batch to their place in the trail. */
const trailCode = (count: number, outputs: number): string => `${STEP_STRUCT}
@group(0) @binding(0) var<storage, read_write> trail: array<f32>;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) lid: vec3u) {
${invocation(gridFor(count), count)}  trail[step.trail * ${outputs}u + i] = prediction[i];
}
`;

/** Copies a step's random numbers out of the submission's. */
const drawCode = (count: number): string => `${STEP_STRUCT}
@group(0) @binding(0) var<storage, read_write> to: array<f32>;
@group(0) @binding(1) var<storage, read> draws: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) lid: vec3u) {
${invocation(gridFor(count), count)}  to[i] = draws[step.draw * ${count}u + i];
}
`;

const padded = (floats: number): number => Math.max(4, Math.ceil(floats / 4) * 4) * 4;

type Slot = 'read' | 'write' | 'step';

/** A session for models of these sizes. Buffers of examples and orders grow as they are needed. */
export const createSession = (gpu: GpuDevice, sizes: Sizes): Session => {
  const { device } = gpu;
  const { STORAGE, COPY_DST, COPY_SRC, UNIFORM, MAP_READ } = GPUBufferUsage;
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
  /** Buffers that replays bind and that may be replaced by larger ones. */
  const growing = { features: make(16), labels: make(16), order: make(16), trail: make(16) };
  let version = 0;
  let trailFloats = 0;
  const grow = (name: keyof typeof growing, floats: number): GPUBuffer => {
    if (growing[name].size < padded(floats)) {
      const old = growing[name];
      growing[name] = make(padded(floats));
      owned.delete(old);
      old.destroy();
      version++;
    }
    return growing[name];
  };

  const write = (name: keyof typeof growing, data: Float32Array | Uint32Array): void => {
    device.queue.writeBuffer(grow(name, data.length), 0, data as Float32Array<ArrayBuffer>);
  };

  const pipelineOf = async (
    label: string,
    code: string,
    slots: readonly Slot[],
  ): Promise<{ pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }> => {
    const layout = device.createBindGroupLayout({
      entries: slots.map((slot, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer:
          slot === 'step'
            ? { type: 'uniform', hasDynamicOffset: true }
            : { type: slot === 'write' ? 'storage' : 'read-only-storage' },
      })),
    });
    const pipeline = await device.createComputePipelineAsync({
      label,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
    });
    return { pipeline, layout };
  };
  const groupOf = (
    layout: GPUBindGroupLayout,
    slots: readonly Slot[],
    buffers: readonly GPUBuffer[],
  ): GPUBindGroup =>
    device.createBindGroup({
      layout,
      entries: slots.map((slot, binding) => ({
        binding,
        resource:
          slot === 'step'
            ? { buffer: stepNumbers, size: 16 }
            : { buffer: buffers[binding] as GPUBuffer },
      })),
    });

  const prepare = async (
    plan: Plan,
    size: number,
    tileFor: TileFor = tileByRule(device.limits),
    only: (kernel: Kernel) => boolean = () => true,
  ): Promise<Replay> => {
    const compiled = compile(plan, tileFor);
    const buffers: GPUBuffer[] = [];
    for (const [i, value] of plan.weights.entries()) buffers[value] = weights[i] as GPUBuffer;
    for (const [i, value] of plan.state.entries()) buffers[value] = state[i] as GPUBuffer;
    for (const [at, floats] of compiled.buffers.entries()) buffers[at] ??= make(padded(floats));
    for (const { buffer, data } of plan.constants)
      device.queue.writeBuffer(buffers[buffer] as GPUBuffer, 0, data as Float32Array<ArrayBuffer>);
    // An evaluation has no targets and no learning rate: what would be written there goes nowhere.
    const nowhere = { targets: make(padded(size)), rate: make(16) };
    const own = [
      ...buffers.filter((buffer) => !weights.includes(buffer) && !state.includes(buffer)),
      nowhere.targets,
      nowhere.rate,
    ];
    const of = (at: number | undefined): GPUBuffer => buffers[at ?? -1] ?? nowhere.targets;
    const width = (plan.buffers[plan.features] ?? 0) / size;
    const targets = plan.targets === undefined ? 1 : (plan.buffers[plan.targets] ?? 0) / size;
    const count = size * sizes.outputs;
    const makers = [
      {
        kernel: special('batch', batchCode(size, width, targets), gridFor(size * width)),
        slots: ['write', 'write', 'write', 'read', 'read', 'read', 'step'] as Slot[],
        bound: () => [
          of(plan.features),
          of(plan.targets),
          plan.learningRate === undefined ? nowhere.rate : of(plan.learningRate),
          growing.features,
          growing.labels,
          growing.order,
        ],
      },
      ...plan.draws.map((draw, i) => ({
        kernel: special('draws', drawCode(draw.size), gridFor(draw.size)),
        slots: ['write', 'read', 'step'] as Slot[],
        bound: () => [of(draw.buffer), drawBuffer(i, draw.size)],
      })),
      ...compiled.kernels.map((kernel) => ({
        kernel,
        slots: kernel.buffers.map((_, i): Slot => (i === 0 ? 'write' : 'read')),
        bound: () => kernel.buffers.map(of),
      })),
      {
        kernel: special('trail', trailCode(count, sizes.outputs), gridFor(count)),
        slots: ['write', 'read', 'step'] as Slot[],
        bound: () => [growing.trail, of(plan.prediction)],
      },
    ].filter(({ kernel }) => only(kernel));
    const made = await Promise.all(
      makers.map(async ({ kernel, slots }) => pipelineOf(kernel.label, kernel.code, slots)),
    );
    gpu.check();
    let bound: readonly Launch[] = [];
    let boundVersion = -1;
    return {
      size,
      get launches() {
        if (boundVersion === version) return bound;
        bound = makers.map((maker, i) => ({
          kernel: maker.kernel,
          pipeline: made[i]?.pipeline as GPUComputePipeline,
          group: groupOf(made[i]?.layout as GPUBindGroupLayout, maker.slots, maker.bound()),
        }));
        boundVersion = version;
        return bound;
      },
      dispose: () => {
        for (const buffer of own) {
          owned.delete(buffer);
          buffer.destroy();
        }
      },
    };
  };

  const draws: GPUBuffer[] = [];
  const drawBuffer = (i: number, floats: number): GPUBuffer => {
    const bytes = padded(floats * CHUNK);
    if ((draws[i]?.size ?? 0) < bytes) {
      draws[i] = make(bytes);
      version++;
    }
    return draws[i] as GPUBuffer;
  };

  const submit = (replay: Replay, steps: readonly Step[]): void => {
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

  const read = async (
    parts: readonly { readonly buffer: GPUBuffer; readonly floats: number }[],
  ): Promise<Float32Array> => {
    const total = parts.reduce((sum, { floats }) => sum + floats, 0);
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

  return {
    gpu,
    prepare,
    load: (flat) => {
      let at = 0;
      for (const [i, buffer] of weights.entries()) {
        const size = sizes.weights[i] ?? 0;
        device.queue.writeBuffer(buffer, 0, flat as Float32Array<ArrayBuffer>, at, size);
        at += size;
      }
      const encoder = device.createCommandEncoder();
      for (const buffer of state) encoder.clearBuffer(buffer);
      device.queue.submit([encoder.finish()]);
    },
    setExamples: ({ features, targets, size }) => {
      write('features', features);
      write('labels', targets);
      trailFloats = size * sizes.outputs;
      grow('trail', trailFloats);
    },
    setOrder: (order) => {
      write('order', order);
    },
    run: (replay, steps) => {
      for (let at = 0; at < steps.length; at += CHUNK) submit(replay, steps.slice(at, at + CHUNK));
    },
    finished: async () => {
      await device.queue.onSubmittedWorkDone();
      gpu.check();
    },
    readWeights: async () =>
      read(weights.map((buffer, i) => ({ buffer, floats: sizes.weights[i] ?? 0 }))),
    readTrail: async () => read([{ buffer: growing.trail, floats: trailFloats }]),
    dispose: () => {
      for (const buffer of owned) buffer.destroy();
      owned.clear();
    },
  };
};

const special = (label: string, code: string, workgroups: [number, number, number]): Kernel => ({
  label,
  code,
  buffers: [],
  workgroups,
  stepped: true,
});
