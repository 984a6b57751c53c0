/**
 * @module `report.html`: one file that shows a finished run without the network. uPlot and the data
 * are written into the page; every text that came from outside is escaped.
 */
import { meanStaleness } from '../protocol/spec/describe-buffer.ts';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PartitionStatistics } from '../client/data/partition.ts';
import { metricInWords } from '../protocol/algorithm/metrics.ts';
import { ANOMALY_RULE, anomalyCount, anomalyRows } from './report/anomalies.ts';
import { fineTuneSection } from './report/fine-tune.ts';
import { metricGroups } from './report/metric-groups.ts';
import { ruleRows } from './report/robust-rule.ts';
import { isDetail } from '../protocol/algorithm/test-counts.ts';
import { REPORT_SCRIPT } from './report-script.ts';
import type { RoundSummary, Summary } from './summary.ts';
import { worldRows } from './world-summary.ts';
import { plural } from '../protocol/plural.ts';

/** Participants whose labels are shown. */
const MAX_HISTOGRAM_ROWS = 100;

/** Text for an HTML element or a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/**
 * JSON inside a script element: no `<`, so that neither a closing tag nor a comment can begin in
 * it.
 */
export const jsonForScript = (value: unknown): string =>
  JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');

/** `1.5 MB`; decimal units. */
export const formatBytes = (bytes: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] as string}`;
};

export const formatPercent = (share: number | undefined): string =>
  share === undefined ? 'not measured' : `${(share * 100).toFixed(2)} %`;

/** Of every page: light and dark, whole on a phone. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1d1f21;--muted:#5f6670;--line:#e3e4e6;--grid:#ececee;
--c1:#2563a8;--c2:#c2571a;--c3:#2f7d4f;--c4:#8a8f98;--c5:#7a4fa3;--c6:#a88a1c;--warn:#9a3412}
@media (prefers-color-scheme:dark){:root{--bg:#16181b;--card:#1e2125;--text:#e6e7e9;--muted:#9aa1ab;--line:#33373d;--grid:#2a2e33;
--c1:#6aa9f0;--c2:#f0965a;--c3:#6cc48f;--c4:#8a9099;--c5:#b894e0;--c6:#dcc060;--warn:#fb923c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0 0 .75rem}
.lead{color:var(--muted);margin:0 0 1.5rem}
.warn{color:var(--warn);font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin-bottom:1.5rem}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem}
.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.card span{color:var(--muted);font-size:.85rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:.75rem;margin-bottom:.75rem}
section{margin-bottom:.75rem;min-width:0}.plots section{margin:0}
.scroll{overflow-x:auto;max-height:32rem}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--muted);font-weight:500}td.n,th.n{text-align:right}
td.wide{white-space:normal;overflow-wrap:anywhere}.uplot,.u-legend{max-width:100%}.u-legend td,.u-legend th{white-space:normal}
code{font:.85em ui-monospace,monospace}
.heat td{padding:0 .35rem;border:0;text-align:right;font-size:.75rem;background:color-mix(in srgb,var(--c1) calc(var(--s)*70%),transparent)}
.u-legend{color:var(--muted)}.u-legend .u-marker{border-radius:2px}
@media (max-width:40rem){main{padding:1rem .5rem 2rem}.card,section{padding:.6rem}th,td{padding:.25rem .35rem}th{white-space:normal}}
details summary{cursor:pointer;font-weight:600}
`;

const rows = (entries: readonly (readonly [string, string])[]): string =>
  entries
    .map(
      ([name, value]) =>
        `<tr><th scope="row">${escapeHtml(name)}</th><td class="wide">${escapeHtml(value)}</td></tr>`,
    )
    .join('\n');

const card = (value: string, label: string): string =>
  `<div class="card"><b>${escapeHtml(value)}</b><span>${escapeHtml(label)}</span></div>`;

/** The test accuracy next to it is of the whole test set and of the round's own model. */
const headOf = (name: string): string =>
  name.startsWith('test') ? `held-out ${metricInWords(name)}, model before` : metricInWords(name);

const historyTable = (history: readonly RoundSummary[], phases: readonly string[]): string => {
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

const describeStrategy = ({ name, parameters }: Summary['strategy']): string =>
  [name, ...Object.entries(parameters).map(([key, value]) => `${key} ${value}`)].join(', ');

/** What each kind of work is called in the report. */
const ACTIVITY_NAMES: Readonly<Record<string, string>> = {
  training: 'local training',
  aggregation: 'secure aggregation: the phases share, consistency, unmask',
  storage: 'storage: blobs written and read',
  keys: 'keys: sealed and opened',
  ledger: 'ledger: freezes and versions',
  scoring: 'scoring of the models',
  baseline: 'centralised baseline',
};

const wholePercent = (value: number): string => `${Math.round(value * 100)} %`;

/** `storage 21 % (64 % of it during training)`, one for each kind of work. */
export const describeActivities = ({ activities }: Pick<Summary, 'activities'>): string[] =>
  Object.entries(activities)
    .filter(([, { seconds }]) => seconds > 0)
    .map(([name, { share, besideTraining }]) => {
      const beside =
        name === 'training' ? '' : ` (${wholePercent(besideTraining)} of it during training)`;
      return `${name} ${wholePercent(share)}${beside}`;
    });

const activityTable = ({ activities, rounds }: Summary): string => {
  const body = Object.entries(activities)
    .filter(([, { seconds }]) => seconds > 0)
    .map(
      ([name, { seconds, share, besideTraining }]) =>
        `<tr><th scope="row">${escapeHtml(ACTIVITY_NAMES[name] ?? name)}</th>${[
          (seconds / Math.max(1, rounds)).toFixed(2),
          formatPercent(share),
          name === 'training' ? '–' : formatPercent(besideTraining),
        ]
          .map((cell) => `<td class="n">${escapeHtml(cell)}</td>`)
          .join('')}</tr>`,
    )
    .join('\n');
  return `<section><h2>Where a round's time goes</h2>
<p class="lead">For how much of the rounds' time something of the kind was under way. They overlap: the shares add up to more than 100 %.</p>
<div class="scroll"><table><thead><tr><th></th><th class="n" scope="col">seconds a round</th><th class="n" scope="col">share</th><th class="n" scope="col">of it during training</th></tr></thead><tbody>${body}</tbody></table></div></section>`;
};

const histogramTable = (statistics: PartitionStatistics, classNames: readonly string[]): string => {
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

/** A place for a plot, whose numbers are in the table of the rounds. */
const plot = (id: string, title: string): string =>
  `<section><h2>${escapeHtml(title)}</h2><div id="${id}" role="img" aria-label="${escapeHtml(title)} over the rounds; the table below has the numbers"></div></section>`;

export interface ReportInit {
  readonly summary: Summary;
  readonly statistics: PartitionStatistics;
  readonly classNames: readonly string[];
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

/** Rows of the table of settings. */
const guards = ({ privacy, drops }: Summary): readonly (readonly [string, string])[] => [
  ...(privacy === undefined ? [] : ([['differential privacy', privacy.words]] as const)),
  ['drop-outs', drops],
];

const baselineText = ({ baseline, baselineAccuracy }: Summary): string =>
  baseline === undefined
    ? 'not trained (--baseline)'
    : `${formatPercent(baselineAccuracy)}: the same model on all training data in one place, ${plural(baseline.epochs, 'epoch')}, batch ${baseline.batchSize}, learning rate ${baseline.learningRate}; its points lie at the round by which the federation had seen as many examples`;

const encodingText = (of: Summary['encoding']): string => {
  const { ring, bits, clipNorm, clipping, modelPrecision, rounding } = of;
  const norm =
    clipping === undefined
      ? `clip norm ${clipNorm}`
      : `clip norm ${clipNorm} at first, then adaptive: quantile ${clipping.quantile}, rate ${clipping.rate}, from ${clipping.floor} to ${clipping.ceiling}`;
  return [
    ring,
    ...(bits === undefined ? [] : [`${bits} bits`]),
    ...(modelPrecision === undefined ? [] : [`models in ${modelPrecision}`]),
    `${norm}; ${rounding.words}`,
  ].join(', ');
};

const bufferRow = ({ buffer }: Summary): readonly (readonly [string, string])[] =>
  buffer === undefined
    ? []
    : [
        [
          'buffered rounds',
          `the first ${buffer.size} updates that are ready, at most ${plural(buffer.maxStaleness, 'commit')} old`,
        ],
      ];

/** The run in words: what it was and where it is. */
const runRows = (summary: Summary): readonly (readonly [string, string])[] => [
  ['run', summary.run],
  ['model hash', summary.modelHash],
  ['transcript root', summary.transcriptRoot],
  ['seed', summary.seed],
  ['model', `${summary.model}, ${summary.parameters} parameters`],
  [
    'data',
    `${summary.data.source}: ${summary.data.train} training, ${summary.data.test} test examples`,
  ],
  [
    'partition',
    `${summary.partition.scheme}: ${summary.partition.smallest} to ${summary.partition.largest} examples${summary.partition.meanLabels === undefined ? '' : `, ${summary.partition.meanLabels.toFixed(1)} labels on average`}`,
  ],
  [
    'local training',
    `${plural(summary.training.epochs, 'epoch')}, batch ${summary.training.batchSize}, learning rate ${summary.training.learningRate}`,
  ],
  ['strategy', describeStrategy(summary.strategy)],
  ...bufferRow(summary).concat(ruleRows(summary)),
  ['encoding', encodingText(summary.encoding)],
  ...guards(summary),
  ...(summary.world === undefined ? [] : worldRows(summary.world)),
  ...(summary.attackSuccess === undefined
    ? []
    : ([['success of the attackers', formatPercent(summary.attackSuccess)]] as const)),
  ['aborted attempts', String(summary.attemptsAborted)],
  ['baseline', baselineText(summary)],
  ['backend', summary.backend],
  ['model blob', summary.published.blob],
  ...(summary.published.object === undefined
    ? []
    : ([
        ['model version on Sui', summary.published.object],
        ['run on Sui', summary.published.runObject ?? ''],
        ['transcript blob', summary.published.transcript ?? ''],
      ] as const)),
  ['store, gate, ledger', `${summary.store}, ${summary.gate}, ${summary.ledger}`],
  [
    'versions',
    Object.entries(summary.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ],
];

const anomalySection = (history: readonly RoundSummary[]): string => {
  const found = anomalyRows(history);
  const table = `<div class="scroll"><table><tbody>\n${rows(found)}\n</tbody></table></div>`;
  return `<section><h2>Anomalies</h2>
<p${found.length === 0 ? '' : ' class="warn"'}>${escapeHtml(anomalyCount(history))}</p>
<p class="lead">${escapeHtml(ANOMALY_RULE)}</p>${found.length === 0 ? '' : table}</section>`;
};

/** The page, a complete HTML document. */
export const renderReport = ({ summary, statistics, classNames, uplot }: ReportInit): string => {
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
${histogramTable(statistics, classNames)}
</main>
<script type="application/json" id="data">${jsonForScript(data)}</script>
<script>${uplot.script}</script>
<script>${REPORT_SCRIPT}</script>
</body>
</html>
`;
};
