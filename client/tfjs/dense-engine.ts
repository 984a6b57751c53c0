/**
 * @module Stacks of dense layers without tfjs between the kernels. One step (forward pass, loss,
 * gradients, update) is about twenty calls into WebAssembly, on one linear memory with a fixed
 * layout. At small batches, tfjs's dispatch is most of the cost of a step. Plain SIMD in a fixed
 * order: the same bytes on every machine.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import type { Batch, StepEngine } from './engine.ts';
import { ACTIVATIONS, inputScratchBytes, type Kernels, loadKernels } from './kernels/load.ts';
import { type LocalRule, isPlain } from '../optimizer.ts';
import { type LossSpec, SMALLEST_PROBABILITY, type Score, gradientInto, score } from './losses.ts';
import type { Objective } from './objective.ts';
import { type FlatState, flatState, updateFlat } from './optimizer-steps.ts';

interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Number in `ACTIVATIONS`. */
  readonly activation: number;
  /** Offsets in floats within the flat weights; no bias: undefined. */
  readonly kernel: number;
  readonly bias: number | undefined;
}

/** What `denseEngine` runs. */
export interface DensePlan {
  readonly layers: readonly DenseLayer[];
  readonly parameters: number;
  /** The loss as the last layer's outputs are given: softmax ends in probabilities. */
  readonly loss: LossSpec;
  /** Whether the last layer's outputs become probabilities. */
  readonly softmax: boolean;
}

interface DenseConfig {
  readonly units: number;
  readonly activation: string;
  readonly useBias: boolean;
  readonly [key: string]: unknown;
}

const PENALTIES = [
  'kernelRegularizer',
  'biasRegularizer',
  'activityRegularizer',
  'kernelConstraint',
  'biasConstraint',
];

/**
 * The plan of a Sequential model of trainable dense layers (linear, relu, sigmoid, tanh; softmax at
 * the end), which may begin with Flatten; undefined when the model is anything else, has penalties
 * or constraints, or a loss that does not go with its end.
 */
export const densePlan = (model: Tfjs.LayersModel, objective: Objective): DensePlan | undefined => {
  if (model.getClassName() !== 'Sequential' || !model.trainable) return undefined;
  // Its gradient of a softmax has targets that sum to 1.
  if (objective.weights !== undefined) return undefined;
  const [first, ...rest] = model.layers;
  const stack = first?.getClassName() === 'Flatten' ? rest : model.layers;
  let inputs = model.inputs[0]?.shape.slice(1).reduce<number>((a, b) => a * (b ?? 0), 1) ?? 0;
  // A dense layer on more than one dimension works on the last one alone.
  if (stack === model.layers && model.inputs[0]?.shape.length !== 2) return undefined;
  const layers: DenseLayer[] = [];
  // A loss of logits takes the last activation in.
  const takesIn = objective.outputs === 'logits';
  let at = 0;
  let softmax = false;
  for (const [i, layer] of stack.entries()) {
    if (layer.getClassName() !== 'Dense' || !layer.trainable) return undefined;
    const config = layer.getConfig() as unknown as DenseConfig;
    const isLast = i === stack.length - 1;
    softmax = config.activation === 'softmax';
    if (softmax && (!isLast || !takesIn || objective.task.type !== 'multi-class')) return undefined;
    const activation =
      isLast && takesIn ? 0 : ACTIVATIONS.findIndex((name) => name === config.activation);
    if (activation < 0 || inputs <= 0) return undefined;
    if (PENALTIES.some((name) => config[name] !== undefined && config[name] !== null))
      return undefined;
    const kernel = at;
    at += inputs * config.units;
    const bias = config.useBias ? at : undefined;
    if (config.useBias) at += config.units;
    layers.push({ inputs, outputs: config.units, activation, kernel, bias });
    inputs = config.units;
  }
  const loss: LossSpec = softmax ? { ...objective, outputs: 'probabilities' } : objective;
  return layers.length === 0 ? undefined : { layers, parameters: at, loss, softmax };
};

const PAGE = 65_536;
/** WebAssembly's linear memory ends at 4 GiB. */
const LARGEST = 2 ** 32 - PAGE;

/** Offsets in the linear memory, in bytes, for batches of up to `capacity` examples. */
interface Layout {
  readonly weights: number;
  readonly labels: number;
  /** Index 0: the batch; i + 1: what layer i gives. */
  readonly activations: readonly number[];
  readonly gradients: readonly [number, number];
  /** The gradient of all weights, where the optimiser needs it. */
  readonly gathered: number;
  /** Of the products with the batch. */
  readonly scratch: number;
  readonly end: number;
}

const layOut = ({ layers, parameters }: DensePlan, capacity: number, gathers: boolean): Layout => {
  // Address 0 means "no bias" to the kernels.
  let at = 64;
  const take = (floats: number): number => {
    const start = at;
    at += Math.ceil(floats / 16) * 64;
    return start;
  };
  const widths = [layers[0]?.inputs ?? 0, ...layers.map(({ outputs }) => outputs)];
  const widest = Math.max(...widths) * capacity;
  const weights = take(parameters);
  const gathered = take(gathers ? parameters : 0);
  const labels = take((widths.at(-1) ?? 1) * capacity);
  const activations = widths.map((width) => take(width * capacity));
  const gradients = [take(widest), take(widest)] as const;
  const [inputs = 0] = widths;
  const scratch = take(
    Math.max(inputScratchBytes(capacity, inputs), inputScratchBytes(inputs, capacity)) / 4,
  );
  return { weights, labels, activations, gradients, gathered, scratch, end: at };
};

/** The linear memory with its layout, which grows with the batches. */
interface Room {
  readonly memory: WebAssembly.Memory;
  readonly floats: (at: number, length: number) => Float32Array;
  readonly layout: () => Layout;
  /** Room for batches of this size. Throws `trainer_failed` beyond 4 GiB. */
  readonly reserve: (size: number) => void;
  /** Room for the gradient of all weights: plain SGD needs none. */
  readonly gather: () => void;
}

const createRoom = (plan: DensePlan): Room => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  let capacity = 0;
  let gathers = false;
  let layout = layOut(plan, 0, false);
  const grow = (size: number): void => {
    const next = layOut(plan, size, gathers);
    if (next.end > LARGEST)
      throw new FloeError('trainer_failed', `a batch of ${size} needs ${next.end} bytes`);
    const missing = Math.ceil((next.end - memory.buffer.byteLength) / PAGE);
    if (missing > 0) memory.grow(missing);
    // The weights lie first, so a larger layout leaves them where they are.
    layout = next;
    capacity = size;
  };
  return {
    memory,
    floats: (at, length) => new Float32Array(memory.buffer, at, length),
    layout: () => layout,
    reserve: (size) => {
      if (size > capacity) grow(size);
    },
    gather: () => {
      if (gathers) return;
      gathers = true;
      grow(capacity);
    },
  };
};

/**
 * Leaves the gradient by the last layer's sum (before its activation) in the first gradient
 * buffer.
 */
const lossGradient = (
  { layers, loss, softmax }: DensePlan,
  { memory, floats, layout: current }: Room,
  kernels: Kernels,
  { labels, size }: Batch,
): void => {
  const layout = current();
  const outputs = layers.at(-1)?.outputs ?? 1;
  const last = layout.activations.at(-1) ?? 0;
  const [gradient] = layout.gradients;
  new Uint8Array(memory.buffer).copyWithin(gradient, last, last + size * outputs * 4);
  if (loss.task.type === 'regression' && loss.task.loss === 'squared') {
    floats(layout.labels, labels.length).set(labels);
    kernels.squaredErrorGradient(gradient, layout.labels, size * outputs);
  } else if (loss.task.type !== 'multi-class') {
    gradientInto(loss, floats(gradient, size * outputs), labels);
  } else {
    if (!softmax) kernels.softmax(gradient, size, outputs);
    new Int32Array(memory.buffer, layout.labels, labels.length).set(labels);
    kernels.crossEntropyGradient(gradient, layout.labels, size, outputs);
  }
  const activation = layers.at(-1)?.activation ?? 0;
  if (activation !== 0) kernels.activationGradient(gradient, last, size * outputs, activation);
};

/** An engine for the plan. Throws `trainer_failed` when the model and a batch exceed 4 GiB. */
export const denseEngine = (plan: DensePlan): StepEngine => {
  const { layers, parameters, loss, softmax } = plan;
  const room = createRoom(plan);
  const { memory, floats, reserve, gather, layout: current } = room;
  const kernels = loadKernels(memory);
  const outputs = layers.at(-1)?.outputs ?? 1;
  /** The state of an optimiser other than plain SGD. */
  let state: FlatState | undefined;
  let added: Float32Array | undefined;

  const forward = ({ features, size }: Batch): Float32Array => {
    reserve(size);
    const layout = current();
    floats(layout.activations[0] ?? 0, features.length).set(features);
    for (const [i, layer] of layers.entries()) {
      const x = layout.activations[i] ?? 0;
      const y = layout.activations[i + 1] ?? 0;
      const kernel = layout.weights + layer.kernel * 4;
      const bias = layer.bias === undefined ? 0 : layout.weights + layer.bias * 4;
      const sizes = [size, layer.outputs, layer.inputs] as const;
      if (i === 0) kernels.gemmOfInputs(...sizes, x, 0, kernel, y, 1, 0, layout.scratch);
      else kernels.gemm(...sizes, x, 0, kernel, 0, y, 1, 0);
      kernels.biasActivation(y, bias, size, layer.outputs, layer.activation);
    }
    const last = layout.activations.at(-1) ?? 0;
    if (softmax) {
      // The sums before it, for examples whose probability is too small to be one.
      new Uint8Array(memory.buffer).copyWithin(
        layout.gradients[0],
        last,
        last + size * outputs * 4,
      );
      kernels.softmax(last, size, outputs);
    }
    return floats(last, size * outputs);
  };

  const scoreOf = (values: Float32Array, { labels, size }: Batch): Score => {
    const saturated =
      softmax &&
      labels.some((label, i) => (values[i * outputs + label] ?? 0) < SMALLEST_PROBABILITY);
    if (!saturated) return score(loss, values, labels, size);
    const logits = floats(current().gradients[0], size * outputs);
    return score({ ...loss, outputs: 'logits' }, logits, labels, size);
  };

  /**
   * From the last layer to the first: the input's gradient by the old weights, then the weights'
   * update in place; or, where `into` is an address, the weights' gradient there.
   */
  const backward = (size: number, learningRate: number, into: number | undefined): void => {
    const layout = current();
    let [dy, dx] = layout.gradients;
    const base = into ?? layout.weights;
    const scale = into === undefined ? -learningRate : 1;
    for (let i = layers.length - 1; i >= 0; i--) {
      const layer = layers[i];
      if (layer === undefined) break;
      const x = layout.activations[i] ?? 0;
      const kernel = layout.weights + layer.kernel * 4;
      const below = layers[i - 1];
      if (below !== undefined) {
        kernels.gemm(size, layer.inputs, layer.outputs, dy, 0, kernel, 1, dx, 1, 0);
        if (below.activation !== 0)
          kernels.activationGradient(dx, x, size * layer.inputs, below.activation);
      }
      const to = base + layer.kernel * 4;
      const sizes = [layer.inputs, layer.outputs, size] as const;
      if (i === 0) kernels.gemmOfInputs(...sizes, x, 1, dy, to, scale, 1, layout.scratch);
      else kernels.gemm(...sizes, x, 1, dy, 0, to, scale, 1);
      if (layer.bias !== undefined)
        kernels.addColumnSums(dy, base + layer.bias * 4, size, layer.outputs, scale);
      [dy, dx] = [dx, dy];
    }
  };

  /** A step of an optimiser that needs the whole gradient before it moves a weight. */
  const gatheredStep = (size: number, learningRate: number, optimizer: LocalRule): void => {
    state ??= flatState(optimizer, parameters, added);
    const layout = current();
    const all = floats(layout.gathered, parameters);
    all.fill(0);
    backward(size, learningRate, layout.gathered);
    updateFlat(optimizer, state, floats(layout.weights, parameters), all, learningRate);
  };

  return {
    load: (weights, linear) => {
      state = undefined;
      added = linear;
      reserve(1);
      floats(current().weights, parameters).set(weights);
    },
    step: ({ batch, learningRate, optimizer, scored }): Score | undefined => {
      const plain = isPlain(optimizer);
      if (!plain) gather();
      const values = forward(batch);
      const result = scored ? scoreOf(values, batch) : undefined;
      lossGradient(plan, room, kernels, batch);
      if (plain) backward(batch.size, learningRate, undefined);
      else gatheredStep(batch.size, learningRate, optimizer);
      return result;
    },
    score: (batch) => scoreOf(forward(batch), batch),
    read: () => floats(current().weights, parameters).slice(),
    // The linear memory goes with the engine.
    dispose: () => undefined,
  };
};
