/**
 * @module How long a participant takes, in virtual milliseconds: its training speed and bandwidth
 * are drawn once, by the seed, from a log-normal distribution, are the same for all, or are those
 * of a slow and a fast group.
 */
import { normal, shuffle } from '../../client/data/sampling.ts';
import { cipherStream, deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import type { Scenario } from '../scenario.ts';

type Distribution = NonNullable<Scenario['speed']>;

/** What one participant can do. Infinity: it takes no time. */
export interface Capacity {
  /** Examples a second. */
  readonly speed: number;
  /** Bits a second, in each direction. */
  readonly bandwidth: number;
}

/** By seed: all participants, the slowest first. */
const orders = new WeakMap<Uint8Array, Uint32Array>();

/** Whether it is slow: exactly this fraction is, the same ones in speed and bandwidth. */
const isSlow = ({ seed, index, participants }: Drawn, fraction: number): boolean => {
  const known = orders.get(seed);
  const order =
    known?.length === participants
      ? known
      : shuffle(
          Uint32Array.from({ length: participants }, (_, i) => i),
          seededRandom(deriveSeed(seed, 'stragglers')),
        );
  orders.set(seed, order);
  return order.indexOf(index) < Math.round(fraction * participants);
};

interface Drawn {
  readonly seed: Uint8Array;
  readonly index: number;
  readonly participants: number;
}

const drawOf = (
  of: Distribution | undefined,
  label: 'speed' | 'bandwidth',
  drawn: Drawn,
): number => {
  switch (of?.type) {
    case undefined:
      return Infinity;
    case 'same':
      return of.median;
    case 'log-normal': {
      const seed = deriveSeed(drawn.seed, label, drawn.index);
      return of.median * Math.exp(of.sigma * normal(cipherStream(seed)));
    }
    case 'stragglers':
      return isSlow(drawn, of.fraction) ? of.median / of.factor : of.median;
  }
};

/** @param participants of the scenario, of whom a fraction may be slow */
export const capacityOf = (
  { speed, bandwidth }: Pick<Scenario, 'speed' | 'bandwidth'>,
  index: number,
  seed: Uint8Array,
  participants: number,
): Capacity => {
  const drawn = { seed, index, participants };
  return {
    speed: drawOf(speed, 'speed', drawn),
    bandwidth: 1e6 * drawOf(bandwidth, 'bandwidth', drawn),
  };
};

/** Milliseconds to move so many bytes. */
export const transferMs = ({ bandwidth }: Capacity, bytes: number): number =>
  (8000 * bytes) / bandwidth;

/** Milliseconds to train on so many examples, each epoch counted. */
export const trainMs = ({ speed }: Capacity, examples: number): number => (1000 * examples) / speed;

const describe = (of: Distribution | undefined, unit: string): string => {
  if (of === undefined) return 'no limit';
  if (of.type === 'stragglers')
    return `${of.median} ${unit}, a fraction of ${of.fraction} of the participants ${of.factor} times slower`;
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
