/**
 * @module The metrics of a run as series over its rounds, each with a name as dashboards group
 * them: `test/accuracy`, `train/loss`, `bytes/up`, `phase/upload seconds`. Generic: a metric that a
 * round has is here.
 */
import { meanStaleness } from '../../protocol/spec/describe-buffer.ts';
import type { RoundSummary, Summary } from '../summary.ts';

export interface SeriesPoint {
  /** The round, from 1. */
  readonly step: number;
  readonly value: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly SeriesPoint[];
}

/** `trainLoss` is `train/loss`; a name without a capital letter stands alone. */
const grouped = (name: string): string => {
  const [, group, rest] = /^(train|test)([A-Z].*)$/u.exec(name) ?? [];
  if (group === undefined || rest === undefined) return `metric/${name}`;
  const bare = `${rest.charAt(0).toLowerCase()}${rest.slice(1)}`;
  // The scores of the whole test set are `test/`; those are what participants held out.
  return `${group === 'test' ? 'held-out' : group}/${bare}`;
};

/** Those that have names of their own, or are none. */
const NAMED = new Set<string>([
  'attempt',
  'version',
  'testAccuracy',
  'testLoss',
  'cohort',
  'survivors',
  'clipped',
  'weight',
  'bytesUp',
  'bytesDown',
  'seconds',
] satisfies (keyof RoundSummary)[]);

/** Every other number of a round, such as its virtual time where it has one. */
const others = (round: RoundSummary): Readonly<Record<string, number>> => {
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(round))
    if (typeof value === 'number' && !NAMED.has(name)) found[`round/${name}`] = value;
  // The only list of a round: a series has one number of it.
  if (round.staleness !== undefined) found['round/meanStaleness'] = meanStaleness(round.staleness);
  return found;
};

/** How many there are, and the score of each. */
const anomaliesIn = ({ anomalies = [] }: RoundSummary): Readonly<Record<string, number>> => ({
  'anomaly/count': anomalies.length,
  ...Object.fromEntries(
    anomalies.map(({ kind, subject, score }) => [`anomaly/${kind} ${subject} score`, score]),
  ),
});

/** The metrics of one round by name. */
export const metricsOf = (round: RoundSummary): Readonly<Record<string, number>> => ({
  ...(round.testAccuracy === undefined ? {} : { 'test/accuracy': round.testAccuracy }),
  ...(round.testLoss === undefined ? {} : { 'test/loss': round.testLoss }),
  ...Object.fromEntries(
    Object.entries(round.training).map(([name, value]) => [grouped(name), value]),
  ),
  ...others(round),
  ...anomaliesIn(round),
  'cohort/size': round.cohort,
  'cohort/survivors': round.survivors,
  'cohort/clipped': round.clipped,
  'cohort/weight': round.weight,
  'bytes/up': round.bytesUp,
  'bytes/down': round.bytesDown,
  'time/seconds': round.seconds,
  ...Object.fromEntries(
    Object.entries(round.phases).map(([phase, value]) => [`phase/${phase} seconds`, value]),
  ),
});

/** Ends of all rounds, in seconds since the first began. */
export const endTimes = (history: readonly RoundSummary[]): readonly number[] => {
  let end = 0;
  return history.map(({ seconds }) => (end += seconds));
};

export const seriesOf = ({ history }: Pick<Summary, 'history'>): readonly Series[] => {
  const series = new Map<string, SeriesPoint[]>();
  for (const round of history)
    for (const [name, value] of Object.entries(metricsOf(round))) {
      const points = series.get(name) ?? [];
      points.push({ step: round.version, value });
      series.set(name, points);
    }
  return [...series].map(([name, points]) => ({ name, points }));
};
