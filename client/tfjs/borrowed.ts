/**
 * @module Kernels that the wasm backend of tfjs lacks, taken from the plain JavaScript one: such a
 * kernel copies its inputs out of the wasm memory and its outputs back. Slow, but the model trains;
 * which kernels a model used is known, so that the first lines of output can say it.
 */
import type * as Tfjs from '@tensorflow/tfjs';

type Tf = typeof Tfjs;

const FROM = 'cpu';
const used = new Set<string>();

const borrow =
  (tf: Tf, name: string, kernel: Tfjs.KernelFunc): Tfjs.KernelFunc =>
  ({ inputs, attrs, backend }) => {
    used.add(name);
    const engine = tf.engine();
    const lender = engine.findBackend(FROM);
    const own = backend as unknown as Tfjs.KernelBackend;
    const copied: Tfjs.TensorInfo[] = [];
    const copy = (info: Tfjs.TensorInfo): Tfjs.TensorInfo => {
      const values = own.readSync(info.dataId) as Float32Array;
      const dataId = lender.write(values.slice(), info.shape, info.dtype);
      const made = { dataId, shape: info.shape, dtype: info.dtype };
      copied.push(made);
      return made;
    };
    const there = Object.fromEntries(
      Object.entries(inputs).map(([key, info]: [string, unknown]) => [
        key,
        Array.isArray(info)
          ? (info as Tfjs.TensorInfo[]).map(copy)
          : info === undefined || info === null
            ? info
            : copy(info as Tfjs.TensorInfo),
      ]),
    ) as Tfjs.NamedTensorInfoMap;
    const result = kernel({ inputs: there, attrs: attrs ?? {}, backend: lender });
    const outputs = Array.isArray(result) ? result : [result];
    const back = outputs.map((info) => {
      const values = lender.readSync(info.dataId) as Float32Array;
      const made = {
        dataId: own.write(values, info.shape, info.dtype),
        shape: info.shape,
        dtype: info.dtype,
      };
      lender.disposeData(info.dataId, true);
      return made;
    });
    for (const info of copied) lender.disposeData(info.dataId, true);
    return Array.isArray(result) ? back : (back[0] ?? []);
  };

const lent = new WeakMap<Tf, Set<string>>();

/** Registers what `to` lacks and the plain backend has. */
export const borrowKernels = (tf: Tf, to: string): void => {
  const done = lent.get(tf) ?? new Set<string>();
  lent.set(tf, done);
  if (done.has(to)) return;
  done.add(to);
  const has = new Set(tf.getKernelsForBackend(to).map(({ kernelName }) => kernelName));
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend(FROM))
    if (!has.has(kernelName))
      tf.registerKernel({
        kernelName,
        backendName: to,
        kernelFunc: borrow(tf, kernelName, kernelFunc),
      });
};

/** Runs `work` and names the borrowed kernels that it called. */
export const noteBorrowed = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
  used.clear();
  await work();
  return [...used].toSorted();
};
