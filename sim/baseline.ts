/**
 * @module How much the centralised baseline trains: the same model with the same learning rate on
 * all the data in one place, as many examples as the federation sees but at most three passes, in
 * batches of at least 32, so that it costs a fraction of the run it is compared with.
 */
import { optimizerOf } from '../client/optimizer.ts';
import type { BaselinePlan } from './analysis.ts';
import type { ScenarioData } from './data.ts';
import type { Scenario } from './scenario.ts';

const MAX_EPOCHS = 3;
const MIN_BATCH = 32;
/** Evaluations along the way. */
const POINTS = 12;

export interface ScenarioBaseline extends BaselinePlan {
  /** Examples that one federated round trains on: the unit in which the report compares the two. */
  readonly perRound: number;
}

export const planBaseline = (scenario: Scenario, data: ScenarioData): ScenarioBaseline => {
  const { size } = data.train;
  const { localSteps, participants, cohort } = scenario;
  const each =
    localSteps === undefined
      ? (size / participants) * scenario.epochs
      : localSteps * Math.min(scenario.batchSize, size / participants);
  const perRound = each * cohort;
  const epochs = Math.min(MAX_EPOCHS, (perRound * scenario.rounds) / size);
  const batchSize = Math.min(Math.max(MIN_BATCH, scenario.batchSize), size);
  return {
    epochs,
    batchSize,
    learningRate: scenario.learningRate,
    optimizer: optimizerOf(scenario),
    stretch: Math.max(batchSize, Math.ceil((epochs * size) / POINTS)),
    perRound,
  };
};
