/**
 * @module What the specification of a run asks a trainer for in a round, whatever the model and the
 * participant.
 */
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { optimizerOf, rateOfRound } from './optimizer.ts';
import type { TrainRequest } from './trainer.ts';

/** @param round counts the commits of the run, from 1 */
export const requestOfRound = (
  { training, rounds }: Pick<RunSpec, 'training' | 'rounds'>,
  round: number,
): Omit<TrainRequest, 'weights' | 'seed'> => {
  const { epochs, batchSize, localSteps: steps } = training;
  const optimizer = optimizerOf(training);
  return {
    round,
    epochs,
    batchSize,
    learningRate: rateOfRound(training, round, rounds),
    ...(steps === undefined ? {} : { steps }),
    ...(optimizer === undefined ? {} : { optimizer }),
  };
};
