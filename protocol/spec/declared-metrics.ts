/**
 * @module The metrics that a specification lists: those that are given or those of its task, and
 * those of examples that are held out.
 */
import { metricsOfTask, testMetricsOf, type MetricSpec } from '../algorithm/metrics.ts';
import { countMetrics, type Measure } from '../algorithm/test-counts.ts';

interface TrainingOfRun {
  readonly task?: { readonly type: string } | undefined;
  readonly holdout?: number | undefined;
  readonly measures?: readonly Measure[] | undefined;
}

/** Those that are given, else those of the task; and with held-out examples those of them. */
export const declaredMetrics = (
  given: readonly MetricSpec[] | undefined,
  training: TrainingOfRun,
  classes: number | undefined,
): readonly MetricSpec[] => {
  const { task, holdout, measures = [] } = training;
  const metrics = given ?? metricsOfTask(task?.type);
  if (holdout === undefined) return metrics;
  const names = new Set(metrics.map(({ name }) => name));
  const counts = countMetrics({ measures, task: task?.type, holdout, classes });
  const tested = [...testMetricsOf(task?.type), ...counts];
  return [...metrics, ...tested.filter(({ name }) => !names.has(name))];
};
