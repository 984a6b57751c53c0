/**
 * @module The further metrics of a run, in groups that share a plot: those of one name with a
 * number for each class (`testRecall.3`), and one group for each other metric.
 */
import { metricInWords } from '../../protocol/algorithm/metrics.ts';
import type { RoundSummary } from '../summary.ts';

export interface MetricGroup {
  /** Of the element that holds the plot. */
  readonly id: string;
  readonly title: string;
  readonly names: readonly string[];
  readonly labels: readonly string[];
}

/** These have plots of their own. */
const DRAWN = new Set(['trainLoss', 'trainAccuracy']);
/** Lines of a plot that can still be told apart. */
const MOST_LINES = 20;

/** @param classNames in order; a class without a name is its number */
export const metricGroups = (
  history: readonly RoundSummary[],
  classNames: readonly string[],
): readonly MetricGroup[] => {
  const names = [...new Set(history.flatMap(({ training }) => Object.keys(training)))];
  const groups = new Map<string, { readonly name: string; readonly label: string }[]>();
  for (const name of names) {
    if (DRAWN.has(name)) continue;
    const [, base = name, index] = /^(.+)\.(\d+)$/u.exec(name) ?? [];
    const label = index === undefined ? metricInWords(name) : (classNames[Number(index)] ?? index);
    groups.set(base, [...(groups.get(base) ?? []), { name, label }]);
  }
  return [...groups].map(([base, members], i) => {
    const shown = members.slice(0, MOST_LINES);
    const more = members.length - shown.length;
    const title = `${metricInWords(base)}${members.length > 1 ? ' by class' : ''}`;
    return {
      id: `metric-${i}`,
      title: more > 0 ? `${title}, the first ${MOST_LINES} of ${members.length}` : title,
      names: shown.map(({ name }) => name),
      labels: shown.map(({ label }) => label),
    };
  });
};
