/**
 * @module Evaluate a model on labelled data, and predict: the calls behind `floe evaluate` and
 * `floe predict`. Node only.
 */
import { FloeError } from '../../protocol/errors.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { largestOf } from './classes.ts';
import { inUnits, type Evaluation } from './evaluation.ts';
import { bareExamples, type GivenData } from './examples.ts';
import type { ReadModel } from './open-model.ts';
import type { Predictions } from './prediction-file.ts';
import type { Predictor } from './predictor.ts';
import {
  examplesOf,
  namesOf,
  normalisationsOf,
  openFor,
  scoreExamples,
  type UseOptions,
} from './score-model.ts';

export { describeEvaluation, type Evaluation } from './evaluation.ts';
export { fineTune, saveTuned, type FineTuned, type FineTuneOptions } from './fine-tune.ts';
export { openModelToUse, type ReadModel } from './open-model.ts';
export { predictionsAsCsv, type Predictions } from './prediction-file.ts';
export type { UseOptions } from './score-model.ts';

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
): Promise<Evaluation> => scoreExamples(model, await examplesOf(model, data, options), options);

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
