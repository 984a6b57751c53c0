/**
 * @module Whether a model, and the strategy's state that goes with it, are those that a run begins
 * with: its parent's, or the ones that the specification gives by rule.
 */
import { strategyOf } from '../algorithm/registry.ts';
import { initialState, stateHashOf } from '../algorithm/state.ts';
import { equalBytes } from '../bytes.ts';
import { initialModelHash } from '../model/first-model.ts';
import { partsOf, sizeOf } from '../model/parts.ts';
import type { RunSpec } from './run-spec.ts';

/**
 * Whether a run begins with the model of this hash: its parent's, or the one that its seed gives.
 */
export const mayBeginWith = ({ parent, model }: RunSpec, modelHash: Uint8Array): boolean =>
  equalBytes(parent === undefined ? initialModelHash(model) : parent.modelHash, modelHash);

/**
 * The state that goes with the first model: the parent's, or the one that the strategy begins with.
 */
export const mayBeginWithState = (spec: RunSpec, state: Uint8Array | undefined): boolean => {
  const expected = spec.parent?.stateHash ?? firstStateHash(spec);
  return expected === undefined || state === undefined
    ? expected === state
    : equalBytes(expected, state);
};

const firstStates = new WeakMap<RunSpec, Uint8Array>();

const firstStateHash = (spec: RunSpec): Uint8Array | undefined => {
  const chosen = strategyOf(spec);
  if (chosen.strategy.state.length === 0) return undefined;
  const known = firstStates.get(spec);
  if (known !== undefined) return known;
  const size = sizeOf(partsOf(spec.model.tensors, spec.training).trainable);
  const hash = stateHashOf(chosen, size, initialState(chosen, size));
  if (hash !== undefined) firstStates.set(spec, hash);
  return hash;
};
