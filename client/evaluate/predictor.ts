/**
 * @module A model that predicts: the weights of a round in the model of its specification, applied
 * to examples in batches. Outputs are probabilities for classes and labels, and the model's own
 * (normalised) values for regression.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { elementCount, type Manifest } from '../../protocol/model/manifest.ts';
import { FloeError } from '../../protocol/errors.ts';
import { loadBase, type BaseWeights } from '../adapters/base.ts';
import { featureLength, type Dataset } from '../data/dataset.ts';
import type { Task } from '../task.ts';
import {
  selectBackend,
  switchBackend,
  type Backend,
  type BackendChoice,
} from '../tfjs/backends.ts';
import { gather } from '../tfjs/engine.ts';
import { impliedByModel } from '../tfjs/implied-task.ts';
import type { ModelFunction } from '../tfjs/models.ts';
import { objectiveOf, outputShape, type Objective } from '../tfjs/objective.ts';

export interface PredictorInit {
  readonly model: ModelFunction;
  /** Names and shapes of the weights. */
  readonly manifest: Manifest;
  /** Flat, in the manifest's order. */
  readonly weights: Float32Array;
  readonly task: Task | undefined;
  /** Where no task is declared: labels of examples, whose type then implies it. */
  readonly labels?: Dataset['labels'] | undefined;
  /** The frozen weights under the manifest's, where there are some. */
  readonly base?: BaseWeights | undefined;
  /** Default `auto`. */
  readonly backend?: BackendChoice | undefined;
}

export interface Predictor {
  readonly task: Required<Task>;
  /** Shape of one example. */
  readonly inputShape: readonly (number | null)[];
  /** Numbers of one row of `predict`: classes (2 for `binary`), labels or values. */
  readonly columns: number;
  /** Rows of one example: its tokens for `sequence`, else 1. */
  readonly steps: number;
  /** Row-major. @throws FloeError `data_unfit` */
  predict(data: Dataset): Promise<Float32Array>;
  dispose(): void;
}

const BATCH = 256;

const softmaxRows = (values: Float32Array, columns: number): Float32Array => {
  for (let at = 0; at < values.length; at += columns) {
    const row = values.subarray(at, at + columns);
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    let sum = 0;
    for (const [j, value] of row.entries()) sum += row[j] = Math.exp(value - largest);
    for (const [j, value] of row.entries()) row[j] = value / sum;
  }
  return values;
};

/** The model's own outputs as probabilities, or values. */
const asPredictions = ({ task, outputs, columns }: Objective, raw: Float32Array): Float32Array => {
  if (task.type === 'regression') return raw;
  const isLogits = outputs === 'logits';
  if (task.type === 'multi-class' || task.type === 'sequence')
    return isLogits ? softmaxRows(raw, columns) : raw;
  const each = isLogits ? raw.map((value) => 1 / (1 + Math.exp(-value))) : raw;
  if (task.type === 'multi-label') return each;
  return Float32Array.from({ length: 2 * each.length }, (_, i) => {
    const p = each[i >> 1] ?? 0;
    return i % 2 === 0 ? 1 - p : p;
  });
};

/** @throws FloeError `tensor_mismatch` where the weights are of another model */
export const loadWeights = (
  tf: typeof Tfjs,
  model: Tfjs.LayersModel,
  { manifest, weights }: Pick<PredictorInit, 'manifest' | 'weights'>,
): void => {
  let at = 0;
  const travelling = model.weights.slice(0, manifest.tensors.length);
  for (const [i, { shape, name }] of manifest.tensors.entries()) {
    const weight = travelling[i];
    if (weight === undefined || weight.shape.join() !== shape.join())
      throw new FloeError(
        'tensor_mismatch',
        `${name}: the model has ${weight === undefined ? 'no such tensor' : `[${weight.shape.join(', ')}]`}, the file [${shape.join(', ')}]`,
      );
    const values = weights.slice(at, (at += elementCount(shape)));
    tf.tidy(() => {
      weight.write(tf.tensor(values, [...shape], 'float32'));
    });
  }
};

const requireFit = (inputShape: readonly (number | null)[], { featureShape }: Dataset): void => {
  const fits =
    inputShape.length === featureShape.length &&
    inputShape.every((size, i) => size === null || size === featureShape[i]);
  if (!fits)
    throw new FloeError(
      'data_unfit',
      `the model takes examples of shape [${inputShape.map((size) => size ?? 'any').join(', ')}], ` +
        `the data has [${featureShape.join(', ')}]`,
    );
};

export interface LoadedModel {
  readonly backend: Backend;
  /** The caller disposes of it. */
  readonly model: Tfjs.LayersModel;
  readonly objective: Objective;
}

/**
 * Builds the model and loads its weights.
 * @throws FloeError `model_malformed`, `tensor_mismatch`, `base_mismatch`, `backend_unavailable`
 */
export const loadModel = async (init: PredictorInit): Promise<LoadedModel> => {
  const backend = await selectBackend({ prefer: init.backend ?? 'auto' });
  const { tf } = backend;
  const model = await init.model(tf);
  try {
    if (init.base !== undefined) loadBase(tf, model, init.base);
    loadWeights(tf, model, init);
    const { labels = new Int32Array() } = init;
    const implied =
      init.labels === undefined ? impliedByModel(tf, model, outputShape(model)) : undefined;
    const objective = objectiveOf(tf, model, { labels }, { task: init.task ?? implied });
    return { backend, model, objective };
  } catch (thrown) {
    model.dispose();
    throw thrown;
  }
};

/** Numbers of one row of {@link predictRows}. */
export const columnsOf = ({ task, columns }: Objective): number =>
  task.type === 'binary' ? 2 : columns;

/** Rows of one example: its tokens for `sequence`, else 1. */
export const stepsOf = ({ task, columns, width }: Objective): number =>
  task.type === 'sequence' ? width / columns : 1;

/** What a model with its weights in place gives for examples, row-major, in batches. */
export const predictRows = async (
  { tf, name, eager = name }: Backend,
  objective: Objective,
  data: Dataset,
): Promise<Float32Array> => {
  const predictBatch = async (order: Uint32Array): Promise<Float32Array> => {
    const batch = gather(data, order);
    switchBackend(tf, eager);
    const output = tf.tidy(() =>
      objective.apply(
        tf.tensor(batch.features, [batch.size, ...data.featureShape], 'float32'),
        false,
      ),
    );
    try {
      return asPredictions(objective, Float32Array.from(await output.data<'float32'>()));
    } finally {
      output.dispose();
    }
  };
  const perExample = columnsOf(objective) * (objective.width / objective.columns);
  const all = new Float32Array(data.size * perExample);
  // Batches of large examples are smaller: 64 MB of features at most.
  const most = Math.max(1, Math.min(BATCH, Math.floor(2 ** 24 / featureLength(data))));
  for (let at = 0; at < data.size; at += most) {
    const length = Math.min(most, data.size - at);
    const order = Uint32Array.from({ length }, (_, i) => at + i);
    all.set(await predictBatch(order), at * perExample);
  }
  return all;
};

/** @throws FloeError as `loadModel` */
export const openPredictor = async (init: PredictorInit): Promise<Predictor> => {
  const { backend, model, objective } = await loadModel(init);
  const inputShape = (model.inputs[0]?.shape ?? []).slice(1);
  return {
    task: objective.task,
    inputShape,
    columns: columnsOf(objective),
    steps: stepsOf(objective),
    predict: async (data) => {
      requireFit(inputShape, data);
      return predictRows(backend, objective, data);
    },
    dispose: () => {
      model.dispose();
    },
  };
};
