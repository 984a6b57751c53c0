/**
 * @module Compares the participant's clock with the coordinator's and the chain's, at every login.
 * The participant itself works with durations only. Key servers and nodes refuse requests at a
 * wrong time; the error then names the wrong clock as the cause.
 */
import type { Clock } from '../../../protocol/ports/clock.ts';
import { readingOf, skewOf, type ClockReading, type Skew } from '../../../protocol/clock-skew.ts';

/** @param chain what the chain's clock shows, where there is a chain */
export const compareClocks = async (
  own: Clock,
  coordinator: ClockReading,
  chain: (() => Promise<number>) | undefined,
): Promise<Skew | undefined> => {
  const readings = [coordinator];
  try {
    const asked = own.now();
    const shown = await chain?.();
    if (shown !== undefined) readings.push(readingOf('chain', asked, own.now(), shown));
  } catch {
    // A chain that does not answer now is asked again at the next login.
  }
  return skewOf(readings);
};
