/**
 * @module What a specification offers, as numbers that a participant's requirements bound.
 */
import { strategyOf } from '../protocol/algorithm/registry.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';

/** The largest weight of a class over the smallest; 1 where a contract weights none. */
export const weightRatio = (contract: RunSpec['data']): number => {
  const { weights = [] } = contract?.target.type === 'classes' ? contract.target : {};
  if (weights.length === 0) return 1;
  const largest = weights.reduce((a, b) => Math.max(a, b));
  return largest / weights.reduce((a, b) => Math.min(a, b));
};

/**
 * The largest norm of a vector that the strategy sends beside the update, such as twice the
 * `controlNorm` of SCAFFOLD; 0 of a strategy without any. One member moves the server's state by as
 * much times its share, in each round.
 *
 * @throws FloeError `strategy_unknown`
 */
export const strategyNorm = (spec: Pick<RunSpec, 'strategy' | 'robust'>): number => {
  const { strategy, parameters } = strategyOf(spec);
  return (strategy.member?.segments ?? []).reduce(
    (most, { clipNorm }) => Math.max(most, clipNorm(parameters)),
    0,
  );
};
