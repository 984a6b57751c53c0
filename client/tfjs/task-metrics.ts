/**
 * @module What a trainer measures beside loss and accuracy.
 */
import type { Score } from './losses.ts';
import type { Objective } from './objective.ts';

/** The metrics of a task, by the names that a run specification declares. */
export const metricsOf = (
  { task }: Objective,
  { absoluteSum, squareSum }: Score,
): { readonly metrics?: Readonly<Record<string, number>> } =>
  task.type === 'regression' ? { metrics: { mae: absoluteSum, mse: squareSum } } : {};
