/**
 * @module What evaluation, prediction and fine-tuning share: options, the model opened to predict,
 * labelled examples as it takes them, and its scores on them. Node only.
 */
import type { Contract } from '../../protocol/spec/contract.ts';
import type { BaseWeights } from '../adapters/base.ts';
import type { Mapping } from '../data/contract/mapping.ts';
import { labelLength, rowOf, type Dataset } from '../data/dataset.ts';
import type { LoadOptions } from '../data/load-node.ts';
import { namesOfTarget } from '../export/facts.ts';
import type { Task } from '../task.ts';
import type { BackendChoice } from '../tfjs/backends.ts';
import { evaluatePredictions, type Evaluation } from './evaluation.ts';
import { labelledExamples, type GivenData } from './examples.ts';
import type { ReadModel } from './open-model.ts';
import { openPredictor } from './predictor.ts';

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

export const normalisationsOf = (contract: Contract | undefined) =>
  contract?.target.type === 'values'
    ? contract.target.columns.map(({ normalise }) => normalise)
    : undefined;

export const namesOf = (contract: Contract | undefined): readonly string[] | undefined =>
  contract === undefined
    ? undefined
    : contract.target.type === 'values'
      ? contract.target.columns.map(({ name }) => name)
      : namesOfTarget(contract);

export const openFor = (
  model: ReadModel,
  options: UseOptions,
  labels?: Int32Array | Float32Array,
) =>
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

/** @throws FloeError `data_unmapped`, `data_unfit`, `data_malformed`, `mapping_invalid` */
export const examplesOf = (
  { contract, task }: ReadModel,
  data: GivenData,
  options: UseOptions,
): Promise<Dataset> => {
  const declared = task ?? options.task;
  const isValues = declared?.type === 'regression' || declared?.type === 'multi-label';
  return labelledExamples(data, contract, options, isValues, options.read);
};

/** @param examples as {@link examplesOf} gives them, or a part of them */
export const scoreExamples = async (
  model: ReadModel,
  examples: Dataset,
  options: UseOptions,
): Promise<Evaluation> => {
  const labels = orderedLabels(examples);
  const predictor = await openFor(model, options, labels);
  try {
    return evaluatePredictions({
      task: predictor.task,
      predictions: await predictor.predict(examples),
      labels,
      columns: predictor.columns,
      names: namesOf(model.contract) ?? examples.classNames,
      normalisations: normalisationsOf(model.contract),
    });
  } finally {
    predictor.dispose();
  }
};
