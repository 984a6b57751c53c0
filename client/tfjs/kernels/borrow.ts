/**
 * @module Replaces missing kernels of tfjs's wasm backend by those of its plain JavaScript backend:
 * inputs are copied there and outputs back. This is slow but correct. The trainer reports the
 * kernels that were used. Kernels that wasm computes incorrectly are replaced too.
 */
import type * as Tfjs from '@tensorflow/tfjs';

type Tf = typeof Tfjs;
type TensorInfo = Tfjs.TensorInfo;
type Values = Float32Array | Int32Array | Uint8Array;

/** Wrong in 4.22.0: its gradients differ from finite differences. */
const WRONG = new Set(['Conv3DBackpropInputV2']);

interface CpuBackend {
  makeTensorInfo(shape: readonly number[], dtype: string, values: Values): TensorInfo;
  readSync(dataId: object): Values;
  disposeData(dataId: object, force: boolean): boolean;
}

interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: string): TensorInfo;
  readSync(dataId: object): Values;
  typedArrayFromHeap(tensor: TensorInfo): Values;
}

const used = new WeakMap<Tf, Set<string>>();

/** The kernels that wasm has borrowed since this was last asked, by name. */
export const takeBorrowed = (tf: Tf): readonly string[] => {
  const names = [...(used.get(tf) ?? [])];
  used.get(tf)?.clear();
  return names;
};

const runOnCpu = (
  cpu: CpuBackend,
  wasm: WasmBackend,
  kernel: Tfjs.KernelConfig,
  inputs: Readonly<Record<string, TensorInfo | undefined>>,
  attrs: Tfjs.NamedAttrMap | undefined,
): TensorInfo | TensorInfo[] => {
  const copied = ({ shape, dtype, dataId }: TensorInfo): TensorInfo =>
    cpu.makeTensorInfo(shape, dtype, wasm.readSync(dataId).slice());
  // Kernels of any number of inputs are given an array.
  const given = Object.entries(inputs).flatMap(([name, info]) =>
    info === undefined || info === null ? [] : [[name, copied(info)] as const],
  );
  const copies = given.map(([, copy]) => copy);
  const out = kernel.kernelFunc({
    inputs: (Array.isArray(inputs)
      ? copies
      : Object.fromEntries(given)) as unknown as Tfjs.NamedTensorInfoMap,
    backend: cpu,
    ...(attrs === undefined ? {} : { attrs }),
  });
  const back = (info: TensorInfo): TensorInfo => {
    const made = wasm.makeOutput(info.shape, info.dtype);
    wasm.typedArrayFromHeap(made).set(cpu.readSync(info.dataId));
    return made;
  };
  const list = Array.isArray(out) ? out : [out];
  const results = list.map(back);
  for (const { dataId } of [...copies, ...list]) cpu.disposeData(dataId, true);
  return Array.isArray(out) ? results : (results[0] as TensorInfo);
};

/** Registers the missing kernels for `wasm`. Returns a function that removes them. */
export const borrowKernels = (tf: Tf): (() => void) => {
  const names = used.get(tf) ?? new Set<string>();
  used.set(tf, names);
  const replaced: Tfjs.KernelConfig[] = [];
  const added: string[] = [];
  for (const kernel of tf.getKernelsForBackend('cpu')) {
    const { kernelName } = kernel;
    const own = tf.getKernel(kernelName, 'wasm');
    if (own !== undefined && !WRONG.has(kernelName)) continue;
    if (own !== undefined) {
      replaced.push(own);
      tf.unregisterKernel(kernelName, 'wasm');
    }
    added.push(kernelName);
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs, backend }) => {
        names.add(kernelName);
        const cpu = tf.findBackend('cpu') as unknown as CpuBackend;
        return runOnCpu(cpu, backend as unknown as WasmBackend, kernel, inputs, attrs);
      },
    });
  }
  return () => {
    for (const name of added) tf.unregisterKernel(name, 'wasm');
    for (const kernel of replaced) tf.registerKernel(kernel);
  };
};
