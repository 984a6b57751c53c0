/**
 * @module Runs planned steps on ONNX Runtime. One call runs several steps on their stacked inputs,
 * and starts from the weights and the optimiser's state of the previous call. It uses one thread,
 * because the same plan must give the same bytes on a processor; another processor may round
 * differently.
 */
import type { Plan } from '../plan.ts';
import type { Compiled } from './compile.ts';

interface Tensor {
  readonly data: unknown;
}

interface InferenceSession {
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  release(): Promise<void>;
}

/** The used part of the package onnxruntime-node, which may be absent. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
  readonly env: { readonly versions: Readonly<Record<string, string>> };
}

export interface OnnxReplay {
  /**
   * Runs `count` steps; `given` holds, by the plan's buffer, what each reads, one step after the
   * other. Returns their predictions likewise.
   */
  run(count: number, given: ReadonlyMap<number, Float32Array>): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export interface OnnxSession {
  prepare(plan: Plan, compiled: Compiled): Promise<OnnxReplay>;
  /**
   * Sets the weights, and the optimiser's state: to the vectors that are given, in its order, and
   * the rest to zero.
   */
  load(flat: Float32Array, first?: readonly Float32Array[]): void;
  read(): Float32Array;
}

const OPTIONS = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Errors only: warnings of the graph optimiser are not actionable.
  logSeverityLevel: 3,
} as const;

/** A session for a model of these weights, in floats. */
export const createOnnxSession = (runtime: OnnxRuntime, sizes: readonly number[]): OnnxSession => {
  let weights = sizes.map((size) => new Float32Array(size));
  let state: Float32Array[] = [];
  let begun: readonly Float32Array[] = [];
  const tensor = (data: Float32Array, dims: readonly number[]): Tensor =>
    new runtime.Tensor('float32', data, dims);

  const prepare = async (plan: Plan, compiled: Compiled): Promise<OnnxReplay> => {
    const { model, fed, kept, fixed, prediction } = compiled;
    const session = await runtime.InferenceSession.create(model, OPTIONS);
    if (state.length === 0)
      state = plan.state.map(
        (buffer, i) => begun[i]?.slice() ?? new Float32Array(plan.buffers[buffer] ?? 0),
      );
    const slotOf = (buffer: number) => {
      const weight = plan.weights.indexOf(buffer);
      return weight >= 0
        ? { list: (): Float32Array[] => weights, at: weight }
        : { list: (): Float32Array[] => state, at: plan.state.indexOf(buffer) };
    };
    const held = [...kept, ...fixed].map((bound) => ({ ...bound, ...slotOf(bound.buffer) }));
    const left = kept.map(({ buffer, end }) => ({ end, ...slotOf(buffer) }));
    return {
      run: async (count, given) => {
        const feeds: Record<string, Tensor> = {};
        for (const { name, dims, list, at } of held)
          feeds[name] = tensor(list()[at] ?? new Float32Array(), dims);
        for (const { buffer, name, dims } of fed)
          feeds[name] = tensor(given.get(buffer) ?? new Float32Array(), [count, ...dims]);
        const results = await session.run(feeds);
        for (const { end, list, at } of left) list()[at] = results[end]?.data as Float32Array;
        return results[prediction]?.data as Float32Array;
      },
      dispose: async () => session.release(),
    };
  };

  return {
    prepare,
    load: (flat, first = []) => {
      let from = 0;
      weights = sizes.map((size) => flat.slice(from, (from += size)));
      begun = first;
      state = state.map(({ length }, i) => first[i]?.slice() ?? new Float32Array(length));
    },
    read: () => {
      const flat = new Float32Array(sizes.reduce((a, b) => a + b, 0));
      let to = 0;
      for (const own of weights) {
        flat.set(own, to);
        to += own.length;
      }
      return flat;
    },
  };
};
