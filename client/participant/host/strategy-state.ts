/**
 * @module What a participant's part of a strategy starts from: the server's vectors, which are in
 * the model, and those that the participant carries from round to round (site-state.ts). From both
 * follows the vector that is added to the gradient of local steps.
 */
import { correctionOf, strategyOf } from '../../../protocol/algorithm/registry.ts';
import { partsFor } from '../../../protocol/algorithm/round.ts';
import { trainableOf } from '../../../protocol/algorithm/segments.ts';
import { stateVectors } from '../../../protocol/algorithm/state.ts';
import type { Correction, MemberStart } from '../../../protocol/algorithm/strategy.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { parameterCount, put } from '../../../protocol/model/index.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import type { Keystore } from '../../keystore/keystore.ts';
import type { RunView } from '../machine/record-checks.ts';
import { createSiteState } from './site-state.ts';

type Start = Pick<MemberStart, 'state' | 'kept'>;

export interface StrategyState {
  /**
   * @param state of the model that the round starts from
   * @param summedIn see `site-state.ts`
   */
  enter(state: Float32Array, summedIn: number | undefined): Promise<Start>;
  /**
   * Keeps what follows from the attempt's vector; durable once it resolves.
   * @param before of `enter` in this attempt
   */
  propose(
    attempt: number,
    before: readonly Float32Array[],
    after: readonly Float32Array[],
  ): Promise<void>;
}

const joined = (vectors: readonly Float32Array[], size: number): Float32Array => {
  const all = new Float32Array(vectors.length * size);
  for (const [i, vector] of vectors.entries()) {
    if (vector.length !== size)
      throw new FloeError(
        'tensor_mismatch',
        `expected ${size} values to carry on, got ${vector.length}`,
      );
    all.set(vector, i * size);
  }
  return all;
};

export const strategyState = (
  { spec, run }: Pick<RunView, 'spec' | 'run'>,
  keystore: Pick<Keystore, 'saveLocal' | 'loadLocal'>,
): StrategyState => {
  const dimension = trainableOf(spec);
  const { kept = [] } = strategyOf(spec).strategy.member ?? {};
  const size = kept.length * dimension;
  const site = createSiteState({ keystore, run, part: 'strategy', size });
  return {
    enter: async (state, summedIn) => ({
      state: stateVectors(state, dimension),
      kept: size === 0 ? [] : stateVectors(await site.read(summedIn), dimension),
    }),
    propose: (attempt, before, after) =>
      site.propose(attempt, joined(before, dimension), joined(after, dimension)),
  };
};

/** What is added to the gradients of a round; undefined for most strategies. */
export const correctionOfRound = (spec: RunSpec, start: Start): Correction | undefined => {
  const { strategy, parameters } = strategyOf(spec);
  const correction = correctionOf(spec);
  const vector = strategy.member?.linear?.({ parameters, ...start });
  if (correction === undefined || vector === undefined) return correction;
  const linear = new Float32Array(parameterCount(spec.model));
  put(linear, partsFor(spec).trainable, vector);
  return { ...correction, linear };
};
