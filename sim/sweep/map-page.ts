/**
 * @module `map.html`: the map of a sweep as tables whose cells are the darker the better, without
 * script and without the network. Every text that came from outside is escaped.
 */
import { escapeHtml } from '../report/html.ts';
import { STYLE } from '../report/style.ts';
import { cellText, shades, type MeasureMap, type SweepMap } from './map.ts';

const tableOf = ({ rows, columns }: SweepMap, measure: MeasureMap): string => {
  const { name, title, more, cells } = measure;
  const shade = shades(measure);
  const head = columns.values
    .map((value) => `<th class="n" scope="col">${escapeHtml(value)}</th>`)
    .join('');
  const body = rows.values
    .map((value, r) => {
      const row = cells[r]!.map(
        (cell, c) =>
          `<td style="--s:${(shade[r]![c] ?? 0).toFixed(3)}">${escapeHtml(cellText(cell, name))}</td>`,
      );
      return `<tr><th scope="row">${escapeHtml(value)}</th>${row.join('')}</tr>`;
    })
    .join('\n');
  const corner = `${escapeHtml(rows.axis)} \\ ${escapeHtml(columns.axis)}`;
  return `<section><h2>${title}</h2>
<p class="lead">Median over the seeds; ${more ? 'higher' : 'lower'} is better, and darker.</p>
<div class="scroll" tabindex="0"><table class="heat"><thead><tr><th>${corner}</th>${head}</tr></thead><tbody>
${body}
</tbody></table></div></section>`;
};

/** The page, a complete HTML document. */
export const renderMap = (map: SweepMap): string => {
  const title = escapeHtml(`${map.rows.axis} by ${map.columns.axis}`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Floe: ${title}</title>
<style>${STYLE}.heat td{padding:.35rem .6rem;font-size:.9rem}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${map.measures.map((measure) => tableOf(map, measure)).join('\n')}
</main>
</body>
</html>
`;
};
