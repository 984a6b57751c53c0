/**
 * @module Which engine trains: tfjs-node-gpu or tfjs-node where installed, WebGPU on a real
 * adapter, WebAssembly with Floe's kernels, plain JavaScript, in this order. What was taken and why
 * the others were not is always said; an explicit wish that cannot be met is an error, never
 * another engine.
 */
import type * as NodeModule from 'node:module';
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import { type GpuDevice, isSoftwareAdapter, openGpu } from '../recorded/webgpu/device.ts';
import { borrowKernels } from './borrowed.ts';
import { simdSupported } from './kernels/load.ts';
import { registerKernels } from './kernels/register.ts';

export { isSoftwareAdapter };
export type Tf = typeof Tfjs;
export type BackendName = 'tensorflow' | 'webgpu' | 'wasm' | 'cpu';

/** The order of preference. */
export const BACKENDS: readonly BackendName[] = ['tensorflow', 'webgpu', 'wasm', 'cpu'];

export interface Backend {
  readonly name: BackendName;
  /** One line for the first lines of output. */
  readonly description: string;
  readonly tf: Tf;
  /** Of `webgpu`: where recorded steps run. */
  readonly gpu?: GpuDevice;
  /** tfjs's backend, where it has another name: models are built there. */
  readonly eager?: BackendName;
}

export interface BackendReport {
  readonly name: BackendName;
  readonly available: boolean;
  /** What it is, or why it cannot run here. */
  readonly detail: string;
}

export interface BackendOptions {
  /** Default `auto`. */
  readonly prefer?: 'auto' | BackendName;
  /**
   * Browser: the folder (with a slash at its end) that serves the .wasm files of
   * @tensorflow/tfjs-backend-wasm.
   */
  readonly wasmPath?: string;
  /** True takes a program that imitates a GPU too: for tests. Default false. */
  readonly softwareGpu?: boolean;
  /** False leaves tfjs's own kernels in place: for measurements. Default true. */
  readonly ownKernels?: boolean;
}

/** tfjs, without its advertisements in the console and its debug checks. */
const loadTf = async (): Promise<Tf> => {
  const tf = await import('@tensorflow/tfjs');
  tf.enableProdMode();
  return tf;
};

/** A package that may not be installed; the name is a variable so that bundlers leave it alone. */
const importOptional = async (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ name) as Promise<unknown>;

const firstLine = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0] ?? 'unknown reason';

/** Node's built-in module, or undefined in a browser. */
const builtin = (name: string): unknown =>
  typeof process === 'object' && typeof process.getBuiltinModule === 'function'
    ? process.getBuiltinModule(name)
    : undefined;

/** Thrown inside `start`: this backend cannot run, and why. */
class Unavailable extends Error {}

interface Started {
  readonly description: string;
  readonly gpu?: GpuDevice;
  readonly eager?: 'wasm' | 'cpu';
}

type Start = (tf: Tf, options: BackendOptions) => Promise<Started>;

const activate = async (tf: Tf, name: string): Promise<void> => {
  if (!(await tf.setBackend(name))) throw new Unavailable(`tfjs could not start ${name}`);
  await tf.ready();
};

/**
 * Makes a backend that has started before tfjs's current one, at once: tfjs has one for the whole
 * process.
 * @throws FloeError `backend_unavailable` when it has not
 */
export const switchBackend = (tf: Tf, name: BackendName): void => {
  if (tf.engine().backendName === name) return;
  // For a backend without asynchronous start, the change is done before the promise is given.
  void tf.setBackend(name);
  if (tf.engine().registry[name] === undefined)
    throw new FloeError('backend_unavailable', `the backend ${name} of tfjs has not started`);
};

const startTensorflow: Start = async (tf) => {
  const util = builtin('node:util') as Record<string, unknown> | undefined;
  if (util === undefined) throw new Unavailable('needs Node');
  // tfjs-node 4.22.0 calls a function that Node 23 removed.
  util['isNullOrUndefined'] ??= (value: unknown): boolean => value === undefined || value === null;
  const reasons: string[] = [];
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      // Each is tried in turn; the second registers the same backend as the first.
      // oxlint-disable-next-line no-await-in-loop
      await importOptional(name);
      // oxlint-disable-next-line no-await-in-loop
      await activate(tf, 'tensorflow');
      return { description: `native TensorFlow (${name})` };
    } catch (thrown) {
      const missing = (thrown as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
      reasons.push(`${name}: ${missing ? 'not installed' : firstLine(thrown)}`);
    }
  }
  throw new Unavailable(reasons.join('; '));
};

/** One device for the process: its adapter and shaders are slow to make. */
let opened: Promise<GpuDevice> | undefined;

/**
 * Steps run on the GPU; models are built, and what cannot be recorded trains, on wasm or else in
 * plain JavaScript.
 */
const startWebgpu: Start = async (tf, options) => {
  let gpu: GpuDevice;
  try {
    opened ??= openGpu({ software: true });
    gpu = await opened;
    if (!gpu.alive()) {
      opened = openGpu({ software: true });
      gpu = await opened;
    }
  } catch (thrown) {
    opened = undefined;
    throw new Unavailable(firstLine(thrown), { cause: thrown });
  }
  if (gpu.software && options.softwareGpu !== true)
    throw new Unavailable(`${gpu.name} is a software adapter`);
  const description = `WebGPU on ${gpu.name}`;
  try {
    await startWasm(tf, options);
    return { description, gpu, eager: 'wasm' };
  } catch (thrown) {
    if (!(thrown instanceof Unavailable)) throw thrown;
    await startCpu(tf, options);
    return { description, gpu, eager: 'cpu' };
  }
};

let restorePublished: (() => void) | undefined;

const startWasm: Start = async (tf, options) => {
  if (!simdSupported()) throw new Unavailable('no WebAssembly SIMD');
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  const node = builtin('node:module') as Pick<typeof NodeModule, 'createRequire'> | undefined;
  if (options.wasmPath !== undefined) {
    wasm.setWasmPaths(options.wasmPath);
  } else if (node !== undefined) {
    const entry = node.createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    wasm.setWasmPaths(entry.replace(/[^/\\]*$/u, ''));
  }
  // Threads need a shared memory and gain little here; one worker per participant scales better.
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  await activate(tf, 'wasm');
  if (options.ownKernels === false) {
    restorePublished?.();
    restorePublished = undefined;
    return { description: 'WebAssembly with the kernels of tfjs' };
  }
  restorePublished ??= registerKernels(tf);
  borrowKernels(tf, 'wasm');
  return { description: "WebAssembly SIMD with Floe's kernels" };
};

const startCpu: Start = async (tf) => {
  await activate(tf, 'cpu');
  return { description: 'plain JavaScript (slow)' };
};

const START: Readonly<Record<BackendName, Start>> = {
  tensorflow: startTensorflow,
  webgpu: startWebgpu,
  wasm: startWasm,
  cpu: startCpu,
};

const attempt = async (
  name: BackendName,
  tf: Tf,
  options: BackendOptions,
): Promise<BackendReport & { readonly started?: Started }> => {
  try {
    const started = await START[name](tf, options);
    return { name, available: true, detail: started.description, started };
  } catch (thrown) {
    return { name, available: false, detail: firstLine(thrown) };
  }
};

/**
 * Starts the wanted backend, or with `auto` the first that runs here, and makes it tfjs's current
 * one.
 * @throws FloeError `backend_unavailable` with the reason
 */
export const selectBackend = async (options: BackendOptions = {}): Promise<Backend> => {
  const tf = await loadTf();
  const { prefer = 'auto' } = options;
  const skipped: string[] = [];
  for (const name of prefer === 'auto' ? BACKENDS : [prefer]) {
    // In order: the first that starts is taken.
    // oxlint-disable-next-line no-await-in-loop
    const { detail, started } = await attempt(name, tf, options);
    if (started !== undefined) {
      const why = skipped.length === 0 ? '' : `; not ${skipped.join(', not ')}`;
      return { ...started, name, description: `${name}: ${detail}${why}`, tf };
    }
    skipped.push(`${name} (${detail})`);
  }
  throw new FloeError('backend_unavailable', `cannot train here with ${skipped.join(', ')}`);
};

/** Tries every backend, for `floe doctor`; tfjs's current backend is afterwards the one before. */
export const listBackends = async (
  options: Omit<BackendOptions, 'prefer'> = {},
): Promise<readonly BackendReport[]> => {
  const tf = await loadTf();
  const before = tf.engine().backendName;
  const reports: BackendReport[] = [];
  // One after the other: tfjs has one current backend.
  // oxlint-disable-next-line no-await-in-loop
  for (const name of BACKENDS) {
    // oxlint-disable-next-line no-await-in-loop
    const { available, detail } = await attempt(name, tf, options);
    reports.push({ name, available, detail });
  }
  if (before) await tf.setBackend(before);
  return reports;
};
