/**
 * @module SCAFFOLD (Karimireddy et al. 2020, "SCAFFOLD: Stochastic Controlled Averaging for
 * Federated Learning", algorithm 1 with option II): local steps follow g - c_i + c, so that sites
 * with unlike data do not drift apart. c_i is the participant's own mean gradient of the last round
 * it took part in, c the mean over all participants.
 *
 *   c_i+ = c_i - c + (w - w_i) / (K eta_l)      K: local steps of plain SGD
 *   w <- w + eta Delta
 *   c <- c + |S| / N  mean(c_i+ - c_i)
 *
 * Masked and bounded: c_i+ is clipped to the norm C and travels as the change c_i+ - c_i, of norm
 * 2C at most. A participant moves its c_i by what of that is in the sum, rounded; so c stays the
 * mean of the c_i. One liar moves c by at most 2C times its share in a round, and no value of c
 * leaves [-C, C]. The paper weighs all participants alike; here updates and changes are weighted by
 * examples, and both describe the same objective, the mean over all examples.
 */
import { participation, population, serverLearningRate } from '../parameters.ts';
import type { MemberUpdate, ParameterSpec, Strategy } from '../strategy.ts';

const controlNorm: ParameterSpec = {
  name: 'controlNorm',
  default: 5,
  above: 0,
  most: 1e6,
  help: "L2 bound of a participant's control variate, which is a mean gradient",
};

/** The mean gradient of the local steps without their correction, clipped. */
const control = ({ parameters, delta, state, kept, ...update }: MemberUpdate): Float32Array => {
  const [server, own] = [state[0]!, kept[0]!];
  const scale = 1 / (update.effectiveSteps * update.learningRate);
  const next = new Float32Array(delta.length);
  let squares = 0;
  for (let i = 0; i < next.length; i += 1) {
    next[i] = own[i]! - server[i]! - delta[i]! * scale;
    squares += next[i]! * next[i]!;
  }
  const norm = Math.sqrt(squares);
  const most = parameters['controlNorm']!;
  if (norm > most) for (let i = 0; i < next.length; i += 1) next[i] = next[i]! * (most / norm);
  return next;
};

export const scaffold: Strategy = {
  name: 'scaffold',
  summary: 'corrects local steps by control variates, which travel beside the updates',
  source: 'Karimireddy et al. 2020, algorithm 1 (option II)',
  parameters: [serverLearningRate(1), population, controlNorm],
  state: [{ name: 'control' }],
  member: {
    scalars: [],
    prepare: () => ({}),
    kept: [{ name: 'control' }],
    optimizers: ['sgd', 'momentum'],
    segments: [
      {
        name: 'control',
        clipNorm: (parameters) => 2 * parameters['controlNorm']!,
        weighted: true,
      },
    ],
    linear: ({ state, kept }) => {
      const [server, own] = [state[0]!, kept[0]!];
      return server.map((value, i) => value - own[i]!);
    },
    vectors: (update) => {
      const own = update.kept[0]!;
      return [control(update).map((value, i) => value - own[i]!)];
    },
    advance: ({ kept }, { vectors }) => [kept[0]!.map((value, i) => value + vectors[0]![i]!)],
  },
  step: ({ parameters, totals, mean, extra, before, stateBefore, after, stateAfter }) => {
    const rate = parameters['serverLearningRate']!;
    const most = parameters['controlNorm']!;
    const fraction = participation(totals.survivors, parameters['population']!);
    const [change, old, next] = [extra[0]!, stateBefore[0]!, stateAfter[0]!];
    for (let i = 0; i < after.length; i += 1) {
      after[i] = before[i]! + rate * mean[i]!;
      next[i] = Math.max(-most, Math.min(most, old[i]! + fraction * change[i]!));
    }
  },
};
