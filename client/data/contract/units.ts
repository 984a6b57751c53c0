/** @module Predictions of a regression in the units of the contract's target. */
import type { ContractTarget } from '../../../protocol/spec/contract.ts';

/**
 * Undoes the normalisation of the target.
 *
 * @param values row-major, a number for each column of the target; other targets are returned as
 * they are
 * @returns y = p * scale + mean, in float64
 */
export const denormalise = (
  values: ArrayLike<number>,
  target: ContractTarget,
): Float64Array<ArrayBuffer> => {
  const columns = target.type === 'values' ? target.columns : [];
  return Float64Array.from(values, (value, i) => {
    const by = columns[i % Math.max(1, columns.length)]?.normalise;
    return by === undefined ? value : value * by.scale + by.mean;
  });
};

/**
 * The scale of each column of the target, 1 where it is not normalised: an absolute error in its
 * units is that many times the model's, a squared error the square of it.
 */
export const scalesOfTarget = (target: ContractTarget): readonly number[] =>
  target.type === 'values' ? target.columns.map(({ normalise }) => normalise?.scale ?? 1) : [];
