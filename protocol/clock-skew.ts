/**
 * @module Clocks compared with each other: this machine's, the coordinator's, the chain's. Where
 * two of three agree, the third is the wrong one; a wrong own clock is a fault of this machine and
 * nobody's lie.
 */

/**
 * Clocks may differ by this much, ms. Seal's certificates live for ten minutes; what is beyond this
 * wants mending before that.
 */
export const MAX_SKEW_MS = 60_000;

/** What a clock shows, less what the own one shows, ms, as far as the way to it lets one tell. */
export interface ClockReading {
  readonly of: 'coordinator' | 'chain';
  readonly aheadMs: number;
  /** The true value lies within this of `aheadMs`: half of the time that the answer took. */
  readonly withinMs: number;
}

/** @param sentMs,receivedMs by the own clock, when the other was asked and answered `theirsMs` */
export const readingOf = (
  of: ClockReading['of'],
  sentMs: number,
  receivedMs: number,
  theirsMs: number,
): ClockReading => ({
  of,
  aheadMs: theirsMs - (sentMs + receivedMs) / 2,
  withinMs: Math.abs(receivedMs - sentMs) / 2,
});

export interface Skew {
  /** `unknown`: two clocks differ, and no third one says which is right. */
  readonly whose: 'own' | 'coordinator' | 'chain' | 'unknown';
  readonly readings: readonly ClockReading[];
  /** One sentence. */
  readonly message: string;
}

const differs = (aMs: number, bMs: number, withinMs: number): boolean =>
  Math.abs(aMs - bMs) > MAX_SKEW_MS + withinMs;

/** A duration as people read it. */
const duration = (ms: number): string => {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.round(minutes / 60)} h`;
};

const side = (aheadMs: number): string =>
  `${duration(aheadMs)} ${aheadMs > 0 ? 'behind' : 'ahead of'}`;

const other = (aheadMs: number): string =>
  `${duration(aheadMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;

/** Whose clock is wrong, as far as the readings show; undefined where all agree. */
export const skewOf = (readings: readonly ClockReading[]): Skew | undefined => {
  const off = readings.filter(({ aheadMs, withinMs }) => differs(aheadMs, 0, withinMs));
  const [first] = off;
  if (first === undefined) return undefined;
  const right = readings.find((reading) => !off.includes(reading));
  if (right !== undefined)
    return {
      whose: first.of,
      readings,
      message: `the clock of the ${first.of} is ${other(first.aheadMs)}, which agrees with that of the ${right.of}`,
    };
  const second = off[1];
  if (second === undefined)
    return {
      whose: 'unknown',
      readings,
      message: `the clock of this machine is ${side(first.aheadMs)} that of the ${first.of}; no third clock says which is right`,
    };
  const agree = !differs(first.aheadMs, second.aheadMs, first.withinMs + second.withinMs);
  return agree
    ? {
        whose: 'own',
        readings,
        message: `the clock of this machine is ${side(first.aheadMs)} those of the ${first.of} and of the ${second.of}, which agree`,
      }
    : {
        whose: 'unknown',
        readings,
        message: `the clocks of this machine, the ${first.of} and the ${second.of} all differ`,
      };
};
