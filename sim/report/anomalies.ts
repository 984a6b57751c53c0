/**
 * @module The anomaly report of a run in words: one line for each value that is far from usual, and
 * the rule that says so.
 */
import { describeAnomaly } from '../../coordinator/index.ts';
import { plural } from '../../protocol/plural.ts';
import type { RoundSummary } from '../summary.ts';

export const ANOMALY_RULE =
  'Anomaly: the modified z-score among the last 10 rounds is beyond 3.5 (Iglewicz and Hoaglin 1993), ' +
  'and the step norm is more than 2 times the median or less than half of it, or the cosine to the ' +
  'mean of the last steps is negative, or the training loss rises by more than a tenth. ' +
  'A value is compared once 5 rounds before it have one. Diagnostic only: nothing in the run depends on it.';

/** @returns the round of each anomaly, and its text */
export const anomalyRows = (
  history: readonly RoundSummary[],
): readonly (readonly [string, string])[] =>
  history.flatMap(({ version, anomalies = [] }) =>
    anomalies.map((anomaly) => [`round ${version}`, describeAnomaly(anomaly)] as const),
  );

export const anomalyCount = (history: readonly RoundSummary[]): string => {
  const found = anomalyRows(history).length;
  const measured = history.filter(({ stepNorm }) => stepNorm !== undefined).length;
  const many = found === 1 ? '1 anomaly' : `${found === 0 ? 'No' : found} anomalies`;
  return `${many} in ${plural(measured, 'measured round')} of ${history.length}.`;
};
