/**
 * @module A model as an ONNX file with its weights: `input` [n, ...] to `output` [n, ...],
 * probabilities for classes and labels, the model's values for regression. The forward pass is
 * recorded as in training, for one example, and ONNX's Scan applies it to each.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';
import { loadModel, type PredictorInit } from '../evaluate/predictor.ts';
import { Unrecordable } from '../recorded/lower/tape.ts';
import { forwardOnnx } from '../recorded/onnx/compile.ts';
import { planOf } from '../recorded/plan.ts';
import { record } from '../recorded/record.ts';
import type { Objective } from '../tfjs/objective.ts';
import type { Facts } from './facts.ts';

/** The whole model: with the activation that a loss takes in, and with one where it has none. */
const whole = (tf: typeof Tfjs, objective: Objective): Objective => {
  const isEach = objective.task.type === 'binary' || objective.task.type === 'multi-label';
  const finish = (outputs: Tfjs.Tensor): Tfjs.Tensor => {
    if (objective.outputs !== 'logits') return outputs;
    return isEach ? tf.sigmoid(outputs) : tf.softmax(outputs);
  };
  return { ...objective, apply: (x, training) => finish(objective.apply(x, training)) };
};

/**
 * @param facts travel in `metadata_props`
 * @throws FloeError `model_malformed` for a model that cannot be recorded, and what `loadModel`
 * throws
 */
export const exportOnnx = async (
  init: Omit<PredictorInit, 'backend'>,
  facts: Facts = {},
): Promise<Uint8Array> => {
  const { backend, model, objective } = await loadModel({ ...init, backend: 'cpu' });
  const { tf } = backend;
  try {
    const plan = planOf(record({ tf, model, objective: whole(tf, objective), size: 1 }));
    return forwardOnnx({
      plan,
      weights: model.weights.map((weight) => weight.read().dataSync<'float32'>().slice()),
      input: (model.inputs[0]?.shape ?? []).slice(1).map((size) => size ?? 1),
      output: objective.shape,
      metadata: facts,
    });
  } catch (thrown) {
    if (!(thrown instanceof Unrecordable)) throw thrown;
    throw new FloeError(
      'model_malformed',
      `--onnx: ${thrown.message} has no form in ONNX`,
      {},
      { cause: thrown },
    );
  } finally {
    model.dispose();
  }
};
