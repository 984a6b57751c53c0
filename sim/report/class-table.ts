/**
 * @module The metrics of each class in the last round that measured them: one row for each class.
 */
import { metricInWords } from '../../protocol/algorithm/metrics.ts';
import type { RoundSummary } from '../summary.ts';
import { escapeHtml } from './html.ts';

const OF_CLASS = /^(.+)\.(\d+)$/u;

/** Empty where no metric has a number for each class. */
export const classTable = (
  history: readonly RoundSummary[],
  classNames: readonly string[],
): string => {
  const last = history.findLast(({ training }) =>
    Object.keys(training).some((name) => OF_CLASS.test(name)),
  );
  if (last === undefined) return '';
  const metrics = new Map<string, Map<number, number>>();
  for (const [name, value] of Object.entries(last.training)) {
    const [, metric, index] = OF_CLASS.exec(name) ?? [];
    if (metric === undefined) continue;
    metrics.set(
      metric,
      (metrics.get(metric) ?? new Map<number, number>()).set(Number(index), value),
    );
  }
  const shown = [...metrics].filter(([, values]) =>
    [...values.keys()].every((i) => i < classNames.length),
  );
  if (shown.length === 0) return '';
  const head = shown.map(
    ([name]) => `<th class="n" scope="col">${escapeHtml(metricInWords(name))}</th>`,
  );
  const body = classNames.map((name, index) => {
    const cells = shown.map(
      ([, values]) => `<td class="n">${values.get(index)?.toFixed(4) ?? '–'}</td>`,
    );
    return `<tr><th scope="row">${escapeHtml(name)}</th>${cells.join('')}</tr>`;
  });
  return `<section><h2>By class, round ${last.version}</h2>
<p class="lead">Of the examples that the participants of the round held out, with the model before it.</p>
<div class="scroll"><table><thead><tr><th></th>${head.join('')}</tr></thead><tbody>${body.join('\n')}</tbody></table></div></section>`;
};
