/**
 * @module FedNova (Wang et al. 2020, "Tackling the Objective Inconsistency Problem in Heterogeneous
 * Federated Optimization"): each update is divided by its number of local steps before the mean, so
 * that sites with more steps do not pull the model towards their own minimum.
 *
 *   w <- w + eta tau_eff sum_i p_i delta_i / tau_i,   tau_eff = sum_i p_i tau_i
 *
 * p_i is the fraction of the examples. tau_i counts steps of plain SGD, see
 * {@link MemberUpdate.effectiveSteps}. An update travels times nominalSteps / tau_i: with about as
 * many steps as sites make it has its usual length, which the scale of the rounding is made for.
 * The mean of tau_i travels under the same masks. It counts up to mostSteps, which bounds what a
 * false number of steps does: the step is at most mostSteps / nominalSteps times the mean, 4 unless
 * told. A site that makes more steps than that counts for mostSteps of them.
 */
import { serverLearningRate } from '../parameters.ts';
import type { Strategy } from '../strategy.ts';

const MOST = 1_000_000;
/** Of nominalSteps, where mostSteps is not given. */
const USUAL_FACTOR = 4;

const mostSteps = (parameters: Readonly<Record<string, number>>): number =>
  parameters['mostSteps']! || USUAL_FACTOR * parameters['nominalSteps']!;

export const fedNova: Strategy = {
  name: 'fednova',
  summary: 'averages updates per local step, where sites make unlike numbers of steps',
  source: 'Wang et al. 2020, equation 7',
  parameters: [
    serverLearningRate(1),
    {
      name: 'nominalSteps',
      default: 30,
      least: 1,
      most: MOST,
      help: 'local steps of a usual site: an update of as many travels as it is',
    },
    {
      name: 'mostSteps',
      default: 0,
      least: 0,
      most: MOST,
      help: 'local steps that a site counts for at most, 0: four times nominalSteps; over nominalSteps it is how far one liar can stretch a step',
    },
  ],
  state: [],
  member: {
    optimizers: ['sgd', 'momentum'],
    scalars: [{ name: 'localSteps', kind: 'mean', scale: 10 }],
    prepare: ({ parameters, delta, examples, effectiveSteps }) => {
      const factor = parameters['nominalSteps']! / effectiveSteps;
      for (let i = 0; i < delta.length; i += 1) delta[i] = delta[i]! * factor;
      return { localSteps: Math.min(effectiveSteps, mostSteps(parameters)) * examples };
    },
  },
  step: ({ parameters, totals, mean, before, after }) => {
    const steps = Math.min(totals.scalars['localSteps']!, mostSteps(parameters));
    const rate = (parameters['serverLearningRate']! * steps) / parameters['nominalSteps']!;
    for (let i = 0; i < after.length; i += 1) after[i] = before[i]! + rate * mean[i]!;
  },
};
