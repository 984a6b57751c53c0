/**
 * @module Stacks of dense layers without tfjs between the kernels: one step of forward pass, loss,
 * gradients and update is some twenty calls into WebAssembly on one linear memory laid out once. At
 * small batches that dispatch is most of what a tfjs step costs. Plain SIMD in a fixed order: the
 * same bytes on every machine.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import type { Batch, StepEngine } from './engine.ts';
import { ACTIVATIONS, loadKernels } from './kernels/load.ts';
import { type OutputKind, type Score, score } from './losses.ts';

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
export const densePlan = (model: Tfjs.LayersModel, kind: OutputKind): DensePlan | undefined => {
  if (model.getClassName() !== 'Sequential' || !model.trainable) return undefined;
  const [first, ...rest] = model.layers;
  const stack = first?.getClassName() === 'Flatten' ? rest : model.layers;
  let inputs = model.inputs[0]?.shape.slice(1).reduce<number>((a, b) => a * (b ?? 0), 1) ?? 0;
  // A dense layer on more than one dimension works on the last one alone.
  if (stack === model.layers && model.inputs[0]?.shape.length !== 2) return undefined;
  const layers: DenseLayer[] = [];
  let at = 0;
  let softmax = false;
  for (const [i, layer] of stack.entries()) {
    if (layer.getClassName() !== 'Dense' || !layer.trainable) return undefined;
    const config = layer.getConfig() as unknown as DenseConfig;
    softmax = config.activation === 'softmax';
    if (softmax && (i < stack.length - 1 || kind !== 'probabilities')) return undefined;
    const activation = softmax ? 0 : ACTIVATIONS.findIndex((name) => name === config.activation);
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
  return layers.length === 0 ? undefined : { layers, parameters: at, softmax };
};

const PAGE = 65_536;
/** WebAssembly's linear memory ends at 4 GiB. */
const LARGEST = 2 ** 32 - PAGE;

/**
 * Where everything lies in the linear memory, in bytes, for batches of up to `capacity` examples.
 */
interface Layout {
  readonly weights: number;
  readonly labels: number;
  /** Index 0: the batch; i + 1: what layer i gives. */
  readonly activations: readonly number[];
  readonly gradients: readonly [number, number];
  readonly end: number;
}

const layOut = ({ layers, parameters }: DensePlan, capacity: number): Layout => {
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
  const labels = take((widths.at(-1) ?? 1) * capacity);
  const activations = widths.map((width) => take(width * capacity));
  return { weights, labels, activations, gradients: [take(widest), take(widest)], end: at };
};

/** An engine for the plan. Throws `trainer_failed` when the model and a batch exceed 4 GiB. */
export const denseEngine = (plan: DensePlan, kind: OutputKind): StepEngine => {
  const { layers, parameters, softmax } = plan;
  const memory = new WebAssembly.Memory({ initial: 1 });
  const kernels = loadKernels(memory);
  const outputs = layers.at(-1)?.outputs ?? 1;
  let capacity = 0;
  let layout = layOut(plan, 0);

  const reserve = (size: number): void => {
    if (size <= capacity) return;
    const next = layOut(plan, size);
    if (next.end > LARGEST)
      throw new FloeError('trainer_failed', `a batch of ${size} needs ${next.end} bytes`);
    const missing = Math.ceil((next.end - memory.buffer.byteLength) / PAGE);
    if (missing > 0) memory.grow(missing);
    // The weights lie first, so a larger layout leaves them where they are.
    layout = next;
    capacity = size;
  };
  const floats = (at: number, length: number): Float32Array =>
    new Float32Array(memory.buffer, at, length);

  const forward = ({ features, size }: Batch): Float32Array => {
    reserve(size);
    floats(layout.activations[0] ?? 0, features.length).set(features);
    for (const [i, layer] of layers.entries()) {
      const x = layout.activations[i] ?? 0;
      const y = layout.activations[i + 1] ?? 0;
      const kernel = layout.weights + layer.kernel * 4;
      const bias = layer.bias === undefined ? 0 : layout.weights + layer.bias * 4;
      kernels.gemm(size, layer.outputs, layer.inputs, x, 0, kernel, 0, y, 1, 0);
      kernels.biasActivation(y, bias, size, layer.outputs, layer.activation);
    }
    const last = layout.activations.at(-1) ?? 0;
    if (softmax) kernels.softmax(last, size, outputs);
    return floats(last, size * outputs);
  };

  /**
   * Leaves the gradient by the last layer's sum (before its activation) in the first gradient
   * buffer.
   */
  const lossGradient = ({ labels, size }: Batch): void => {
    const last = layout.activations.at(-1) ?? 0;
    const [gradient] = layout.gradients;
    new Uint8Array(memory.buffer).copyWithin(gradient, last, last + size * outputs * 4);
    if (kind === 'values') {
      floats(layout.labels, labels.length).set(labels);
      kernels.squaredErrorGradient(gradient, layout.labels, size * outputs);
    } else {
      if (!softmax) kernels.softmax(gradient, size, outputs);
      new Int32Array(memory.buffer, layout.labels, labels.length).set(labels);
      kernels.crossEntropyGradient(gradient, layout.labels, size, outputs);
    }
    const activation = layers.at(-1)?.activation ?? 0;
    if (activation !== 0) kernels.activationGradient(gradient, last, size * outputs, activation);
  };

  /**
   * From the last layer to the first: the input's gradient by the old weights, then the weights'
   * update in place.
   */
  const backward = (size: number, learningRate: number): void => {
    let [dy, dx] = layout.gradients;
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
      kernels.gemm(layer.inputs, layer.outputs, size, x, 1, dy, 0, kernel, -learningRate, 1);
      if (layer.bias !== undefined) {
        const bias = layout.weights + layer.bias * 4;
        kernels.addColumnSums(dy, bias, size, layer.outputs, -learningRate);
      }
      [dy, dx] = [dx, dy];
    }
  };

  return {
    load: (weights) => {
      reserve(1);
      floats(layout.weights, parameters).set(weights);
    },
    step: ({ batch, learningRate, scored }): Score | undefined => {
      const values = forward(batch);
      const result = scored ? score(kind, values, batch.labels, batch.size) : undefined;
      lossGradient(batch);
      backward(batch.size, learningRate);
      return result;
    },
    score: (batch) => score(kind, forward(batch), batch.labels, batch.size),
    read: () => floats(layout.weights, parameters).slice(),
    // The linear memory goes with the engine.
    dispose: () => undefined,
  };
};
