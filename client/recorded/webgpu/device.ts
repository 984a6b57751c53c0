/**
 * @module The machine's GPU through WebGPU: the browser's, or in Node the optional package `webgpu`
 * (Dawn). A software adapter is detected, because it is slower than WebAssembly.
 */
import { FloeError } from '../../../protocol/errors.ts';
import { mayHaveDriver, thisSystem } from './vulkan.ts';

export interface GpuDevice {
  readonly device: GPUDevice;
  readonly name: string;
  readonly software: boolean;
  /** False after the driver has removed the device. */
  alive(): boolean;
  /** Throws `trainer_failed` if the device reported an error since it was last asked. */
  check(): void;
  destroy(): void;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render/iu;

interface AdapterInfo {
  readonly vendor?: string;
  readonly architecture?: string;
  readonly device?: string;
  readonly description?: string;
  readonly isFallbackAdapter?: boolean;
}

/** Whether an adapter is a program that imitates a GPU: slower than wasm. */
export const isSoftwareAdapter = (info: AdapterInfo): boolean =>
  info.isFallbackAdapter === true ||
  SOFTWARE.test([info.vendor, info.architecture, info.device, info.description].join(' '));

/** Browsers leave the description out, so that pages cannot tell machines apart. */
const nameOf = ({ vendor, architecture, device, description }: AdapterInfo): string =>
  description || device || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter';

/** No WebGPU here, and why. */
export class NoGpu extends Error {}

/** A package that may not be installed; the name is a variable so that bundlers leave it alone. */
const importOptional = async (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ name) as Promise<unknown>;

interface Dawn {
  readonly create: (flags: string[]) => GPU;
  readonly globals: object;
}

/** The shaders check their own bounds and fill their own memory: Dawn need not do it again. */
const DAWN_FLAGS = ['enable-dawn-features=disable_robustness,disable_workgroup_init'];

/** Dawn's object must outlive its devices. */
let dawn: GPU | undefined;

/**
 * WebGPU's entry point.
 * @throws NoGpu
 */
export const findGpu = async (flags: readonly string[] = DAWN_FLAGS): Promise<GPU> => {
  const holder = globalThis.navigator as { readonly gpu?: GPU } | undefined;
  if (dawn !== undefined) return dawn;
  if (holder?.gpu !== undefined) return holder.gpu;
  if (typeof process !== 'object' || typeof process.getBuiltinModule !== 'function')
    throw new NoGpu('no navigator.gpu');
  const fs = process.getBuiltinModule('node:fs');
  if (!mayHaveDriver(thisSystem(fs))) throw new NoGpu('no Vulkan driver is installed');
  try {
    const { create, globals } = (await importOptional('webgpu')) as Dawn;
    Object.assign(globalThis, globals);
    dawn = create([...flags]);
    return dawn;
  } catch (thrown) {
    const missing = (thrown as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
    const reason = thrown instanceof Error ? thrown.message.split('\n')[0] : String(thrown);
    throw new NoGpu(missing ? 'package webgpu not installed' : reason, { cause: thrown });
  }
};

/** The limits that are raised above the minimum that WebGPU guarantees. */
const LIMITS = [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/**
 * A device on the fastest adapter.
 * @throws NoGpu without an adapter, or with a software adapter only unless `software` is set
 */
export const openGpu = async (
  options: { readonly software?: boolean; readonly flags?: readonly string[] } = {},
): Promise<GpuDevice> => {
  const gpu = await findGpu(options.flags);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new NoGpu('no WebGPU adapter');
  const { info } = adapter;
  const name = nameOf(info);
  const software = isSoftwareAdapter(info);
  if (software && options.software !== true) throw new NoGpu(`${name} is a software adapter`);
  const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  const device = await adapter.requestDevice({ requiredLimits });
  let failure: string | undefined;
  device.addEventListener('uncapturederror', ({ error }) => {
    failure ??= error.message;
  });
  let closed = false;
  let gone = false;
  const lost = async (): Promise<void> => {
    const { message } = await device.lost;
    gone = true;
    if (!closed) failure ??= `the device is lost: ${message}`;
  };
  void lost();
  return {
    device,
    name,
    software,
    alive: () => !gone,
    check: () => {
      if (failure === undefined) return;
      const message = failure;
      failure = undefined;
      throw new FloeError('trainer_failed', `WebGPU: ${message}`);
    },
    destroy: () => {
      closed = true;
      device.destroy();
    },
  };
};
