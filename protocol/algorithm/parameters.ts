/**
 * @module Parameters that several strategies have, with the ranges and the help of all of them.
 */
import { ofNormalisedStep, ofProportionalStep } from './buffered-rate.ts';
import type { ParameterSpec } from './strategy.ts';

type Named<Name extends string> = ParameterSpec & { readonly name: Name };

const MEAN_HELP = 'the mean update is multiplied by this';

export const serverLearningRate = (
  usual: number,
  help = MEAN_HELP,
  buffered = ofProportionalStep,
): Named<'serverLearningRate'> => ({
  name: 'serverLearningRate',
  default: usual,
  above: 0,
  most: 1000,
  help: `${help}; less by default with --buffer`,
  buffered,
});

/** The step is divided by a root mean square. */
const ADAPTIVE_HELP = 'eta: about the most that a parameter moves in a round';

/** The rate of a step whose length does not follow that of the mean. */
export const adaptiveRate = (usual: number): Named<'serverLearningRate'> =>
  serverLearningRate(usual, ADAPTIVE_HELP, ofNormalisedStep);

export const beta1 = (usual: number): Named<'beta1'> => ({
  name: 'beta1',
  default: usual,
  least: 0,
  most: 0.999_999,
  help: 'decay of the mean of updates',
});

export const beta2 = (usual: number): Named<'beta2'> => ({
  name: 'beta2',
  default: usual,
  least: 0,
  most: 0.999_999,
  help: 'decay of the mean of squares',
});

export const tau = (usual: number): Named<'tau'> => ({
  name: 'tau',
  default: usual,
  above: 0,
  most: 1,
  help: 'how adaptive the step is: less is more',
});

export const momentum = (usual: number): Named<'momentum'> => ({
  name: 'momentum',
  default: usual,
  least: 0,
  most: 0.999_999,
  help: 'decay of the sum of updates',
});

/**
 * Of strategies whose participants carry a vector: the server's one is the mean over all of them,
 * those that take no part in the round included.
 */
export const population: Named<'population'> = {
  name: 'population',
  default: 1,
  least: 1,
  most: 1_000_000,
  help: 'participants of the run: members of a closed run unless given; 1 if all are in every round',
  isMembers: true,
};

/** The fraction of the participants that is in a sum. */
export const participation = (survivors: number, everybody: number): number =>
  Math.min(1, survivors / everybody);
