/**
 * @module Runs planned steps on WebAssembly: weights and all buffers in one linear memory, a plan
 * as a list of calls. The same plan gives the same bytes on every machine, except for functions of
 * the engine's Math (exp, log, tanh).
 */
import { FloeError } from '../../../protocol/errors.ts';
import { loadKernels } from '../../tfjs/kernels/load.ts';
import { SELF, replaceLeaves, view } from '../expr.ts';
import { type Elementwise, stridesOf } from '../ir.ts';
import type { Plan } from '../plan.ts';
import { mapFunction } from './maps.ts';
import { type WasmFunction, instantiate } from './module.ts';
import { type Heap, type Step, nodeStep, sizeOf } from './nodes.ts';
import { updateStep } from './updates.ts';

const PAGE = 65_536;
/** WebAssembly's linear memory ends at 4 GiB. */
const LARGEST = 2 ** 32 - PAGE;

export interface WasmReplay {
  /** The plan's buffer, in the memory as it is now. */
  buffer(index: number): Float32Array;
  run(): void;
}

export interface WasmSession {
  /**
   * @throws FloeError `trainer_failed` beyond 4 GiB
   */
  prepare(plan: Plan): WasmReplay;
  /**
   * Sets the first weights, as many as are given (a frozen base behind them is loaded once), and
   * the optimiser's state: to the vectors that are given, in its order, and the rest to zero.
   */
  load(flat: Float32Array, state?: readonly Float32Array[]): void;
  /** @param floats the first ones, all unless told */
  read(floats?: number): Float32Array;
}

/** The epilogue as a map that reads the node's result as a separate value, `self`. */
const afterwards = (part: Elementwise, self: number): Elementwise => ({
  shape: part.shape,
  expr: replaceLeaves(part.expr, (leaf) =>
    leaf.type === SELF.type ? view(part.views.length) : leaf,
  ),
  views: [...part.views, { value: self, offset: 0, strides: stridesOf(part.shape) }],
});

/**
 * A session for a model of these weights, in floats.
 *
 * @param kept size of the optimiser's state, in floats, in the order of the plans
 */
export const createWasmSession = (
  sizes: readonly number[],
  kept: readonly number[] = [],
): WasmSession => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const kernels = loadKernels(memory);
  let end = 64;
  const take = (floats: number): number => {
    const start = end;
    end += Math.ceil(Math.max(1, floats) / 16) * 64;
    if (end > LARGEST) throw new FloeError('trainer_failed', `a step needs ${end} bytes of memory`);
    const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE);
    if (missing > 0) memory.grow(missing);
    return start;
  };
  const addresses = sizes.map(take);
  const states = kept.map(take);
  const floats = (): Float32Array => new Float32Array(memory.buffer);

  const shared = end;
  let active: Plan | undefined;

  const prepare = (plan: Plan): WasmReplay => {
    // Plans do not run at the same time: all but the weights is the room of whichever runs.
    end = shared;
    active = undefined;
    const places: number[] = [];
    for (const [i, buffer] of plan.weights.entries()) places[buffer] = addresses[i] ?? 0;
    for (const [i, buffer] of plan.state.entries()) places[buffer] = states[i] ?? 0;
    for (const [buffer, size] of plan.buffers.entries()) places[buffer] ??= take(size);
    const at = (value: number): number => places[plan.bufferOf[value] ?? -1] ?? 0;
    const functions: WasmFunction[] = [];
    const steps: (Step | number)[] = [];
    const add = (part: Elementwise, out: number, addressOf: (value: number) => number): void => {
      steps.push(functions.push(mapFunction(part, out, addressOf)) - 1);
    };
    const spare = new Map<number, number>();
    // Room of one size is shared: it is needed for the length of a node.
    const room = (kind: number, size: number): number => {
      const key = size * 2 + kind;
      const known = spare.get(key) ?? take(size);
      spare.set(key, known);
      return known;
    };
    const inputs = places[plan.features] ?? 0;
    const heap: Heap = { kernels, floats, at, inputs, scratch: (size) => room(0, size) };
    for (const node of plan.nodes) {
      if (node.type === 'map') {
        add(node, at(node.out), at);
        continue;
      }
      const update = updateStep(node, heap);
      if (update !== undefined) {
        steps.push(update);
        continue;
      }
      const { epilogue } = node;
      const out = epilogue === undefined ? at(node.out) : room(1, sizeOf(node));
      steps.push(nodeStep(node, out, heap));
      if (epilogue !== undefined)
        add(afterwards(epilogue, -1), at(node.out), (value) => (value === -1 ? out : at(value)));
    }
    const compiled = instantiate(functions, memory);
    const list = steps.map((step) => (typeof step === 'number' ? compiled[step] : step));
    return {
      buffer: (index) =>
        new Float32Array(memory.buffer, places[index] ?? 0, plan.buffers[index] ?? 0),
      run: () => {
        if (active !== plan)
          for (const { buffer, data } of plan.constants)
            floats().set(data, (places[buffer] ?? 0) / 4);
        active = plan;
        for (const step of list) step?.();
      },
    };
  };

  return {
    prepare,
    load: (flat, state = []) => {
      let from = 0;
      for (const [i, size] of sizes.entries()) {
        floats().set(flat.subarray(from, from + size), (addresses[i] ?? 0) / 4);
        from += size;
      }
      for (const [i, size] of kept.entries()) {
        const start = (states[i] ?? 0) / 4;
        const first = state[i];
        if (first === undefined) floats().fill(0, start, start + size);
        else floats().set(first, start);
      }
    },
    read: (wanted = sizes.reduce((a, b) => a + b, 0)) => {
      const flat = new Float32Array(wanted);
      let to = 0;
      for (const [i, size] of sizes.entries()) {
        if (to === wanted) break;
        const start = (addresses[i] ?? 0) / 4;
        flat.set(floats().subarray(start, start + size), to);
        to += size;
      }
      return flat;
    },
  };
};
