/**
 * @module `compare.html`: one page that shows several runs over shared axes, without the network.
 * Every text that came from outside is escaped.
 */
import type { ReportInit } from '../report.ts';
import { escapeHtml, formatBytes, formatPercent, jsonForScript } from '../report/html.ts';
import { STYLE } from '../report/style.ts';
import { PLOT_SCRIPT } from '../report/plot-script.ts';
import { COMPARE_SCRIPT } from './compare-script.ts';
import type { Comparison, Reached } from './compare.ts';

const OWN_STYLE = `
fieldset{border:0;padding:0;margin:0 0 1rem;display:flex;flex-wrap:wrap;gap:.25rem 1rem}
legend{padding:0;color:var(--muted);margin-bottom:.25rem}
`;

const cells = (tag: 'th' | 'td', values: readonly string[], numbers: boolean): string =>
  values
    .map((value, i) => {
      const scope = tag === 'th' ? ' scope="col"' : '';
      const isName = i === 0;
      if (tag === 'td' && isName) return `<th scope="row">${escapeHtml(value)}</th>`;
      const kind = numbers && !isName ? ' class="n"' : tag === 'td' ? ' class="wide"' : '';
      return `<${tag}${kind}${scope}>${escapeHtml(value)}</${tag}>`;
    })
    .join('');

const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: boolean,
): string =>
  `<div class="scroll" tabindex="0"><table><thead><tr>${cells('th', head, numbers)}</tr></thead><tbody>${rows
    .map((row) => `<tr>${cells('td', row, numbers)}</tr>`)
    .join('\n')}</tbody></table></div>`;

const orDash = <Value>(value: Value | undefined, write: (value: Value) => string): string =>
  value === undefined ? '–' : write(value);

const reachedTable = (reached: readonly Reached[], target: number | undefined): string => {
  const toTarget =
    target === undefined
      ? []
      : [`rounds to ${formatPercent(target)}`, 'bytes to it', 'virtual time to it'];
  const head = ['run', 'test accuracy', 'test loss', 'rounds', ...toTarget];
  const rows = reached.map((run) => [
    run.name,
    orDash(run.testAccuracy, formatPercent),
    orDash(run.testLoss, (loss) => loss.toFixed(4)),
    String(run.rounds),
    ...(target === undefined
      ? []
      : [
          orDash(run.roundsToTarget, String),
          orDash(run.bytesToTarget, formatBytes),
          orDash(run.virtualToTarget, (time) => `${time.toFixed(1)} s`),
        ]),
    formatBytes(run.bytesUp),
    formatBytes(run.bytesDown),
    `${run.seconds.toFixed(1)} s`,
    run.modelHash.slice(0, 12),
  ]);
  return table([...head, 'up', 'down', 'wall clock', 'model hash'], rows, true);
};

/** The page, a complete HTML document. @param uplot script and style sheet */
export const renderComparison = (comparison: Comparison, uplot: ReportInit['uplot']): string => {
  const { reached, curves, differences, common, target } = comparison;
  const virtual = curves.every((run) => run.virtual !== undefined);
  const names = reached.map(({ name }) => name);
  const plot = (id: string, title: string): string =>
    `<section><h2 id="${id}-title">${title}</h2><div id="${id}" role="img" aria-label="${title} of ${names.length} runs; the tables below hold the results"></div></section>`;
  const differing =
    differences.length === 0
      ? '<p class="lead">The settings are the same.</p>'
      : table(
          ['setting', ...names],
          differences.map(({ setting, values }) => [
            setting,
            ...values.map((value) => value ?? '–'),
          ]),
          false,
        );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Floe: ${names.length} runs compared</title>
<style>${uplot.style}${STYLE}${OWN_STYLE}</style>
</head>
<body>
<main>
<h1>${names.length} runs compared</h1>
<p class="lead">${escapeHtml(names.join(', '))}</p>
<fieldset><legend>Over</legend>
<label><input type="radio" name="axis" value="rounds" checked> rounds</label>
<label><input type="radio" name="axis" value="bytes"> bytes</label>
<label><input type="radio" name="axis" value="seconds"> time</label>
${virtual ? '<label><input type="radio" name="axis" value="virtual"> virtual time</label>' : ''}
</fieldset>
<div class="plots">
${plot('accuracy', 'Test accuracy')}
${plot('loss', 'Test loss')}
</div>
<section><h2>Results</h2>${reachedTable(reached, target)}</section>
<section><h2>Settings that differ</h2>${differing}</section>
<section><details><summary>Settings that are the same</summary>${table(
    ['setting', 'value'],
    common.map(({ setting, value }) => [setting, value]),
    false,
  )}</details></section>
</main>
<script type="application/json" id="data">${jsonForScript({ curves })}</script>
<script>${uplot.script}</script>
<script>${PLOT_SCRIPT}${COMPARE_SCRIPT}</script>
</body>
</html>
`;
};
