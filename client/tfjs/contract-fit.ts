/** @module Whether a model takes the examples of a data contract, and gives what its target has. */
import { FloeError } from '../../protocol/errors.ts';
import {
  type Contract,
  contractViolation,
  outputsOfTarget,
  shapeOfInput,
} from '../../protocol/spec/contract.ts';
import type { Objective } from './objective.ts';

/** @throws FloeError `contract_invalid` naming the field, what it says and what the model has */
export const requireContract = (
  contract: Contract,
  inputShape: readonly (number | null)[],
  { task, columns }: Pick<Objective, 'task' | 'columns'>,
): void => {
  const violation = contractViolation(contract, task.type);
  if (violation !== undefined) throw new FloeError('contract_invalid', violation);
  const shape = shapeOfInput(contract.input);
  const fits =
    shape.length === inputShape.length &&
    inputShape.every((size, i) => size === null || size === shape[i]);
  if (!fits)
    throw new FloeError(
      'contract_invalid',
      `data.input: the contract gives examples of shape [${shape.join(', ')}], the model takes [${inputShape.map((size) => size ?? 'any').join(', ')}]`,
    );
  const outputs = outputsOfTarget(contract.target, task.type);
  if (outputs !== columns)
    throw new FloeError(
      'contract_invalid',
      `data.target: the contract has ${outputs} outputs, the model gives ${columns}`,
    );
};
