/**
 * @module The participants of a simulation: how their examples, and what the simulator saw of their
 * trainings, are distributed over them, and one row for each.
 */
import type { Observation } from '../outputs/observations.ts';
import type { WorldSummary } from '../world-summary.ts';
import { escapeHtml } from './html.ts';

/** Participants that have a row. */
const MOST_ROWS = 200;
const BINS = 24;

interface Column {
  readonly name: string;
  /** One for each participant, in order; undefined where it has none. */
  readonly values: readonly (number | undefined)[];
  readonly format: (value: number) => string;
}

const whole = (value: number): string => String(Math.round(value));
const fine = (value: number): string => value.toPrecision(4);

/** The columns of the newest training of each participant, and of its part in the run. */
const seenOf = (count: number, observations: readonly Observation[]): readonly Column[] => {
  if (observations.length === 0) return [];
  const trained = Array.from({ length: count }, () => 0);
  const lost = Array.from({ length: count }, () => 0);
  const newest: (Observation | undefined)[] = Array.from({ length: count });
  const seconds: (number | undefined)[] = Array.from({ length: count });
  for (const each of observations) {
    const { participant, dropped, trainLoss, uploadAfter } = each;
    if (dropped !== undefined) lost[participant] = (lost[participant] ?? 0) + 1;
    if (uploadAfter !== undefined) seconds[participant] = uploadAfter;
    if (trainLoss === undefined) continue;
    trained[participant] = (trained[participant] ?? 0) + 1;
    newest[participant] = each;
  }
  const columns: readonly Column[] = [
    { name: 'trainings', values: trained, format: whole },
    { name: 'times lost', values: lost, format: whole },
    { name: 'last training loss', values: newest.map((each) => each?.trainLoss), format: fine },
    { name: 'last update norm', values: newest.map((each) => each?.norm), format: fine },
    { name: 'last upload after, virtual s', values: seconds, format: fine },
  ];
  return columns.filter(({ values }) => values.some((value) => value !== undefined));
};

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.round(q * (sorted.length - 1))] ?? 0;

/** A row of bars, one for each bin from the least value to the largest. */
const bars = (sorted: readonly number[]): string => {
  const [low = 0, high = 0] = [sorted[0], sorted.at(-1)];
  const bins = Array.from({ length: BINS }, () => 0);
  for (const value of sorted) {
    const bin =
      high === low ? 0 : Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low)));
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const most = Math.max(1, ...bins);
  const drawn = bins.map((n, i) => {
    const height = (20 * n) / most;
    return `<rect x="${i * 5}" y="${(20 - height).toFixed(1)}" width="4" height="${height.toFixed(1)}"></rect>`;
  });
  return `<svg class="bars" viewBox="0 0 ${BINS * 5} 20" role="img" aria-label="histogram from ${low} to ${high}">${drawn.join('')}</svg>`;
};

const distributionRow = ({ name, values, format }: Column): string => {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  const cells = [0, 0.25, 0.5, 0.75, 1].map((q) => format(quantile(sorted, q)));
  return `<tr><th scope="row">${escapeHtml(name)}</th><td>${bars(sorted)}</td>${cells.map((cell) => `<td class="n">${escapeHtml(cell)}</td>`).join('')}</tr>`;
};

/** The first of them, attackers before others. */
const shownOf = (count: number, attackOf: ReadonlyMap<number, string>): readonly number[] => {
  const all = Array.from({ length: count }, (_, index) => index);
  const attackers = all.filter((index) => attackOf.has(index));
  const others = all.filter((index) => !attackOf.has(index));
  return [...attackers, ...others].slice(0, MOST_ROWS).toSorted((a, b) => a - b);
};

/** Empty where the run says nothing of its participants. */
export const participantsSection = (
  world: WorldSummary | undefined,
  observations: readonly Observation[],
): string => {
  if (world === undefined) return '';
  const { sizes, labels, attackers } = world;
  const count = sizes.length;
  const attackOf = new Map(
    attackers.flatMap(({ attack, participants }) =>
      participants.map((index) => [index, attack] as const),
    ),
  );
  const columns: readonly Column[] = [
    { name: 'examples', values: sizes, format: whole },
    ...(labels === undefined ? [] : [{ name: 'labels', values: labels, format: whole }]),
    ...seenOf(count, observations),
  ];
  const isAttacked = attackOf.size > 0;
  const head = [
    'participant',
    ...(isAttacked ? ['attack'] : []),
    ...columns.map(({ name }) => name),
  ];
  const shown = shownOf(count, attackOf);
  const body = shown.map((index) => {
    const attack = attackOf.get(index);
    const cells = columns.map(({ values, format }) => {
      const value = values[index];
      return `<td class="n">${value === undefined ? '–' : escapeHtml(format(value))}</td>`;
    });
    const who = isAttacked
      ? `<td${attack === undefined ? '' : ' class="warn"'}>${escapeHtml(attack ?? '–')}</td>`
      : '';
    return `<tr><th scope="row">${index}</th>${who}${cells.join('')}</tr>`;
  });
  const more = count - shown.length;
  return `<section><h2>Participants</h2>
<div class="scroll"><table><thead><tr><th></th><th scope="col">distribution</th>${['least', 'lower quartile', 'median', 'upper quartile', 'most'].map((name) => `<th class="n" scope="col">${name}</th>`).join('')}</tr></thead><tbody>${columns.map(distributionRow).join('\n')}</tbody></table></div>
<details><summary>Each participant</summary><div class="scroll"><table><thead><tr>${head.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('')}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>
${more > 0 ? `<p class="lead">and ${more} more participants; attackers are all listed, up to ${MOST_ROWS}</p>` : ''}</details></section>`;
};
