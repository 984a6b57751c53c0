/**
 * @module Which participants are there, and when. All of it derives from the seed, the number of
 * the attempt and virtual time. The cohort is drawn by the protocol, from those who were there when
 * the last survivors were frozen; a drawn participant that has left does not answer.
 */
import type { Dataset } from '../../client/data/dataset.ts';
import { uniform } from '../../client/data/sampling.ts';
import { FloeError } from '../../protocol/errors.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import type { Scenario } from '../scenario.ts';

export type Participation = Scenario['participation'];

export interface Moment {
  /** The attempt that begins. */
  readonly attempt: number;
  /** Milliseconds since the beginning of the simulation. */
  readonly time: number;
}

export interface Availability {
  present(index: number, at: Moment): boolean;
  /**
   * When the presence of a participant changes next by time alone, ms since the beginning, after
   * `time`; undefined where it changes between attempts only.
   */
  nextChange(index: number, time: number): number | undefined;
}

export interface AvailabilityInit {
  readonly participation: Participation;
  /** Rows of each participant. */
  readonly parts: readonly Uint32Array[];
  readonly train: Pick<Dataset, 'labels' | 'classes' | 'size'>;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

const never = (): undefined => undefined;

/** Mean label of a part, in units of the last label: 0 to 1. */
const meanLabel = (rows: Uint32Array, labels: ArrayLike<number>, classes: number): number => {
  let sum = 0;
  for (const row of rows) sum += labels[row] as number;
  return classes < 2 ? 0 : sum / rows.length / (classes - 1);
};

/**
 * The chance of a participant under `labels`: linear from `low` with the first label only to `high`
 * with the last one only.
 */
export const chanceOf = (
  { low, high }: { readonly low: number; readonly high: number },
  rows: Uint32Array,
  labels: ArrayLike<number>,
  classes: number,
): number => low + (high - low) * meanLabel(rows, labels, classes);

/**
 * A day of `day` seconds in which a participant is there for the fraction `open`, from a phase of
 * its own that is uniform over the day.
 */
const diurnal = (
  { day, open }: { readonly day: number; readonly open: number },
  seed: Uint8Array,
): Availability => {
  const [length, window] = [Math.max(1, Math.round(1000 * day)), Math.round(1000 * day * open)];
  const phases = new Map<number, number>();
  /** Ms since its window opened last. */
  const since = (index: number, time: number): number => {
    const phase =
      phases.get(index) ??
      Math.floor(length * uniform(cipherStream(deriveSeed(seed, 'phase', index))));
    phases.set(index, phase);
    return (time + phase) % length;
  };
  return {
    present: (index, { time }) => since(index, time) < window,
    nextChange: (index, time) => {
      if (window >= length) return undefined;
      const passed = since(index, time);
      return time + (passed < window ? window : length) - passed;
    },
  };
};

/** @throws FloeError `usage` where presence is to follow labels and there are none */
export const availabilityOf = ({
  participation,
  parts,
  train,
  seed,
}: AvailabilityInit): Availability => {
  const byChance = (chance: (index: number) => number): Availability => ({
    present: (index, { attempt }) =>
      uniform(cipherStream(deriveSeed(seed, 'present', attempt, index))) < chance(index),
    nextChange: never,
  });
  switch (participation.type) {
    case 'uniform':
      return { present: () => true, nextChange: never };
    case 'poisson':
      return byChance(() => participation.rate);
    case 'diurnal':
      return diurnal(participation, seed);
    case 'labels': {
      const { labels, classes, size } = train;
      if (classes === undefined || labels.length !== size)
        throw new FloeError(
          'usage',
          '--participation: labels needs classes, one for each example; the data has none',
        );
      const chances = parts.map((rows) => chanceOf(participation, rows, labels, classes));
      return byChance((index) => chances[index] ?? 0);
    }
  }
};

/** In words, for the first lines of a run. */
export const describeParticipation = (participation: Participation): string => {
  switch (participation.type) {
    case 'uniform':
      return 'all participants are there';
    case 'poisson':
      return `each participant is there in each attempt by the chance ${participation.rate}`;
    case 'diurnal':
      return `each participant is there for ${participation.open} of a day of ${participation.day} s, at its own time of it`;
    case 'labels':
      return `the chance to be there rises from ${participation.low} (first label only) to ${participation.high} (last label only)`;
  }
};
