/**
 * @module Plain SGD on any tf.LayersModel: gradients by tf.variableGrads, weights written by
 * assignment. fit() would cost half as much again per step (measured), and shuffles by its own
 * generator.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { type Manifest, elementCount } from '../../protocol/model/manifest.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { RandomStream } from '../random.ts';
import { type Backend, switchBackend } from './backends.ts';
import { batchLoss, oneHotOf } from './batch-loss.ts';
import type { Batch, StepEngine } from './engine.ts';
import { type OutputKind, type Score, score } from './losses.ts';
import { flattenLayers } from './topology.ts';

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

/** An engine for `model`. Throws `model_malformed`. */
export const layersEngine = (
  { tf, name, eager = name }: Backend,
  model: Tfjs.LayersModel,
  manifest: Manifest,
  kind: OutputKind,
): StepEngine => {
  const trained = model.trainableWeights;
  const variables = trained.map((weight) => weight.read() as Tfjs.Variable);
  const dropouts = dropoutLayers(model);
  const inputShape = model.inputs[0]?.shape.slice(1).map((size) => size ?? 1) ?? [];
  const outputs = model.outputs[0]?.shape.at(-1) ?? 1;

  // tfjs has one current backend; another trainer of this process may have chosen another since.
  const use = (): void => {
    switchBackend(tf, eager);
  };
  const inputOf = ({ features, size }: Batch): Tfjs.Tensor =>
    tf.tensor(features, [size, ...inputShape], 'float32');
  const targetOf = ({ labels, size }: Batch): Tfjs.Tensor =>
    kind === 'values'
      ? tf.tensor(Float32Array.from(labels), [size, outputs], 'float32')
      : tf.tensor(oneHotOf(labels, size, outputs), [size, outputs], 'float32');
  const run = (batch: Batch, learningRate: number): Tfjs.Tensor =>
    tf.tidy(() => {
      const target = targetOf(batch);
      let prediction: Tfjs.Tensor | undefined;
      const { grads, value } = tf.variableGrads(() => {
        const output = model.apply(inputOf(batch), { training: true }) as Tfjs.Tensor;
        prediction = tf.keep(output.clone());
        return batchLoss(tf, model, kind, output, target);
      }, variables);
      value.dispose();
      for (const [i, variable] of variables.entries()) {
        const gradient = grads[variable.name];
        if (gradient !== undefined)
          trained[i]?.write(tf.sub(variable, tf.mul(gradient, learningRate)));
      }
      if (prediction === undefined) throw new FloeError('internal', 'the model was not applied');
      return prediction;
    });

  const scored = async (outputsOf: Tfjs.Tensor, batch: Batch): Promise<Score> => {
    const values = await outputsOf.data<'float32'>();
    outputsOf.dispose();
    return score(kind, values, batch.labels, batch.size);
  };

  const seedDropout = (stream: RandomStream): void => {
    // tfjs takes 0 for no seed.
    for (const layer of dropouts) layer.seed = stream.below(2 ** 31 - 1) + 1;
  };

  return {
    load: (weights) => {
      use();
      let at = 0;
      // Weights behind the manifest's are a frozen base.
      for (const [i, weight] of model.weights.slice(0, manifest.tensors.length).entries()) {
        const shape = [...(manifest.tensors[i]?.shape ?? [])];
        const end = at + elementCount(shape);
        const values = weights.slice(at, end);
        tf.tidy(() => {
          weight.write(tf.tensor(values, shape, 'float32'));
        });
        at = end;
      }
    },
    step: ({ batch, learningRate, stream, scored: wanted }) => {
      use();
      seedDropout(stream);
      const prediction = run(batch, learningRate);
      if (wanted) return scored(prediction, batch);
      prediction.dispose();
      return undefined;
    },
    score: async (batch) => {
      use();
      const prediction = tf.tidy(
        () => model.apply(inputOf(batch), { training: false }) as Tfjs.Tensor,
      );
      return scored(prediction, batch);
    },
    read: async () => {
      use();
      const parts = await Promise.all(
        model.weights
          .slice(0, manifest.tensors.length)
          .map(async (weight) => weight.read().data<'float32'>()),
      );
      const flat = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of parts) {
        flat.set(part, at);
        at += part.length;
      }
      return flat;
    },
    // The model is the trainer's.
    dispose: () => undefined,
  };
};
