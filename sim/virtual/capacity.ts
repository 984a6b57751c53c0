/**
 * @module How long a participant takes, in virtual milliseconds: its training speed and bandwidth
 * are drawn once, by the seed, from a log-normal distribution or are the same for all.
 */
import { normal } from '../../client/data/sampling.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import type { Scenario } from '../scenario.ts';

type Distribution = NonNullable<Scenario['speed']>;

/** What one participant can do. Infinity: it takes no time. */
export interface Capacity {
  /** Examples a second. */
  readonly speed: number;
  /** Bits a second, in each direction. */
  readonly bandwidth: number;
}

const drawOf = (of: Distribution | undefined, seed: Uint8Array): number => {
  if (of === undefined) return Infinity;
  if (of.type === 'same') return of.median;
  return of.median * Math.exp(of.sigma * normal(cipherStream(seed)));
};

export const capacityOf = (
  { speed, bandwidth }: Pick<Scenario, 'speed' | 'bandwidth'>,
  index: number,
  seed: Uint8Array,
): Capacity => ({
  speed: drawOf(speed, deriveSeed(seed, 'speed', index)),
  bandwidth: 1e6 * drawOf(bandwidth, deriveSeed(seed, 'bandwidth', index)),
});

/** Milliseconds to move so many bytes. */
export const transferMs = ({ bandwidth }: Capacity, bytes: number): number =>
  (8000 * bytes) / bandwidth;

/** Milliseconds to train on so many examples, each epoch counted. */
export const trainMs = ({ speed }: Capacity, examples: number): number => (1000 * examples) / speed;

const describe = (of: Distribution | undefined, unit: string): string => {
  if (of === undefined) return 'no limit';
  return of.type === 'same'
    ? `${of.median} ${unit}`
    : `log-normal with median ${of.median} ${unit} and sigma ${of.sigma}`;
};

/** In words, for the first lines of a run. */
export const describeCapacities = ({
  speed,
  bandwidth,
  latency,
}: Pick<Scenario, 'speed' | 'bandwidth' | 'latency'>): string =>
  `training ${describe(speed, 'examples/s')}, transfer ${describe(bandwidth, 'Mbit/s')}, latency ${latency} s`;
