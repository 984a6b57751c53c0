/**
 * @module Evaluate a model on labelled data, and predict: the calls behind `floe evaluate` and
 * `floe predict`. Node only.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import type { BaseWeights } from '../adapters/base.ts';
import type { Mapping } from '../data/contract/mapping.ts';
import type { LoadOptions } from '../data/load-node.ts';
import { labelLength, rowOf, type Dataset } from '../data/dataset.ts';
import { namesOfTarget } from '../export/facts.ts';
import type { Task } from '../task.ts';
import type { BackendChoice } from '../tfjs/backends.ts';
import { largestOf } from './classes.ts';
import { evaluatePredictions, inUnits, type Evaluation } from './evaluation.ts';
import { bareExamples, labelledExamples, type GivenData } from './examples.ts';
import type { ReadModel } from './open-model.ts';
import type { Predictions } from './prediction-file.ts';
import { openPredictor, type Predictor } from './predictor.ts';

export { describeEvaluation, type Evaluation } from './evaluation.ts';
export { openModelToUse, type ReadModel } from './open-model.ts';
export { predictionsAsCsv, type Predictions } from './prediction-file.ts';

export interface UseOptions {
  /** How the columns and values of the data are called in the contract. */
  readonly mapping?: Mapping | undefined;
  /** The task, of a run that declares none and has no contract. */
  readonly task?: Task | undefined;
  /** The frozen weights under the model's, where there are some. */
  readonly base?: BaseWeights | undefined;
  /** How a path is read. Of a source with parts the part `test` is taken. */
  readonly read?: Omit<LoadOptions, 'part'> | undefined;
  /** Told of columns that lie so far from the contract as another unit does. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Default `auto`. */
  readonly backend?: BackendChoice | undefined;
}

const normalisationsOf = (contract: Contract | undefined) =>
  contract?.target.type === 'values'
    ? contract.target.columns.map(({ normalise }) => normalise)
    : undefined;

const namesOf = (contract: Contract | undefined): readonly string[] | undefined =>
  contract === undefined
    ? undefined
    : contract.target.type === 'values'
      ? contract.target.columns.map(({ name }) => name)
      : namesOfTarget(contract);

const openFor = (model: ReadModel, options: UseOptions, labels?: Int32Array | Float32Array) =>
  openPredictor({
    model: model.build,
    manifest: model.manifest,
    weights: model.weights,
    task: model.task ?? options.task,
    labels,
    base: options.base,
    backend: options.backend,
  });

/** Labels in the order of the examples: a data set may be a view of more rows. */
const orderedLabels = (data: Dataset): Int32Array | Float32Array => {
  const { labels, size } = data;
  const width = labelLength(data);
  const made = new (labels instanceof Int32Array ? Int32Array : Float32Array)(size * width);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < width; j++) made[i * width + j] = labels[rowOf(data, i) * width + j] ?? 0;
  return made;
};

/**
 * The scores of a model on labelled data.
 *
 * @param model of `openModelToUse` @param data a path, a table, or examples
 * @example
 * const model = await openModelToUse('model');
 * const { scores, confusion } = await evaluateModel(model, 'test.csv');
 * @throws FloeError `data_unmapped`, `data_unfit`, `data_malformed`, `mapping_invalid`,
 * `model_malformed`, `tensor_mismatch`, `backend_unavailable`
 */
export const evaluateModel = async (
  model: ReadModel,
  data: GivenData,
  options: UseOptions = {},
): Promise<Evaluation> => {
  const { contract } = model;
  const declared = model.task ?? options.task;
  const isValues = declared?.type === 'regression' || declared?.type === 'multi-label';
  const examples = await labelledExamples(data, contract, options, isValues, options.read);
  const labels = orderedLabels(examples);
  const predictor = await openFor(model, options, labels);
  try {
    return evaluatePredictions({
      task: predictor.task,
      predictions: await predictor.predict(examples),
      labels,
      columns: predictor.columns,
      names: namesOf(contract) ?? examples.classNames,
      normalisations: normalisationsOf(contract),
    });
  } finally {
    predictor.dispose();
  }
};

const describePredictions = (
  { task, columns }: Predictor,
  raw: Float32Array,
  contract: Contract | undefined,
): Predictions => {
  const names = namesOf(contract) ?? Array.from({ length: columns }, (_, i) => String(i));
  const examples = raw.length / columns;
  const values = inUnits(raw, columns, normalisationsOf(contract));
  const target = contract?.target.type === 'classes' ? contract.target.name : 'prediction';
  const common = { task: task.type, examples, names, target, values };
  if (task.type !== 'multi-class' && task.type !== 'binary') return common;
  return {
    ...common,
    classes: Array.from(
      { length: examples },
      (_, i) => names[largestOf(values, i * columns, columns)] ?? '',
    ),
  };
};

/**
 * Predictions for data whose target may be missing.
 *
 * @param model of `openModelToUse` @param data a path, a table, or examples
 * @throws FloeError as `evaluateModel`; `usage` for the task `sequence`
 */
export const predict = async (
  model: ReadModel,
  data: GivenData,
  options: UseOptions = {},
): Promise<Predictions> => {
  const predictor = await openFor(model, options);
  try {
    if (predictor.task.type === 'sequence')
      throw new FloeError('usage', 'a model that answers for each token has no table of answers');
    const { contract } = model;
    const { inputShape } = predictor;
    const examples = await bareExamples(data, contract, options, inputShape, options.read);
    const found = describePredictions(predictor, await predictor.predict(examples), contract);
    const { rowNames: files } = examples;
    return files === undefined ? found : { ...found, files };
  } finally {
    predictor.dispose();
  }
};
