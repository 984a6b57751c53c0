/**
 * @module How the labels are dealt: examples of each, by participant.
 */
import type { PartitionStatistics } from '../../client/data/partition.ts';
import { escapeHtml } from './html.ts';

/** Participants whose labels are shown. */
const MAX_HISTOGRAM_ROWS = 100;

export const histogramTable = (
  statistics: PartitionStatistics,
  classNames: readonly string[],
): string => {
  if (statistics.histogram === undefined) return '';
  const shown = statistics.histogram.slice(0, MAX_HISTOGRAM_ROWS);
  const most = Math.max(1, ...shown.flat());
  const head = classNames
    .map((name) => `<th class="n" scope="col">${escapeHtml(name)}</th>`)
    .join('');
  const body = shown
    .map(
      (counts, i) =>
        `<tr><th scope="row">${i}</th>${counts.map((n) => `<td style="--s:${(n / most).toFixed(3)}">${n}</td>`).join('')}</tr>`,
    )
    .join('\n');
  const rest = statistics.histogram.length - shown.length;
  return `<section><details${shown.length <= 20 ? ' open' : ''}><summary>Examples of each label, by participant</summary>
<div class="scroll"><table class="heat"><thead><tr><th></th>${head}</tr></thead><tbody>${body}</tbody></table></div>
${rest > 0 ? `<p class="lead">and ${rest} more participants</p>` : ''}</details></section>`;
};
