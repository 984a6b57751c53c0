/**
 * @module The task that a model's last operation implies, where nobody declares one and there are
 * no labels.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { TaskType } from '../task.ts';
import { lastOperation } from './last-operation.ts';

/** @param outputs of one example: [outputs], or [steps, outputs] */
export const impliedByModel = (
  tf: typeof Tfjs,
  model: Tfjs.LayersModel,
  outputs: readonly number[],
): TaskType => {
  const { activation } = lastOperation(tf, model);
  if (activation === 'softmax') return outputs.length === 2 ? 'sequence' : 'multi-class';
  if (activation === 'sigmoid') return outputs.at(-1) === 1 ? 'binary' : 'multi-label';
  return 'regression';
};
