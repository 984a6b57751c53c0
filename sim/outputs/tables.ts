/**
 * @module The numbers of a run as rows: one for each round with all its metrics, for each
 * participant of each attempt as the simulator sees it, and for each participant and class of the
 * partition.
 */
import type { PartitionStatistics } from '../../client/data/partition.ts';
import type { TunedSite } from '../fine-tune/measure.ts';
import type { RoundSummary } from '../summary.ts';
import type { Cell } from './csv.ts';
import { ARRIVALS, type Observation } from './observations.ts';
import { metricsOf } from './series.ts';

export interface Table {
  readonly name: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** In wide form: a column for each metric. */
export const roundsTable = (history: readonly RoundSummary[]): Table => {
  const all = history.map((round) => ({ round, metrics: metricsOf(round) }));
  const names = [...new Set(all.flatMap(({ metrics }) => Object.keys(metrics)))];
  return {
    name: 'rounds',
    head: ['round', 'attempt', ...names, 'modelHash'],
    rows: all.map(({ round, metrics }) => [
      round.version,
      round.attempt,
      ...names.map((name) => metrics[name]),
      round.modelHash,
    ]),
  };
};

const OBSERVED = [
  'attempt',
  'round',
  'participant',
  'examples',
  'trainLoss',
  'trainAccuracy',
  'norm',
  'trainSeconds',
  'dropped',
] as const satisfies readonly (keyof Observation)[];

/** Columns of runs with attackers, and of runs in virtual time. */
const OPTIONAL = [
  'attack',
  ...Object.values(ARRIVALS),
] as const satisfies readonly (keyof Observation)[];

export const participantsTable = (observations: readonly Observation[]): Table => {
  const more = OPTIONAL.filter((name) => observations.some((each) => each[name] !== undefined));
  const head = [...OBSERVED, ...more];
  return {
    name: 'participants',
    head,
    rows: observations.map((each) => head.map((name) => each[name])),
  };
};

/** Undefined where labels are no classes. */
export const classesTable = (
  { histogram }: PartitionStatistics,
  classNames: readonly string[],
): Table | undefined =>
  histogram && {
    name: 'classes',
    head: ['participant', 'class', 'name', 'examples'],
    rows: histogram.flatMap((counts, participant) =>
      counts.map((count, own) => [participant, own, classNames[own], count]),
    ),
  };

const TUNED = [
  'participant',
  'examples',
  'heldOut',
  'accuracyBefore',
  'accuracyAfter',
  'lossBefore',
  'lossAfter',
] as const satisfies readonly (keyof TunedSite)[];

/** A row for each site that was fine-tuned. */
export const fineTuneTable = (sites: readonly TunedSite[]): Table => ({
  name: 'fine-tune',
  head: TUNED,
  rows: sites.map((site) => TUNED.map((name) => site[name])),
});

/** A JSON object a row, without what is missing. */
export const jsonLines = ({ head, rows }: Table): string =>
  rows
    .map((row) => {
      const known = head.flatMap((name, i) => (row[i] === undefined ? [] : [[name, row[i]]]));
      return `${JSON.stringify(Object.fromEntries(known))}\n`;
    })
    .join('');
