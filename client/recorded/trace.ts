/**
 * @module A backend of TensorFlow.js that computes nothing: every kernel call becomes nodes of a
 * program. Constants keep their numbers; a step that reads a computed number, or calls a kernel
 * without a lowering, is not recordable.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { elements } from './ir.ts';
import { ELEMENTWISE } from './lower/elementwise.ts';
import { MATRIX } from './lower/matrix.ts';
import { MOVEMENT } from './lower/movement.ts';
import {
  type DType,
  type Lower,
  type Ref,
  type Tape,
  Unrecordable,
  addValue,
} from './lower/tape.ts';
import { WINDOW } from './lower/window.ts';

type Tf = typeof Tfjs;

export const TRACE_BACKEND = 'floe-trace';

const LOWERINGS: Readonly<Record<string, Lower>> = {
  ...ELEMENTWISE,
  ...MOVEMENT,
  ...MATRIX,
  ...WINDOW,
};

/** The current recording; only one at a time, because tfjs has one engine. */
interface Recording {
  readonly tape: Tape;
  /** Values by the data of tfjs's tensors. */
  readonly known: Map<object, number>;
  /**
   * Takes the next array that tfjs brings in: draws of a dropout layer. Returns its value, or
   * undefined.
   */
  onWrite: ((data: Float32Array) => number | undefined) | undefined;
}

let current: Recording | undefined;

const recording = (): Recording => {
  if (current === undefined) throw new Unrecordable('nothing is being recorded');
  return current;
};

/** Integers and booleans are exact as float32 up to 2^24. */
const toFloats = (values: unknown, dtype: DType): Float32Array => {
  if (dtype === 'string' || dtype === 'complex64') throw new Unrecordable(`numbers of ${dtype}`);
  const data = Float32Array.from(values as ArrayLike<number>);
  if (dtype === 'int32' && data.some((value) => Math.abs(value) > 2 ** 24))
    throw new Unrecordable('integers beyond 2^24');
  return data;
};

/** The value of a tensor's data; data of another backend is a constant of the program. */
const valueOf = (tf: Tf, info: Tfjs.TensorInfo): number => {
  const { known, tape } = recording();
  const value = known.get(info.dataId);
  if (value !== undefined) return value;
  const holder = tf.engine().state.tensorInfo.get(info.dataId)?.backend;
  if (holder === undefined) throw new Unrecordable('a tensor that no backend holds');
  const data = toFloats(holder.readSync(info.dataId), info.dtype);
  const added = addValue(tape, elements(info.shape), data);
  known.set(info.dataId, added);
  return added;
};

/** The numbers of a constant. */
const read = (dataId: object): Float32Array => {
  const { known, tape } = recording();
  const { data } = tape.values[known.get(dataId) ?? -1] ?? {};
  if (data === undefined) throw new Unrecordable('it reads a number that it computed');
  return data;
};

const createBackend = (tf: Tf): Tfjs.KernelBackend => {
  const counts = new WeakMap<object, number>();
  const change = (dataId: object, by: number): number => {
    const count = (counts.get(dataId) ?? 0) + by;
    counts.set(dataId, count);
    return count;
  };
  return Object.assign(new tf.KernelBackend(), {
    write: (values: unknown, shape: readonly number[], dtype: DType): object => {
      const { tape, known, onWrite } = recording();
      const data = toFloats(values ?? new Float32Array(elements(shape)), dtype);
      const dataId = {};
      known.set(dataId, onWrite?.(data) ?? addValue(tape, data.length, data));
      change(dataId, 1);
      return dataId;
    },
    move: () => {
      throw new Unrecordable('it moves tensors between backends');
    },
    read: async (dataId: object) => Promise.resolve(read(dataId)),
    readSync: read,
    disposeData: (dataId: object, force = false): boolean => change(dataId, -1) <= 0 || force,
    incRef: (dataId: object) => change(dataId, 1),
    decRef: (dataId: object) => change(dataId, -1),
    refCount: (dataId: object) => counts.get(dataId) ?? 0,
    numDataIds: () => 0,
    memory: () => ({ unreliable: true }),
    timerAvailable: () => false,
    floatPrecision: () => 32,
    epsilon: () => 1e-7,
    dispose: () => undefined,
  });
};

const kernelFunction =
  (tf: Tf, lower: Lower): Tfjs.KernelFunc =>
  ({ inputs, attrs, backend }) => {
    const { tape, known } = recording();
    const refs: Record<string, Ref> = {};
    for (const [name, info] of Object.entries(inputs as Record<string, Tfjs.TensorInfo>)) {
      if (info === undefined || info === null) continue;
      refs[name] = { value: valueOf(tf, info), shape: info.shape, dtype: info.dtype };
    }
    const out = lower(tape, refs, attrs ?? {});
    const tensors = (Array.isArray(out) ? (out as Ref[]) : [out as Ref]).map((ref) => {
      const dataId = {};
      known.set(dataId, ref.value);
      (backend as unknown as { incRef(id: object): void }).incRef(dataId);
      return { dataId, shape: [...ref.shape], dtype: ref.dtype };
    });
    return Array.isArray(out) ? tensors : (tensors[0] ?? []);
  };

const registered = new WeakSet<Tf>();

const register = (tf: Tf): void => {
  if (registered.has(tf)) return;
  registered.add(tf);
  tf.registerBackend(TRACE_BACKEND, () => createBackend(tf), -1);
  for (const [kernelName, lower] of Object.entries(LOWERINGS))
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: kernelFunction(tf, lower),
    });
};

/** The interface of a recording to the code that it records. */
export interface Tracer {
  readonly tape: Tape;
  /** Declares that a tensor's data, of any backend, is this value. */
  bind(tensor: Tfjs.Tensor, value: number): void;
  /** A tensor whose numbers are given at each run. */
  placeholder(shape: readonly number[], dtype?: 'float32' | 'int32'): Tfjs.Tensor;
  /** The value of a tensor. */
  valueOf(tensor: Tfjs.Tensor): number;
  onWrite(take: Recording['onWrite']): void;
}

/** tfjs says `Kernel 'X' not registered for backend 'floe-trace'`. */
const reason = (thrown: unknown): string => {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [, kernel] = /Kernel '(\w+)' not registered/u.exec(message) ?? [];
  return kernel === undefined ? (message.split('\n')[0] ?? '') : `the kernel ${kernel}`;
};

/**
 * Runs `work` on the recording backend; tfjs's current one is the same afterwards.
 * @throws Unrecordable
 */
export const trace = <T>(tf: Tf, tape: Tape, work: (tracer: Tracer) => T): T => {
  register(tf);
  const engine = tf.engine();
  const before = engine.backendName;
  const active: Recording = { tape, known: new Map(), onWrite: undefined };
  current = active;
  try {
    void tf.setBackend(TRACE_BACKEND);
    let result: { readonly value: T } | undefined;
    tf.tidy(() => {
      result = {
        value: work({
          tape,
          bind: (tensor, value) => {
            active.known.set(tensor.dataId, value);
          },
          placeholder: (shape, dtype = 'float32') => {
            const value = addValue(tape, elements(shape));
            active.onWrite = () => value;
            const tensor = tf.tensor(new Float32Array(elements(shape)), [...shape], dtype);
            active.onWrite = undefined;
            return tensor;
          },
          valueOf: (tensor) => valueOf(tf, tensor),
          onWrite: (take) => {
            active.onWrite = take;
          },
        }),
      };
    });
    if (result === undefined) throw new Unrecordable('nothing was recorded');
    return result.value;
  } catch (thrown) {
    if (thrown instanceof Unrecordable) throw thrown;
    throw new Unrecordable(reason(thrown), { cause: thrown });
  } finally {
    current = undefined;
    if (before) void tf.setBackend(before);
  }
};
