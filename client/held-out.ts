/**
 * @module A trainer that tests every model on held-out examples before it trains: the test metrics
 * of a run. The model that is tested is the one that the round begins with.
 */
import { HELD_OUT, type MetricSpec } from '../protocol/algorithm/metrics.ts';
import { isCount } from '../protocol/algorithm/test-counts.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Dataset } from './data/dataset.ts';
import { holdOut } from './data/holdout.ts';
import { countsOf } from './test-counts.ts';
import { withTrain, type EvaluateResult, type Trainer } from './trainer.ts';

type Sums = Readonly<Record<string, number>>;

/** Every metric of a task: a specification takes those that it declares. */
const NOTHING: Sums = {
  [HELD_OUT]: 0,
  testLoss: 0,
  testAccuracy: 0,
  testMae: 0,
  testMse: 0,
};

const sumsOf = ({ examples, lossSum, correct, metrics = {} }: EvaluateResult): Sums => ({
  ...NOTHING,
  [HELD_OUT]: examples,
  testLoss: lossSum,
  testAccuracy: correct,
  ...(metrics['mae'] === undefined ? {} : { testMae: metrics['mae'] }),
  ...(metrics['mse'] === undefined ? {} : { testMse: metrics['mse'] }),
});

/**
 * Adds the test metrics to what `trainer` measures. Its `evaluate` must take examples.
 *
 * @param test absent where nothing was held out: the sums are 0
 * @param declared metrics of the specification; counts of classes or tokens need `predict`
 * @throws FloeError `metric_out_of_range` for a trainer without it
 */
export const testingTrainer = (
  trainer: Trainer,
  test: Dataset | undefined,
  declared: readonly MetricSpec[] = [],
): Trainer => {
  const counted = declared.find(isCount);
  if (counted !== undefined && trainer.predict === undefined)
    throw new FloeError(
      'metric_out_of_range',
      `metric ${counted.name}: expected a trainer with predict, ${trainer.backend} has none`,
      { metric: counted.name },
    );
  return withTrain(trainer, async (request) => {
    const { weights } = request;
    const sums = test === undefined ? NOTHING : sumsOf(await trainer.evaluate(weights, test));
    const predictions =
      test === undefined || counted === undefined
        ? undefined
        : await trainer.predict?.(weights, test);
    const counts = countsOf(declared, test, predictions);
    const result = await trainer.train(request);
    return { ...result, metrics: { ...result.metrics, ...sums, ...counts } };
  });
};

/**
 * The trainer of a run that may hold examples out.
 *
 * @param holdout of the specification's training
 * @param make makes the trainer of the examples to train on
 * @param declared metrics of the specification
 * @throws FloeError `data_unfit` where nothing is left to train on, and what `make` throws
 */
export const trainerHoldingOut = async (
  data: Dataset,
  holdout: number | undefined,
  make: (train: Dataset) => Promise<Trainer> | Trainer,
  declared: readonly MetricSpec[] = [],
): Promise<Trainer> => {
  if (holdout === undefined) return make(data);
  const { train, test } = holdOut(data, holdout);
  if (train.size === 0)
    throw new FloeError('data_unfit', `no example is left to train on: ${data.size} in all`);
  return testingTrainer(await make(train), test, declared);
};
