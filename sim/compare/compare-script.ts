/**
 * @module The browser part of the comparison: draws accuracy and loss of all runs over rounds,
 * bytes or time, as chosen. It is text, because it is inserted into the page unchanged, after the
 * parts of `plot-script.ts`.
 */

export const COMPARE_SCRIPT = String.raw`
const data = JSON.parse(document.getElementById('data').textContent);
const AXES = {
  rounds: { label: 'round', format: (x) => (Number.isInteger(x) ? String(x) : '') },
  bytes: { label: 'bytes up and down', format: bytesText },
  virtual: { label: 'virtual seconds', format: (x, step) => x.toFixed(digits(step)) + ' s' },
  seconds: { label: 'seconds', format: (x, step) => x.toFixed(digits(step)) + ' s' },
};
const plots = [];
const joined = (axis, what) => {
  const at = [...new Set(data.curves.flatMap((run) => run[axis]))].sort((a, b) => a - b);
  return [at, ...data.curves.map((run) => {
    const known = new Map(run[axis].map((x, i) => [x, run[what][i]]));
    return at.map((x) => known.get(x));
  })];
};
const draw = (id, axis, what, format) => {
  const host = document.getElementById(id);
  host.replaceChildren();
  const columns = joined(axis, what);
  if (columns[0].length === 0) { host.textContent = 'No round was completed.'; return; }
  const look = { stroke: css('--muted'), grid: { stroke: css('--grid'), width: 1 }, ticks: { stroke: css('--grid') } };
  const { label, format: ticks } = AXES[axis];
  const plot = new uPlot({
    width: host.clientWidth, height: 300,
    series: [{ label, value: (u, x) => (x == null ? '–' : ticks(x, 1e-3)) },
      ...data.curves.map((run, i) => ({
        label: run.name, stroke: colourOf(i, data.curves.length), width: 2, spanGaps: true,
        dash: dashOf(i), points: { show: run.rounds.length < 3 }, value: (u, x) => (x == null ? '–' : format(x, 1e-4)),
      }))],
    axes: [
      { ...look, values: (u, values, a, space, step) => values.map((x) => ticks(x, step)) },
      { ...look, size: 64, values: (u, values, a, space, step) => values.map((x) => format(x, step)) },
    ],
    scales: { x: { time: false } },
  }, columns, host);
  plots.push([host, plot]);
};
const drawAll = () => {
  for (const [, plot] of plots.splice(0)) plot.destroy();
  const axis = document.querySelector('input[name=axis]:checked').value;
  draw('accuracy', axis, 'accuracy', percentTick);
  draw('loss', axis, 'loss', (x, step) => x.toFixed(digits(step)));
};
drawAll();
for (const input of document.querySelectorAll('input[name=axis]')) input.addEventListener('change', drawAll);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
addEventListener('resize', () => { for (const [host, plot] of plots) plot.setSize({ width: host.clientWidth, height: 300 }); });
`;
