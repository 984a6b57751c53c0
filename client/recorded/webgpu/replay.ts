/**
 * @module A plan prepared for a WebGPU device: its pipelines, its buffers, and the bind groups,
 * which are made again when the session replaces a buffer that they bind.
 */
import type { Plan } from '../plan.ts';
import { type SessionBuffers, padded } from './buffers.ts';
import { type TileFor, compile } from './compile.ts';
import type { GpuDevice } from './device.ts';
import { type Kernel, gridFor } from './shader.ts';
import { batchCode, drawCode, stepped, trailCode } from './step-kernels.ts';

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

type Slot = 'read' | 'write' | 'step';

export interface ReplayInit {
  readonly plan: Plan;
  /** Of the batches. */
  readonly size: number;
  /** Of the model, for one example. */
  readonly outputs: number;
  readonly tileFor: TileFor;
  /** Leaves out kernels, for measurements. */
  readonly only: (kernel: Kernel) => boolean;
}

/** A kernel to launch, with the buffers that it binds now. */
interface Maker {
  readonly kernel: Kernel;
  readonly slots: readonly Slot[];
  bound(): readonly GPUBuffer[];
}

const pipelineOf = async (
  device: GPUDevice,
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
  device: GPUDevice,
  layout: GPUBindGroupLayout,
  slots: readonly Slot[],
  bound: readonly GPUBuffer[],
  stepNumbers: GPUBuffer,
): GPUBindGroup =>
  device.createBindGroup({
    layout,
    entries: slots.map((slot, binding) => ({
      binding,
      resource:
        slot === 'step'
          ? { buffer: stepNumbers, size: 16 }
          : { buffer: bound[binding] as GPUBuffer },
    })),
  });

/**
 * The kernels that a step launches, in order. `of` returns the buffer of a place in the plan. An
 * evaluation, which has no learning rate, writes to `noRate`.
 */
const makersOf = (
  session: SessionBuffers,
  { plan, size, outputs, only }: ReplayInit,
  kernels: readonly Kernel[],
  of: (at: number | undefined) => GPUBuffer,
  noRate: GPUBuffer,
): Maker[] => {
  const width = (plan.buffers[plan.features] ?? 0) / size;
  const targets = plan.targets === undefined ? 1 : (plan.buffers[plan.targets] ?? 0) / size;
  const count = size * outputs;
  return [
    {
      kernel: stepped('batch', batchCode(size, width, targets), gridFor(size * width)),
      slots: ['write', 'write', 'write', 'read', 'read', 'read', 'step'] as Slot[],
      bound: () => [
        of(plan.features),
        of(plan.targets),
        plan.learningRate === undefined ? noRate : of(plan.learningRate),
        session.growing.features,
        session.growing.labels,
        session.growing.order,
      ],
    },
    ...plan.draws.map((draw, i) => ({
      kernel: stepped('draws', drawCode(draw.size), gridFor(draw.size)),
      slots: ['write', 'read', 'step'] as Slot[],
      bound: () => [of(draw.buffer), session.growDraw(i, draw.size)],
    })),
    ...kernels.map((kernel) => ({
      kernel,
      slots: kernel.buffers.map((_, i): Slot => (i === 0 ? 'write' : 'read')),
      bound: () => kernel.buffers.map(of),
    })),
    {
      kernel: stepped('trail', trailCode(count, outputs), gridFor(count)),
      slots: ['write', 'read', 'step'] as Slot[],
      bound: () => [session.growing.trail, of(plan.prediction)],
    },
  ].filter(({ kernel }) => only(kernel));
};

/** Compiles a plan and binds it to the session's buffers. */
export const createReplay = async (
  gpu: GpuDevice,
  session: SessionBuffers,
  init: ReplayInit,
): Promise<Replay> => {
  const { plan, size, tileFor } = init;
  const compiled = compile(plan, tileFor);
  const buffers: GPUBuffer[] = [];
  for (const [i, value] of plan.weights.entries()) buffers[value] = session.weights[i] as GPUBuffer;
  for (const [i, value] of plan.state.entries()) buffers[value] = session.state[i] as GPUBuffer;
  for (const [at, floats] of compiled.buffers.entries())
    buffers[at] ??= session.make(padded(floats));
  for (const { buffer, data } of plan.constants)
    gpu.device.queue.writeBuffer(
      buffers[buffer] as GPUBuffer,
      0,
      data as Float32Array<ArrayBuffer>,
    );
  // An evaluation has no targets and no learning rate: what would be written there goes nowhere.
  const nowhere = { targets: session.make(padded(size)), rate: session.make(16) };
  const own = [
    ...buffers.filter(
      (buffer) => !session.weights.includes(buffer) && !session.state.includes(buffer),
    ),
    nowhere.targets,
    nowhere.rate,
  ];
  const of = (at: number | undefined): GPUBuffer => buffers[at ?? -1] ?? nowhere.targets;
  const makers = makersOf(session, init, compiled.kernels, of, nowhere.rate);
  const made = await Promise.all(
    makers.map(async ({ kernel, slots }) =>
      pipelineOf(gpu.device, kernel.label, kernel.code, slots),
    ),
  );
  gpu.check();
  let bound: readonly Launch[] = [];
  let boundVersion = -1;
  return {
    size,
    get launches() {
      if (boundVersion === session.version) return bound;
      bound = makers.map((maker, i) => ({
        kernel: maker.kernel,
        pipeline: made[i]?.pipeline as GPUComputePipeline,
        group: groupOf(
          gpu.device,
          made[i]?.layout as GPUBindGroupLayout,
          maker.slots,
          maker.bound(),
          session.stepNumbers,
        ),
      }));
      boundVersion = session.version;
      return bound;
    },
    dispose: () => {
      session.free(own);
    },
  };
};
