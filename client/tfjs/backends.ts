/**
 * @module The backends that train: tfjs-node-gpu or tfjs-node if installed or built (`floe setup
 * native`), WebGPU on a real adapter, ONNX Runtime if installed, WebAssembly with Floe's kernels,
 * plain JavaScript. The chosen backend, and the reasons against the others, are always reported. If
 * an explicitly requested backend cannot run, that is an error; no other backend replaces it.
 */
import type * as NodeModule from 'node:module';
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import { type GpuDevice, isSoftwareAdapter, openGpu } from '../recorded/webgpu/device.ts';
import { findBuilt, loadAddon, mendUtil, prepareTensorflow } from '../native/built.ts';
import type { OnnxRuntime } from '../recorded/onnx/session.ts';
import { simdSupported } from './kernels/load.ts';
import { registerKernels } from './kernels/register.ts';
import { keepListeners, withoutListeners } from './process-listeners.ts';

export { isSoftwareAdapter };
export type Tf = typeof Tfjs;
export type BackendName = 'tensorflow' | 'webgpu' | 'onnx' | 'wasm' | 'cpu';

/**
 * `auto`: those that give the same result on every machine. `fastest`: a GPU, else the fastest on
 * this processor for the model.
 */
export type BackendChoice = 'auto' | 'fastest' | BackendName;

/** All of them. */
export const BACKENDS: readonly BackendName[] = ['tensorflow', 'webgpu', 'onnx', 'wasm', 'cpu'];

export interface Backend {
  readonly name: BackendName;
  /** One line for the first lines of output. */
  readonly description: string;
  readonly tf: Tf;
  /** Of `webgpu`: where recorded steps run. */
  readonly gpu?: GpuDevice;
  /** Of `onnx`: what runs recorded steps. */
  readonly onnx?: OnnxRuntime;
  /** tfjs's backend, where it has another name: models are built there. */
  readonly eager?: BackendName;
}

export interface BackendReport {
  readonly name: BackendName;
  readonly available: boolean;
  /** A description, or the reason why it cannot run here. */
  readonly detail: string;
}

export interface BackendOptions {
  /** Default `auto`. */
  readonly prefer?: BackendChoice;
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
  readonly onnx?: OnnxRuntime;
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

/** The addon of `floe setup native`; undefined where there is none. @throws Error why not */
const startBuilt = async (tf: Tf): Promise<string | undefined> => {
  const found = findBuilt();
  if (found.type === 'absent') return undefined;
  if (found.type === 'refused') throw new Error(found.reason);
  const { folder, record } = found.built;
  loadAddon(tf, folder, record.tfjs);
  await activate(tf, 'tensorflow');
  return `native TensorFlow ${record.tensorflow} (floe setup native)`;
};

const startTensorflow: Start = async (tf) => {
  if (builtin('node:util') === undefined) throw new Unavailable('needs Node');
  mendUtil();
  prepareTensorflow();
  const reasons: string[] = [];
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      // Each is tried in turn; the second registers the same backend as the first.
      await importOptional(name);
      await activate(tf, 'tensorflow');
      return { description: `native TensorFlow (${name})` };
    } catch (thrown) {
      const missing = (thrown as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
      reasons.push(`${name}: ${missing ? 'not installed' : firstLine(thrown)}`);
    }
  }
  try {
    const description = await startBuilt(tf);
    if (description !== undefined) return { description };
    reasons.push('floe setup native: not built');
  } catch (thrown) {
    reasons.push(`floe setup native: ${firstLine(thrown)}`);
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
  return { description: `WebGPU on ${gpu.name}`, gpu, eager: await startEager(tf, options) };
};

/** tfjs's backend, in addition to an engine of recorded steps. */
const startEager = async (tf: Tf, options: BackendOptions): Promise<'wasm' | 'cpu'> => {
  try {
    await startWasm(tf, options);
    return 'wasm';
  } catch (thrown) {
    if (!(thrown instanceof Unavailable)) throw thrown;
    await startCpu(tf, options);
    return 'cpu';
  }
};

/** Steps run on ONNX Runtime; models are built, and what cannot be recorded trains, as on a GPU. */
const startOnnx: Start = async (tf, options) => {
  if (builtin('node:module') === undefined) throw new Unavailable('needs Node');
  let onnx: OnnxRuntime;
  try {
    const loaded = (await importOptional('onnxruntime-node')) as { default?: OnnxRuntime };
    onnx = loaded.default ?? (loaded as OnnxRuntime);
  } catch (thrown) {
    const missing = (thrown as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND';
    const reason = missing ? 'onnxruntime-node: not installed' : firstLine(thrown);
    throw new Unavailable(reason, { cause: thrown });
  }
  const description = `ONNX Runtime ${onnx.env.versions['node'] ?? ''} on one thread`;
  return { description, onnx, eager: await startEager(tf, options) };
};

let restorePublished: (() => void) | undefined;

/** Why wasm has not started: tfjs does not try again, and gives another reason if it is asked. */
let wasmFailure: string | undefined;

const startWasm: Start = async (tf, options) => {
  if (!simdSupported()) throw new Unavailable('no WebAssembly SIMD');
  if (wasmFailure !== undefined) throw new Unavailable(wasmFailure);
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
  const isNew = tf.engine().registry['wasm'] === undefined;
  try {
    await withoutListeners(() => activate(tf, 'wasm'));
  } catch (thrown) {
    wasmFailure = `${firstLine(thrown)}; it is not tried again before a restart`;
    throw thrown;
  }
  if (isNew) keepListeners(tf.backend());
  if (options.ownKernels === false) {
    restorePublished?.();
    restorePublished = undefined;
    return { description: 'WebAssembly with the kernels of tfjs' };
  }
  restorePublished ??= registerKernels(tf);
  return { description: "WebAssembly SIMD with Floe's kernels" };
};

const startCpu: Start = async (tf) => {
  await activate(tf, 'cpu');
  return { description: 'plain JavaScript (slow)' };
};

const START: Readonly<Record<BackendName, Start>> = {
  tensorflow: startTensorflow,
  webgpu: startWebgpu,
  onnx: startOnnx,
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

/** What starts everywhere, and rounds the same everywhere. */
export const SAME_EVERYWHERE: readonly BackendName[] = ['wasm', 'cpu'];

/** Whether tfjs-node found a device for CUDA. */
const usesCuda = (tf: Tf): boolean =>
  (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;

export interface Candidates {
  /** At least one; models are built on the first. */
  readonly backends: readonly Backend[];
  /** The others of those that were tried, and why they do not run here. */
  readonly skipped: readonly string[];
}

/**
 * For `fastest`: tfjs-node-gpu on a GPU, else WebGPU on a real adapter, else all that run on the
 * processor; plain JavaScript only where WebAssembly does not run.
 */
const startFastest = async (tf: Tf, options: BackendOptions): Promise<Candidates> => {
  const skipped: string[] = [];
  const start = async (name: BackendName): Promise<Backend | undefined> => {
    const { detail, started } = await attempt(name, tf, options);
    if (started !== undefined) return { ...started, name, description: `${name}: ${detail}`, tf };
    skipped.push(`${name} (${detail})`);
    return undefined;
  };
  const native = await start('tensorflow');
  if (native !== undefined && usesCuda(tf)) return { backends: [native], skipped };
  const gpu = await start('webgpu');
  if (gpu !== undefined) return { backends: [gpu], skipped };
  const onnx = await start('onnx');
  const own = (await start('wasm')) ?? (await start('cpu'));
  const backends = [own, onnx, native].filter((backend) => backend !== undefined);
  return { backends, skipped };
};

/**
 * The backends that may train: the wanted one, with `auto` the first that runs here, with `fastest`
 * those to choose from. The first is made tfjs's current one.
 * @throws FloeError `backend_unavailable` with the reason
 */
export const openBackends = async (options: BackendOptions = {}): Promise<Candidates> => {
  const { prefer = 'auto' } = options;
  if (prefer !== 'fastest') return { backends: [await selectBackend(options)], skipped: [] };
  const tf = await loadTf();
  const candidates = await startFastest(tf, options);
  const [first] = candidates.backends;
  if (first === undefined)
    throw new FloeError(
      'backend_unavailable',
      `cannot train here with ${candidates.skipped.join(', ')}`,
    );
  switchBackend(tf, first.eager ?? first.name);
  return candidates;
};

/**
 * Starts the wanted backend, with `auto` the first of wasm and cpu that runs here, with `fastest`
 * the first that may be, and makes it tfjs's current one.
 * @throws FloeError `backend_unavailable` with the reason
 */
export const selectBackend = async (options: BackendOptions = {}): Promise<Backend> => {
  const { prefer = 'auto' } = options;
  if (prefer === 'fastest') return (await openBackends(options)).backends[0] as Backend;
  const tf = await loadTf();
  const skipped: string[] = [];
  for (const name of prefer === 'auto' ? SAME_EVERYWHERE : [prefer]) {
    // In order: the first that starts is taken.
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
  for (const name of BACKENDS) {
    const { available, detail } = await attempt(name, tf, options);
    reports.push({ name, available, detail });
  }
  if (before) await tf.setBackend(before);
  return reports;
};
