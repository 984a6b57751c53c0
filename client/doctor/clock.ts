/**
 * @module Compares this machine's clock with the chain's newest checkpoint and with the
 * coordinator's answers over HTTP (`Date`, RFC 9110, section 6.6.1, to the second).
 */
import { FloeError } from '../../protocol/errors.ts';
import { MAX_SKEW_MS, readingOf, skewOf, type ClockReading } from '../../protocol/clock-skew.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import { check, type Check } from '../../protocol/health-checks.ts';

export interface ClockExamination {
  readonly clock: Clock;
  /** The time of the chain's clock, ms. */
  readonly chain?: (() => Promise<number>) | undefined;
  /** Address of the coordinator over HTTP. */
  readonly coordinator?: string | undefined;
  readonly signal: AbortSignal;
}

const read = async (
  clock: Clock,
  of: ClockReading['of'],
  ask: () => Promise<number>,
): Promise<ClockReading> => {
  const asked = clock.now();
  const shown = await ask();
  return readingOf(of, asked, clock.now(), shown);
};

/** The time in the answer of a coordinator. @throws FloeError `connection_lost` */
export const coordinatorTime = async (url: string, signal: AbortSignal): Promise<number> => {
  try {
    const { headers, body } = await fetch(new URL('/health', url), { signal });
    await body?.cancel();
    const time = Date.parse(headers.get('date') ?? '');
    if (Number.isFinite(time)) return time;
  } catch (cause) {
    const { message } = cause as Error;
    throw new FloeError('connection_lost', `no answer from ${url}: ${message}`, {}, { cause });
  }
  throw new FloeError('connection_lost', `${url} does not tell the time`);
};

const shown = ({ of, aheadMs }: ClockReading): string =>
  `${of} ${aheadMs < 0 ? '-' : '+'}${(Math.abs(aheadMs) / 1000).toFixed(1)} s`;

/** One check; none without a clock to compare with. */
export const examineClock = async (examination: ClockExamination): Promise<Check[]> => {
  const { clock, chain, coordinator, signal } = examination;
  if (chain === undefined && coordinator === undefined) return [];
  const found = await check('clock', true, async () => {
    const readings: ClockReading[] = [];
    if (chain !== undefined) readings.push(await read(clock, 'chain', chain));
    if (coordinator !== undefined)
      readings.push(await read(clock, 'coordinator', () => coordinatorTime(coordinator, signal)));
    const text = readings.map(shown).join(', ');
    const skew = skewOf(readings);
    // A wrong clock elsewhere is no fault of this machine.
    if (skew !== undefined && (skew.whose === 'own' || skew.whose === 'unknown'))
      throw new FloeError('clock_skewed', `${skew.message} (${text})`);
    return skew === undefined
      ? `within ${MAX_SKEW_MS / 1000} s: ${text}`
      : `${skew.message} (${text})`;
  });
  return [found];
};
