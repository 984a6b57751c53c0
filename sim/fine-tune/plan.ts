/**
 * @module How the sites of a scenario train the finished model further: as in the last round, so
 * many epochs as the scenario says.
 */
import { optimizerOf, rateOfRound } from '../../client/optimizer.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import type { Setup } from '../setup.ts';
import type { FineTunePlan } from './measure.ts';

/** Undefined where the scenario does not ask for it. */
export const planFineTune = ({
  scenario,
  master,
  spec,
  world,
  members,
}: Pick<Setup, 'scenario' | 'master' | 'spec' | 'world' | 'members'>): FineTunePlan | undefined => {
  const { fineTune, batchSize } = scenario;
  const { training, rounds } = spec;
  if (fineTune === undefined || training.holdout === undefined) return undefined;
  return {
    epochs: fineTune,
    batchSize,
    learningRate: rateOfRound(training, rounds, rounds),
    optimizer: optimizerOf(training),
    holdout: training.holdout,
    seed: deriveSeed(master, 'fine-tune'),
    world,
    parts: members.map(({ rows }) => rows),
  };
};
