/**
 * @module `report.html`: one file that shows a finished run without the network. uPlot and the data
 * are written into the page; every text that came from outside is escaped.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PartitionStatistics } from '../client/data/partition.ts';
import { plural } from '../protocol/plural.ts';
import type { Observation } from './outputs/observations.ts';
import { REPORT_SCRIPT } from './report-script.ts';
import { activityTable } from './report/activities.ts';
import { ANOMALY_RULE, anomalyCount, anomalyRows } from './report/anomalies.ts';
import {
  card,
  escapeHtml,
  formatBytes,
  formatPercent,
  jsonForScript,
  plot,
  rows,
} from './report/html.ts';
import { classTable } from './report/class-table.ts';
import { histogramTable } from './report/label-table.ts';
import { fineTuneSection } from './report/fine-tune.ts';
import { metricGroups } from './report/metric-groups.ts';
import { participantsSection } from './report/participants.ts';
import { historyTable } from './report/rounds-table.ts';
import { runRows } from './report/run-rows.ts';
import { STYLE } from './report/style.ts';
import type { RoundSummary, Summary } from './summary.ts';

export interface ReportInit {
  readonly summary: Summary;
  readonly statistics: PartitionStatistics;
  readonly classNames: readonly string[];
  /** What the simulator saw of single trainings, where an export asked for it. */
  readonly observations?: readonly Observation[];
  /** uPlot's script and style sheet. */
  readonly uplot: { readonly script: string; readonly style: string };
}

/** uPlot as its npm package ships it. */
export const readUplot = async (): Promise<ReportInit['uplot']> => {
  const folder = dirname(createRequire(import.meta.url).resolve('uplot'));
  const [script, style] = await Promise.all(
    ['uPlot.iife.min.js', 'uPlot.min.css'].map((name) => readFile(join(folder, name), 'utf8')),
  );
  return { script: script as string, style: style as string };
};

const anomalySection = (history: readonly RoundSummary[]): string => {
  const found = anomalyRows(history);
  const table = `<div class="scroll"><table><tbody>\n${rows(found)}\n</tbody></table></div>`;
  return `<section><h2>Anomalies</h2>
<p${found.length === 0 ? '' : ' class="warn"'}>${escapeHtml(anomalyCount(history))}</p>
<p class="lead">${escapeHtml(ANOMALY_RULE)}</p>${found.length === 0 ? '' : table}</section>`;
};

/** The page, a complete HTML document. */
export const renderReport = ({
  summary,
  statistics,
  classNames,
  observations = [],
  uplot,
}: ReportInit): string => {
  const phases = Object.keys(summary.phaseSeconds);
  const { testAccuracy, testLoss } = summary;
  // Regression has no accuracy.
  const isLoss = testAccuracy === undefined && testLoss !== undefined;
  const tested = isLoss ? testLoss.toFixed(4) : formatPercent(testAccuracy);
  const title = `Floe: ${summary.model}, ${plural(summary.rounds, 'round')}, ${tested}`;
  const masks = summary.masked
    ? 'Every update was masked; the coordinator saw sums only.'
    : 'NOT masked: the coordinator could read every single update.';
  const status = {
    complete: 'All rounds were completed.',
    target: 'Stopped at the wanted accuracy.',
  }[summary.status];
  const groups = metricGroups(summary.history, classNames);
  const data = {
    rounds: summary.history,
    baseline: summary.baseline?.points ?? [],
    phases,
    groups,
  };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${uplot.style}${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(status)} <span class="${summary.masked ? '' : 'warn'}">${escapeHtml(masks)}</span></p>
<div class="cards">
${[
  card(tested, isLoss ? 'test loss' : 'test accuracy'),
  ...(summary.baseline === undefined
    ? []
    : [card(formatPercent(summary.baselineAccuracy), 'centralised baseline')]),
  card(`${summary.cohort} of ${summary.participants}`, 'participants a round'),
  card(formatBytes(summary.bytesUp), 'to the coordinator'),
  card(formatBytes(summary.bytesDown), 'to the participants'),
  ...(summary.virtualSeconds === undefined
    ? []
    : [card(`${summary.virtualSeconds.toFixed(1)} s`, 'virtual time')]),
  card(`${summary.seconds.toFixed(1)} s`, 'wall clock'),
  card(`${summary.processorSeconds.toFixed(1)} s`, 'processor time'),
  card(formatBytes(summary.peakMemory), 'peak memory'),
].join('\n')}
</div>
<div class="plots">
${[
  plot('accuracy', 'Accuracy'),
  plot('loss', 'Loss'),
  plot('bytes', 'Bytes a round'),
  plot('phases', 'Time by phase, stacked'),
  plot('survivors', 'Survivors'),
  plot('norms', 'Norm of the step'),
  plot('cosines', 'Cosine of the step to earlier ones'),
  ...groups.map(({ id, title: name }) => plot(id, name)),
].join('\n')}
</div>
<section><h2>The run</h2>
<div class="scroll"><table><tbody>
${rows(runRows(summary))}
</tbody></table></div></section>
${anomalySection(summary.history)}
${fineTuneSection(summary.fineTuned)}${activityTable(summary)}
<section><details><summary>Every round</summary>${historyTable(summary.history, phases)}</details></section>
${classTable(summary.history, classNames)}
${participantsSection(summary.world, observations)}
${histogramTable(statistics, classNames)}
</main>
<script type="application/json" id="data">${jsonForScript(data)}</script>
<script>${uplot.script}</script>
<script>${REPORT_SCRIPT}</script>
</body>
</html>
`;
};
