/**
 * @module Records one training step of a tf.LayersModel as a program: forward pass, loss,
 * gradients, the layers' own statistics and the optimiser's update; and the forward pass alone.
 * Nothing is computed while recording.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import type { LocalRule } from '../optimizer.ts';
import { batchLoss } from '../tfjs/batch-loss.ts';
import type { Objective } from '../tfjs/objective.ts';
import { updateTensors } from '../tfjs/optimizer-steps.ts';
import { flattenLayers } from '../tfjs/topology.ts';
import type { Program } from './ir.ts';
import { Unrecordable, addValue, createTape } from './lower/tape.ts';
import { type Tracer, trace } from './trace.ts';

type Tf = typeof Tfjs;

export interface RecordRequest {
  readonly tf: Tf;
  readonly model: Tfjs.LayersModel;
  readonly objective: Objective;
  /** Examples in the batch. */
  readonly size: number;
  /** Undefined records the forward pass alone. */
  readonly optimizer?: LocalRule;
}

type Update = { readonly target: number; readonly source: number };

/** The chain of kernels that updates the weights and the optimiser's state. */
const updatesOf = (
  { tf }: RecordRequest,
  optimizer: LocalRule,
  tracer: Tracer,
  moved: readonly { readonly weight: Tfjs.Tensor; readonly gradient: Tfjs.Tensor }[],
  rate: Tfjs.Tensor,
): { readonly updates: readonly Update[]; readonly state: readonly number[] } => {
  const next = updateTensors(tf, optimizer, {
    weights: moved.map(({ weight }) => weight),
    gradients: moved.map(({ gradient }) => gradient),
    rate,
    slot: (shape) => tracer.placeholder(shape),
  });
  const kept = next.kept.map(({ before, after }) => ({
    target: tracer.valueOf(before),
    source: tracer.valueOf(after),
  }));
  const changed = kept.filter(({ target, source }) => target !== source);
  const updates = next.weights.map((after, i) => ({
    target: tracer.valueOf(moved[i]?.weight as Tfjs.Tensor),
    source: tracer.valueOf(after),
  }));
  return { updates: [...changed, ...updates], state: kept.map(({ target }) => target) };
};

interface Hooked {
  setCallHook(hook: (() => void) | null): void;
  clearCallHook(): void;
}

/** Makes the noise of each dropout layer an input of the program. Returns what undoes it. */
const catchDraws = (
  layers: readonly Tfjs.layers.Layer[],
  tracer: Tracer,
  draws: { value: number; layer: number }[],
): (() => void) => {
  let dropouts = 0;
  for (const layer of layers) {
    const number = layer.getClassName() === 'Dropout' ? dropouts++ : undefined;
    (layer as unknown as Hooked).setCallHook(() => {
      tracer.onWrite(
        number === undefined
          ? undefined
          : (data) => {
              // The noise is the first thing that the layer brings in; a rate of zero brings a
              // number only.
              tracer.onWrite(undefined);
              const value = addValue(tracer.tape, data.length);
              draws.push({ value, layer: number });
              return value;
            },
      );
    });
  }
  return () => {
    for (const layer of layers) (layer as unknown as Hooked).clearCallHook();
    tracer.onWrite(undefined);
  };
};

/** What tfjs keeps of a constrained weight, and does not declare. */
interface Constrained {
  readonly constraint?: unknown;
}

const recordWith = (request: RecordRequest, tracer: Tracer): Program => {
  const { tf, model, objective, size, optimizer } = request;
  const weights = model.weights.map((weight) => {
    const tensor = weight.read();
    const value = addValue(tracer.tape, tensor.size);
    tracer.bind(tensor, value);
    return value;
  });
  const inputShape = model.inputs[0]?.shape.slice(1).map((part) => part ?? 1) ?? [];
  const x = tracer.placeholder([size, ...inputShape]);
  const features = tracer.valueOf(x);
  const draws: { value: number; layer: number }[] = [];
  const apply = (training: boolean): Tfjs.Tensor => {
    const release = catchDraws(flattenLayers(model.layers), tracer, draws);
    try {
      return objective.apply(x, training);
    } finally {
      release();
    }
  };
  const common = { values: tracer.tape.values, nodes: tracer.tape.nodes, features, draws, weights };
  if (optimizer === undefined) {
    const prediction = tracer.valueOf(apply(false));
    return { ...common, state: [], updates: [], prediction };
  }
  const target = tracer.placeholder([size, ...objective.shape]);
  const rate = tracer.placeholder([]);
  const trained = model.trainableWeights;
  const variables = trained.map((weight) => weight.read() as Tfjs.Variable);
  let prediction: number | undefined;
  const { grads } = tf.variableGrads(() => {
    const output = apply(true);
    prediction = tracer.valueOf(output);
    return batchLoss(tf, model, objective, output, target);
  }, variables);
  if (prediction === undefined) throw new FloeError('internal', 'the model was not applied');
  const updates: Update[] = [];
  // Statistics that a layer assigned while it ran.
  for (const [i, weight] of model.weights.entries()) {
    const source = tracer.valueOf(weight.read());
    const own = weights[i] ?? -1;
    if (source !== own) updates.push({ target: own, source });
  }
  const moved = variables.flatMap((weight) => {
    const gradient = grads[weight.name];
    return gradient === undefined ? [] : [{ weight, gradient }];
  });
  if (optimizer.linear === true && moved.length < trained.length)
    throw new Unrecordable('a trainable weight without a gradient');
  const made = updatesOf(request, optimizer, tracer, moved, rate);
  updates.push(...made.updates);
  const targets = tracer.valueOf(target);
  const learningRate = tracer.valueOf(rate);
  return { ...common, targets, learningRate, state: made.state, updates, prediction };
};

/**
 * Records a step for batches of one size. The model's weights are the same afterwards.
 * @throws Unrecordable with what cannot be recorded
 */
export const record = (request: RecordRequest): Program => {
  const { tf, model } = request;
  const seen = new Set(model.weights.map((weight) => weight.read().id));
  if (seen.size !== model.weights.length) throw new Unrecordable('weights that layers share');
  // A constraint acts when a layer writes its weight; a recorded update does not go through the
  // layer.
  const bound = model.trainableWeights.find(
    (weight) => ((weight as unknown as Constrained).constraint ?? null) !== null,
  );
  if (bound !== undefined) throw new Unrecordable(`a constraint on ${bound.name}`);
  const saved = model.weights.map((weight) => tf.keep(weight.read().clone()));
  try {
    return trace(tf, createTape(), (tracer) => recordWith(request, tracer));
  } finally {
    for (const [i, weight] of model.weights.entries()) {
      const before = saved[i];
      const held = weight.read() as Tfjs.Variable;
      if (before !== undefined && held.dataId !== before.dataId) held.assign(before);
      before?.dispose();
    }
  }
};
