/**
 * @module Version 0 of a run: the parent that its specification names, or the model that its seed
 * gives; with the state of its strategy.
 */
import { trainableOf } from '../protocol/algorithm/segments.ts';
import { strategyOf } from '../protocol/algorithm/registry.ts';
import { initialState, stateHashOf } from '../protocol/algorithm/state.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { initialModel } from '../protocol/model/first-model.ts';
import { hashModel, roundToTypes } from '../protocol/model/index.ts';
import type { ModelContent } from '../protocol/model/open-model.ts';
import { mayBeginWith, mayBeginWithState } from '../protocol/spec/first-version.ts';
import type { CoordinatorInit } from './coordinator.ts';

type Init = Pick<CoordinatorInit, 'spec' | 'initialModel' | 'initialState'>;

const firstModel = ({ spec, ...init }: Init): Float32Array => {
  if (spec.parent === undefined) {
    if (init.initialModel !== undefined)
      throw new FloeError('spec_mismatch', 'the run begins with the model that its seed gives');
    return initialModel(spec.model);
  }
  if (init.initialModel === undefined)
    throw new FloeError(
      'spec_invalid',
      "the run begins with a parent, and the parent's is missing",
    );
  const { tensors } = spec.model;
  const hash = hashModel({ tensors }, roundToTypes(spec.model, init.initialModel));
  if (!mayBeginWith(spec, hash))
    throw new FloeError('spec_mismatch', `the run does not start from the model ${toHex(hash)}`);
  return init.initialModel;
};

/**
 * @throws FloeError `spec_invalid` if the parent or its state is missing; `spec_mismatch` if it
 * differs
 */
export const firstContent = (init: Init): ModelContent => {
  const { spec } = init;
  const weights = firstModel(init);
  const chosen = strategyOf(spec);
  const trainable = trainableOf(spec);
  const own = (): Float32Array => initialState(chosen, trainable);
  const state = spec.parent?.stateHash === undefined ? own() : init.initialState;
  if (state === undefined)
    throw new FloeError(
      'spec_invalid',
      "the run begins with its parent's state, and that is missing",
    );
  if (!mayBeginWithState(spec, stateHashOf(chosen, trainable, state)))
    throw new FloeError('spec_mismatch', 'the run does not start from this state of its strategy');
  return { weights, state };
};
