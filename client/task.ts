/**
 * @module The task of a model, declared in the run specification or by the caller of a trainer. It
 * determines the loss, the valid labels and the metrics.
 */
import { FloeError } from '../protocol/errors.ts';

/** `squared`: the mean squared error; `absolute`: the mean absolute error; `huber`: see `delta`. */
export type RegressionLoss = 'squared' | 'absolute' | 'huber';

/**
 * The loss of an example; a batch's is the mean over its examples.
 *
 * - `multi-class`: cross-entropy of one class of K; the model gives K outputs.
 * - `binary`: binary cross-entropy of a label 0 or 1; one output.
 * - `multi-label`: the mean over K labels of 0 or 1, each on its own; K outputs.
 * - `regression`: the mean over the outputs of (p - y)^2, of |p - y|, or of Huber's loss, which is
 *   d^2 / 2 up to |d| = `delta` and `delta` (|d| - `delta` / 2) beyond.
 * - `sequence`: the mean over the tokens that are not `padding` of the cross-entropy of one class
 *   of
 *   K; outputs [steps, K], labels [steps].
 */
export type Task =
  | { readonly type: 'multi-class' | 'binary' | 'multi-label' }
  | {
      readonly type: 'regression';
      /** Default `squared`. */
      readonly loss?: RegressionLoss;
      /** Above 0; default 1. */
      readonly delta?: number;
    }
  | {
      readonly type: 'sequence';
      /** The label of a token that does not count. Default -1. */
      readonly padding?: number;
    };
export type TaskType = Task['type'];

export const TASK_TYPES = [
  'multi-class',
  'binary',
  'multi-label',
  'regression',
  'sequence',
] as const satisfies readonly TaskType[];

/** A task with all its parameters. @throws FloeError `usage` for one that does not exist */
export const makeTask = (given: Task | TaskType): Required<Task> => {
  const task: Task = typeof given === 'string' ? { type: given } : given;
  if (!TASK_TYPES.includes(task.type))
    throw new FloeError('usage', `task: expected one of ${TASK_TYPES.join(', ')}`);
  if (task.type === 'regression') {
    const { loss = 'squared', delta = 1 } = task;
    if (!['squared', 'absolute', 'huber'].includes(loss))
      throw new FloeError('usage', 'task: expected the loss squared, absolute or huber');
    if (!Number.isFinite(delta) || delta <= 0)
      throw new FloeError('usage', `task: expected a delta above 0, got ${delta}`);
    return { type: task.type, loss, delta };
  }
  if (task.type === 'sequence') {
    const { padding = -1 } = task;
    if (!Number.isSafeInteger(padding))
      throw new FloeError('usage', `task: expected an integer as padding, got ${padding}`);
    return { type: task.type, padding };
  }
  return { type: task.type };
};
