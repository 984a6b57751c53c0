/**
 * @module Partitions a dataset over participants: evenly at random, in shards of sorted labels
 * (McMahan et al. 2017, section 3), with label shares drawn from a Dirichlet distribution (Hsu et
 * al. 2019), or as skewed-partition.ts has it. Every example goes to exactly one participant, and
 * the same seed gives the same partition.
 */
import { FloeError } from '../../protocol/errors.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { readFlag } from '../../protocol/spec/read-settings.ts';
import { SETTINGS, type RunSettings } from '../../protocol/spec/settings.ts';
import { logGamma, shuffle, uniform } from './sampling.ts';
import {
  byKey,
  byLabelDirichlet,
  byLabels,
  byPowerLaw,
  byQuantity,
  type RowKeys,
} from './skewed-partition.ts';
import type { RandomSource } from '../../protocol/ports/random.ts';

/** How examples are dealt: the alternatives of the setting `partition`. */
export type Partition = NonNullable<RunSettings['partition']>;

/** Reads `iid`, `shards`, `shards:2`, `dirichlet:0.5`. @throws FloeError `usage` */
export const parsePartition = (text: string): Partition =>
  readFlag(SETTINGS.partition, '--partition', text) as Partition;

/** The inverse of {@link parsePartition}. */
export const formatPartition = (partition: Partition): string => {
  const { type, ...parameters } = partition;
  return [type, ...Object.values<number | string>(parameters)].join(':');
};

/** Cuts `order` into `pieces` runs whose lengths differ by at most one. */
const cut = (order: Uint32Array, pieces: number): Uint32Array[] =>
  Array.from({ length: pieces }, (_, i) =>
    order.slice(
      Math.floor((i * order.length) / pieces),
      Math.floor(((i + 1) * order.length) / pieces),
    ),
  );

const shuffledRows = (size: number, random: RandomSource): Uint32Array =>
  shuffle(
    Uint32Array.from({ length: size }, (_, i) => i),
    random,
  );

const shards = (
  labels: ArrayLike<number>,
  participants: number,
  perParticipant: number,
  random: RandomSource,
): Uint32Array[] => {
  // The sort is stable, so examples of one label stay in shuffled order and a shard is a random
  // part of its label.
  const sorted = shuffledRows(labels.length, random).toSorted(
    (a, b) => (labels[a] as number) - (labels[b] as number),
  );
  const pieces = cut(sorted, participants * perParticipant);
  const dealt = shuffledRows(pieces.length, random);
  return Array.from({ length: participants }, (_, i) =>
    Uint32Array.from(
      [...dealt.subarray(i * perParticipant, (i + 1) * perParticipant)].flatMap((piece) => [
        ...(pieces[piece] as Uint32Array),
      ]),
    ),
  );
};

/** Index drawn with probability proportional to `weights`, whose sum is `total` > 0. */
const draw = (weights: readonly number[], total: number, random: RandomSource): number => {
  let left = uniform(random) * total;
  let last = 0;
  for (const [i, weight] of weights.entries()) {
    if (weight <= 0) continue;
    last = i;
    left -= weight;
    if (left < 0) return i;
  }
  return last;
};

/**
 * Hsu et al. 2019: every participant draws its label shares q ~ Dir(alpha C p), with p the label
 * shares of the whole and C the number of classes (so Dir(alpha, ..., alpha) for balanced data),
 * and fills an equal quota by q without replacement. An exhausted class is removed from q. When all
 * classes of q are exhausted, the remaining examples are drawn in their order.
 */
const dirichlet = (
  labels: ArrayLike<number>,
  classes: number,
  participants: number,
  alpha: number,
  random: RandomSource,
): Uint32Array[] => {
  const pools: number[][] = Array.from({ length: classes }, () => []);
  for (const row of shuffledRows(labels.length, random))
    (pools[labels[row] as number] as number[]).push(row);
  const concentration = pools.map((pool) => (alpha * classes * pool.length) / labels.length);
  return Array.from({ length: participants }, (_, i) => {
    const quota =
      Math.floor(((i + 1) * labels.length) / participants) -
      Math.floor((i * labels.length) / participants);
    const logs = concentration.map((c) => (c > 0 ? logGamma(c, random) : -Infinity));
    const top = Math.max(...logs);
    const shares = logs.map((log) => Math.exp(log - top));
    return Uint32Array.from({ length: quota }, () => {
      const open = shares.map((share, c) => ((pools[c] as number[]).length > 0 ? share : 0));
      const total = open.reduce((a, b) => a + b, 0);
      const sizes = pools.map((pool) => pool.length);
      const chosen =
        total > 0
          ? draw(open, total, random)
          : draw(
              sizes,
              sizes.reduce((a, b) => a + b, 0),
              random,
            );
      return (pools[chosen] as number[]).pop() as number;
    });
  });
};

export interface PartitionInit {
  readonly partition: Partition;
  /** One label a row: a class 0 .. classes - 1. Targets of a regression are only dealt `iid`. */
  readonly labels: ArrayLike<number>;
  /** Number of rows. */
  readonly size: number;
  /** Absent for regression. */
  readonly classes?: number | undefined;
  readonly participants: number;
  /** Of each row, for a partition by them. */
  readonly keys?: RowKeys | undefined;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

/**
 * Deals the rows 0 .. size - 1: one list of rows for each participant, disjoint, together all rows,
 * none empty.
 *
 * @throws FloeError `usage` when there are fewer rows than participants (or shards), no classes to
 * sort by, or a participant would hold nothing
 */
export const dealRows = (init: PartitionInit): Uint32Array[] => {
  const { partition, labels, size, classes, participants, seed } = init;
  const pieces =
    partition.type === 'shards' ? participants * partition.perParticipant : participants;
  if (size < pieces)
    throw new FloeError(
      'usage',
      `--participants: ${size} examples are too few for ${participants} participants (${formatPartition(partition)})`,
    );
  const random = seededRandom(seed);
  switch (partition.type) {
    case 'iid':
      return cut(shuffledRows(size, random), participants);
    case 'quantity':
      return byQuantity(size, participants, partition.alpha, random);
    case 'power-law':
      return byPowerLaw(size, participants, partition.exponent, random);
    case 'key':
      if (init.keys !== undefined) return byKey(init.keys, participants, random);
      throw new FloeError('usage', '--partition: key needs a table with that column');
    default:
  }
  if (classes === undefined || labels.length !== size)
    throw new FloeError(
      'usage',
      `--partition: ${formatPartition(partition)} needs classes, one for each example; the data has none: use iid or quantity`,
    );
  switch (partition.type) {
    case 'shards':
      return shards(labels, participants, partition.perParticipant, random);
    case 'dirichlet':
      return dirichlet(labels, classes, participants, partition.alpha, random);
    case 'labels':
      return byLabels(labels, classes, participants, partition.perParticipant, random);
    case 'label-dirichlet':
      return byLabelDirichlet(labels, classes, participants, partition.alpha, random);
  }
};

export interface PartitionStatistics {
  readonly smallest: number;
  readonly largest: number;
  readonly mean: number;
  /** Mean over the participants of the number of labels they hold; absent for regression. */
  readonly meanLabels?: number;
  /** `histogram[participant][class]`: examples. Absent for regression. */
  readonly histogram?: readonly (readonly number[])[];
}

/** Statistics of a partition: sizes, and the number of labels per participant. */
export const partitionStatistics = (
  parts: readonly Uint32Array[],
  labels: ArrayLike<number>,
  classes: number | undefined,
): PartitionStatistics => {
  const sizes = parts.map((part) => part.length);
  const total = sizes.reduce((a, b) => a + b, 0);
  const base = {
    smallest: Math.min(...sizes),
    largest: Math.max(...sizes),
    mean: total / parts.length,
  };
  if (classes === undefined) return base;
  const histogram = parts.map((part) => {
    const counts = Array.from({ length: classes }, () => 0);
    for (const row of part) (counts[labels[row] as number] as number) += 1;
    return counts;
  });
  const held = histogram.map((counts) => counts.filter((count) => count > 0).length);
  return { ...base, meanLabels: held.reduce((a, b) => a + b, 0) / parts.length, histogram };
};
