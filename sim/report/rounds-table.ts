/**
 * @module The table of all rounds.
 */
import { metricInWords } from '../../protocol/algorithm/metrics.ts';
import { isDetail } from '../../protocol/algorithm/test-counts.ts';
import { meanStaleness } from '../../protocol/spec/describe-buffer.ts';
import type { RoundSummary } from '../summary.ts';
import { escapeHtml, formatBytes, formatPercent } from './html.ts';

/** The test accuracy next to it is of the whole test set and of the round's own model. */
const headOf = (name: string): string =>
  name.startsWith('test') ? `held-out ${metricInWords(name)}, model before` : metricInWords(name);

export const historyTable = (
  history: readonly RoundSummary[],
  phases: readonly string[],
): string => {
  const metrics = Object.keys(history[0]?.training ?? {}).filter((name) => !isDetail({ name }));
  const isTimed = history[0]?.virtualSeconds !== undefined;
  const isAdaptive = history[0]?.clipNorm !== undefined;
  const isBuffered = history[0]?.staleness !== undefined;
  const head = [
    'round',
    'test accuracy',
    ...metrics.map(headOf),
    'survivors',
    'up',
    'down',
    'seconds',
    ...(isTimed ? ['virtual seconds'] : []),
    'step norm',
    'cosine',
    ...(isBuffered ? ['mean staleness'] : []),
    ...(isAdaptive ? ['next clip norm'] : []),
    ...phases,
  ]
    .map((name) => `<th class="n" scope="col">${escapeHtml(name)}</th>`)
    .join('');
  const body = history
    .map((round) => {
      const cells = [
        String(round.version),
        round.testAccuracy === undefined ? '–' : formatPercent(round.testAccuracy),
        ...metrics.map((name) => (round.training[name] ?? 0).toFixed(4)),
        `${round.survivors} / ${round.cohort}`,
        formatBytes(round.bytesUp),
        formatBytes(round.bytesDown),
        round.seconds.toFixed(2),
        ...(isTimed ? [(round.virtualSeconds ?? 0).toFixed(1)] : []),
        round.stepNorm?.toPrecision(4) ?? '–',
        round.stepCosine?.toFixed(3) ?? '–',
        ...(isBuffered ? [meanStaleness(round.staleness ?? []).toFixed(1)] : []),
        ...(isAdaptive ? [round.clipNorm?.toPrecision(4) ?? '–'] : []),
        ...phases.map((phase) => (round.phases[phase] ?? 0).toFixed(2)),
      ];
      return `<tr>${cells.map((cell) => `<td class="n">${escapeHtml(cell)}</td>`).join('')}</tr>`;
    })
    .join('\n');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
};
