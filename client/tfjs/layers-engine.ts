/**
 * @module Trains any tf.LayersModel: gradients by tf.variableGrads, weights written by assignment.
 * fit() would make each step half as expensive again (measured), and shuffles with its own
 * generator.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, elementCount } from '../../protocol/model/manifest.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { RandomStream } from '../random.ts';
import { type Backend, switchBackend } from './backends.ts';
import type { LocalRule } from '../optimizer.ts';
import { batchLoss } from './batch-loss.ts';
import type { Batch, StepEngine } from './engine.ts';
import { type Score, score, targetsOf } from './losses.ts';
import type { Objective } from './objective.ts';
import { updateTensors } from './optimizer-steps.ts';
import { createSlots } from './state-slots.ts';
import { flattenLayers } from './topology.ts';
import { partsOfTrained } from './whole-weights.ts';

/** Layers whose randomness cannot be seeded from outside. */
const UNSEEDABLE = new Set(['AlphaDropout', 'GaussianDropout', 'GaussianNoise']);

/** The dropout layers, whose seed is set anew for each step. */
export const dropoutLayers = (model: Tfjs.LayersModel): { seed: number }[] =>
  flattenLayers(model.layers).flatMap((layer) => {
    const kind = layer.getClassName();
    const { dropout, recurrentDropout } = layer as { dropout?: number; recurrentDropout?: number };
    if (UNSEEDABLE.has(kind) || (dropout ?? 0) > 0 || (recurrentDropout ?? 0) > 0)
      throw new FloeError(
        'model_malformed',
        `${layer.name}: the noise of ${kind} cannot be reproduced; use a Dropout layer`,
      );
    return kind === 'Dropout' ? [layer as unknown as { seed: number }] : [];
  });

/** Vectors one behind the other. */
const joined = (parts: readonly Float32Array[]): Float32Array => {
  const flat = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    flat.set(part, at);
    at += part.length;
  }
  return flat;
};

/** An engine for `model`. Throws `model_malformed`. */
export const layersEngine = (
  { tf, name, eager = name }: Backend,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  objective: Objective,
): StepEngine => {
  // Weights behind the manifest's are a frozen base.
  const travelling = model.weights.slice(0, manifest.tensors.length);
  const trained = model.trainableWeights;
  const variables = trained.map((weight) => weight.read() as Tfjs.Variable);
  const dropouts = dropoutLayers(model);
  const inputShape = model.inputs[0]?.shape.slice(1).map((size) => size ?? 1) ?? [];
  /** The optimiser's state, in the order of its requests. */
  const slots = createSlots(tf);
  /** What the first of them begin with, by trained weight. */
  let added: readonly Float32Array[] = [];

  // tfjs has one current backend; another trainer of this process may have chosen another since.
  const use = (): void => {
    switchBackend(tf, eager);
  };
  const inputOf = ({ features, size }: Batch): Tfjs.Tensor =>
    tf.tensor(features, [size, ...inputShape], 'float32');
  const run = (batch: Batch, learningRate: number, optimizer: LocalRule): Tfjs.Tensor =>
    tf.tidy(() => {
      const shape = [batch.size, ...objective.shape];
      const target = tf.tensor(targetsOf(objective, batch.labels, batch.size), shape, 'float32');
      let prediction: Tfjs.Tensor | undefined;
      const { grads, value } = tf.variableGrads(() => {
        const output = objective.apply(inputOf(batch), true);
        prediction = tf.keep(output.clone());
        return batchLoss(tf, model, objective, output, target);
      }, variables);
      value.dispose();
      update(grads, learningRate, optimizer);
      if (prediction === undefined) throw new FloeError('internal', 'the model was not applied');
      return prediction;
    });

  const update = (
    grads: Readonly<Record<string, Tfjs.Tensor>>,
    rate: number,
    optimizer: LocalRule,
  ): void => {
    const moved = variables.flatMap((variable, i) => {
      const gradient = grads[variable.name];
      return gradient === undefined ? [] : [{ variable, gradient, weight: trained[i], i }];
    });
    const first = optimizer.linear === true ? moved.map(({ i }) => added[i]) : [];
    const next = updateTensors(tf, optimizer, {
      weights: moved.map(({ variable }) => variable),
      gradients: moved.map(({ gradient }) => gradient),
      rate,
      slot: slots.begin(first),
    });
    for (const [i, { weight }] of moved.entries()) {
      const value = next.weights[i];
      if (value !== undefined) weight?.write(value);
    }
    slots.replace(next.kept);
  };

  const scored = async (outputsOf: Tfjs.Tensor, batch: Batch): Promise<Score> => {
    const values = await outputsOf.data<'float32'>();
    outputsOf.dispose();
    return score(objective, values, batch.labels, batch.size);
  };

  const seedDropout = (stream: RandomStream): void => {
    // tfjs takes 0 for no seed.
    for (const layer of dropouts) layer.seed = stream.below(2 ** 31 - 1) + 1;
  };

  return {
    load: (weights, linear) => {
      use();
      slots.forget();
      added = partsOfTrained(model, manifest, linear);
      let at = 0;
      for (const [i, weight] of travelling.entries()) {
        const shape = [...(manifest.tensors[i]?.shape ?? [])];
        const end = at + elementCount(shape);
        // The wasm backend copies its input, so a view is enough; plain JavaScript keeps the array
        // itself.
        const values = eager === 'wasm' ? weights.subarray(at, end) : weights.slice(at, end);
        tf.tidy(() => {
          weight.write(tf.tensor(values, shape, 'float32'));
        });
        at = end;
      }
    },
    step: ({ batch, learningRate, optimizer, stream, scored: wanted }) => {
      use();
      seedDropout(stream);
      const prediction = run(batch, learningRate, optimizer);
      if (wanted) return scored(prediction, batch);
      prediction.dispose();
      return undefined;
    },
    score: async (batch) => {
      use();
      const prediction = tf.tidy(() => objective.apply(inputOf(batch), false));
      return scored(prediction, batch);
    },
    read: async () => {
      use();
      const parts = await Promise.all(
        travelling.map(async (weight) => weight.read().data<'float32'>()),
      );
      return joined(parts);
    },
    // The model is the trainer's.
    dispose: slots.forget,
  };
};
