/**
 * @module The browser part of the report: reads the embedded data and draws its plots with uPlot.
 * It is text, because it is inserted into the page unchanged.
 */
import { PLOT_SCRIPT } from './report/plot-script.ts';

export const REPORT_SCRIPT = `${PLOT_SCRIPT}${String.raw`
const data = JSON.parse(document.getElementById('data').textContent);
const plots = [];
const percent = (x) => (x == null ? '–' : (x * 100).toFixed(2) + ' %');
const bytes = bytesText;
const number = (x, step) => (x == null ? '–' : x.toFixed(step == null ? 4 : digits(step)));
const seconds = (x) => (x == null ? '–' : x.toFixed(2) + ' s');
const whole = (x) => (x == null ? '–' : String(x));
const wholeTick = (x) => (Number.isInteger(x) ? String(x) : '');

const axes = (format, size) => {
  const look = { stroke: css('--muted'), grid: { stroke: css('--grid'), width: 1 }, ticks: { stroke: css('--grid') } };
  return [
    { ...look, values: (u, values) => values.map((x) => (Number.isInteger(x) ? x : '')) },
    { ...look, size, values: (u, values, axis, space, step) => values.map((x) => format(x, step)) },
  ];
};
const series = (label, colour, format, more) => ({
  label, stroke: css(colour), width: 2, points: { show: data.rounds.length < 3 },
  value: (u, x) => format(x), ...more,
});
const draw = (id, columns, lines, format, range) => {
  const host = document.getElementById(id);
  host.replaceChildren();
  if (columns[0].length === 0) { host.textContent = 'No round was completed.'; return; }
  const plot = new uPlot({
    width: host.clientWidth, height: 260, series: [{ label: 'round' }, ...lines],
    axes: axes(format, 64), scales: { x: { time: false }, y: range ? { range } : {} },
    cursor: { points: { size: 6 } }, legend: { live: true },
  }, columns, host);
  plots.push([host, plot]);
};

const drawAll = () => {
  for (const [, plot] of plots.splice(0)) plot.destroy();
  const rounds = data.rounds;
  const x = rounds.map((r) => r.version);
  const at = [...new Set([...x, ...data.baseline.map((p) => p.rounds)])].sort((a, b) => a - b);
  const test = new Map(rounds.map((r) => [r.version, r.testAccuracy ?? null]));
  const train = new Map(rounds.map((r) => [r.version, r.training.trainAccuracy]));
  const baseline = new Map(data.baseline.map((p) => [p.rounds, p.testAccuracy]));
  const column = (map) => at.map((key) => map.get(key));
  const lines = [
    series('federated, test', '--c1', percent, { spanGaps: true }),
    series('federated, training', '--c4', percent, { spanGaps: true, width: 1 }),
  ];
  const columns = [at, column(test), column(train)];
  if (data.baseline.length > 0) {
    lines.push(series('centralised, test', '--c2', percent, { spanGaps: true, dash: [6, 4] }));
    columns.push(column(baseline));
  }
  draw('accuracy', columns, lines, (v, step) => (v * 100).toFixed(digits(step * 100)) + ' %', (u, low, high) => [Math.max(0, low - 0.02), Math.min(1.0, high + 0.02)]);
  const losses = new Map(rounds.map((r) => [r.version, r.testLoss ?? null]));
  const trained = new Map(rounds.map((r) => [r.version, r.training.trainLoss]));
  draw('bytes', [x, rounds.map((r) => r.bytesUp), rounds.map((r) => r.bytesDown)],
    [series('to the coordinator', '--c1', bytes), series('to the participants', '--c2', bytes)], bytes,
    (u, low, high) => [0, high * 1.1 || 1]);
  const sums = data.phases.map(() => []);
  for (const r of rounds) {
    let sum = 0;
    data.phases.forEach((phase, i) => { sum += r.phases[phase] ?? 0; sums[i].push(sum); });
  }
  // Stacked: the highest sum is drawn first and the lower ones over it; the legend tells the
  // phase's own time.
  const order = data.phases.map((_, i) => i).reverse();
  draw('phases', [x, ...order.map((i) => sums[i])], order.map((i) => {
    const colour = colourOf(i, data.phases.length);
    return { label: data.phases[i], stroke: colour, fill: colour, width: 1, points: { show: false },
      value: (u, v, s, at) => (at == null ? '–' : seconds(rounds[at].phases[data.phases[i]] ?? 0)) };
  }), (v, step) => v.toFixed(digits(step)) + ' s', (u, low, high) => [0, high * 1.1 || 1]);
  const stepped = uPlot.paths.stepped({ align: 1 });
  draw('survivors', [x, rounds.map((r) => r.cohort), rounds.map((r) => r.survivors)],
    [series('cohort', '--c4', whole, { paths: stepped, dash: [4, 4] }), series('survivors', '--c1', whole, { paths: stepped })],
    wholeTick, (u, low, high) => [0, high + 1]);
  draw('loss', [at, column(losses), column(trained)],
    [series('federated, test', '--c1', number, { spanGaps: true }), series('federated, training', '--c4', number, { spanGaps: true, width: 1 })],
    number);
  for (const { id, names, labels } of data.groups) {
    draw(id, [x, ...names.map((name) => rounds.map((r) => r.training[name] ?? null))],
      names.map((name, i) => ({ label: labels[i], stroke: colourOf(i, names.length), dash: dashOf(i), width: 2, spanGaps: true,
        points: { show: rounds.length < 3 }, value: (u, v) => number(v) })), number);
  }
  // A point marks each anomaly of the norm or of the direction.
  const marked = (name, kind) => rounds.map((r) => (r.anomalies ?? []).some((a) => a.kind === kind) ? r[name] ?? null : null);
  const marks = { width: 0, points: { show: true, size: 9, width: 2 } };
  draw('norms', [x, rounds.map((r) => r.stepNorm ?? null), marked('stepNorm', 'step_norm')],
    [series('L2 norm', '--c1', number), series('anomaly', '--warn', number, marks)], number,
    (u, low, high) => [0, high * 1.1 || 1]);
  draw('cosines', [x, rounds.map((r) => r.stepCosine ?? null), rounds.map((r) => r.stepCosineMean ?? null), marked('stepCosineMean', 'step_direction')],
    [series('to the step before', '--c4', number, { width: 1 }), series('to the mean of the last steps', '--c1', number), series('anomaly', '--warn', number, marks)],
    number, () => [-1.05, 1.05]);
};
drawAll();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
addEventListener('resize', () => { for (const [host, plot] of plots) plot.setSize({ width: host.clientWidth, height: 260 }); });
`}`;
