/**
 * @module What the plots of all pages share in the browser: ticks with as many digits as tell two
 * of them apart, bytes in units, and colours of which no two are alike.
 */

export const PLOT_SCRIPT = String.raw`
'use strict';
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** Digits after the point that tell two ticks apart. */
const digits = (step) => Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
const percentTick = (x, step) => (x * 100).toFixed(digits(step * 100)) + ' %';
/** Digits as the step needs them in the unit of the value. */
const bytesText = (x, step) => {
  if (x == null) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  let unit = 1;
  while (Math.abs(x) >= unit * 1000 && i < units.length - 1) { unit *= 1000; i += 1; }
  const places = i === 0 ? 0 : step == null ? 1 : digits(step / unit);
  return (x / unit).toFixed(places) + ' ' + units[i];
};
/** Hues apart by equal angles; neighbours differ in lightness too. */
const colourOf = (i, n) => 'hsl(' + (Math.round((i * 360) / n + 210) % 360) + ' 60% ' + (i % 2 === 0 ? 45 : 60) + '%)';
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
/** Runs are told apart without colours as well. */
const dashOf = (i) => DASHES[i % DASHES.length];
`;
