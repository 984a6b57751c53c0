/**
 * @module What a new run begins with: the model that its seed gives, or a model that was there
 * before.
 */
import { isCarriedBySites, type StrategySpec } from '../algorithm/registry.ts';
import { NO_STATE } from '../algorithm/state.ts';
import { equalBytes } from '../bytes.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import type { ModelContent } from './open-model.ts';

export interface Beginning {
  readonly model: RunSpec['model'];
  /** Where the run begins with a model that was there before: that model, and its flat weights. */
  readonly parent?: NonNullable<RunSpec['parent']>;
  readonly weights?: Float32Array;
  /** The data contract of the run that this model is from. */
  readonly data?: RunSpec['data'];
  /** What the strategy of that model carried, and which strategy that is. */
  readonly carried?: { readonly state: Float32Array; readonly strategy: StrategySpec };
}

const NO_CODE = new Uint8Array();

/**
 * The parent of a new run: with its state where both have the same strategy, whatever its
 * parameters. Another strategy begins with its own state, and so does one whose participants carry
 * a part of it.
 */
export const parentFor = (
  { parent, carried }: Beginning,
  { name, code }: Pick<StrategySpec, 'name' | 'code'>,
): Beginning['parent'] => {
  if (parent === undefined) return undefined;
  const { stateHash: _, ...others } = parent;
  const before = carried?.strategy;
  const isSame = before?.name === name && equalBytes(before.code ?? NO_CODE, code ?? NO_CODE);
  return isSame && !isCarriedBySites(name) ? parent : others;
};

/** The weights and the state of the parent, of a run that begins with one. */
export const contentOf = ({ weights, carried }: Beginning): ModelContent | undefined =>
  weights && { weights, state: carried?.state ?? NO_STATE };
