/**
 * @module The participant's clock against the coordinator's and the chain's, at every login. The
 * participant itself works with durations only; key servers and nodes refuse who asks at the wrong
 * time, and then the wrong clock is the cause to name.
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
