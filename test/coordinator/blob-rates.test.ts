/**
 * @module Rates on blobs stop no honest member, however fast attempts follow each other and however
 * many members share an address; outsiders and members that ask for more meet them.
 */
import { describe, expect, it } from 'vitest';
import { createBlobRates } from '../../coordinator/blob-rates.ts';
import type { FloeError } from '../../protocol/errors.ts';
import { manualClock } from '../../protocol/ports/clock.ts';

const SHARED = '192.0.2.7';
const OUTSIDER = '198.51.100.3';

/** A coordinator whose participants all have one address. */
const ratesOf = (participants: number, cohortSize = participants) => {
  const clock = manualClock(0);
  const run = { attempt: 1, participants };
  const rates = createBlobRates({
    clock,
    limits: { blobRequestsPerMinute: 60, blobsPerMinute: 3 },
    attempt: () => run.attempt,
    cohortSize,
    loggedIn: () => run.participants,
    loggedInByAddress: () => new Map([[SHARED, run.participants]]),
  });
  const times = (count: number, call: () => void): number => {
    let done = 0;
    try {
      for (; done < count; done += 1) call();
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'rate_limited' });
    }
    return done;
  };
  return { clock, run, rates, times };
};

const codeOf = (call: () => void): string | undefined => {
  try {
    call();
    return undefined;
  } catch (thrown) {
    return (thrown as FloeError).code;
  }
};

describe('blobs', () => {
  it('a whole cohort on one address, two attempts a second: nobody is over a rate', () => {
    const { clock, run, rates } = ratesOf(40);
    for (; run.attempt <= 100; run.attempt += 1) {
      for (let member = 0; member < 40; member += 1) {
        // The model, its bundle, the own upload, and a part of each other one.
        for (let i = 0; i < 3 + 39; i += 1) rates.request(SHARED);
        rates.upload(`member ${member}`, `${run.attempt}`);
      }
      clock.advance(500);
    }
  });

  it('an outsider has the rate and no more', () => {
    const { rates, times } = ratesOf(40);
    expect(times(1000, () => rates.request(OUTSIDER))).toBe(60);
  });

  it('a member that sends and asks without end has its allowance and the rate', () => {
    const { run, rates, times } = ratesOf(1, 10);
    expect(times(1000, () => rates.upload('spoiler', 'blob'))).toBe(2 + 3);
    expect(times(1000, () => rates.request(SHARED))).toBe(16 + 2 * 10 + 60);
    run.attempt += 1;
    expect(times(1000, () => rates.upload('spoiler', 'blob'))).toBe(2);
  });

  it('a member stores no blob after blob that no record names, however long an attempt lasts', () => {
    const { clock, rates, run } = ratesOf(3);
    const codes = Array.from({ length: 10 }, (_, i) => {
      clock.advance(60_000);
      return codeOf(() => rates.upload('spoiler', `blob ${i}`));
    });
    expect(codes).toEqual([undefined, undefined, ...Array<string>(8).fill('store_refused')]);
    expect(codeOf(() => rates.upload('spoiler', 'blob 1'))).toBe(undefined);
    run.attempt += 1;
    expect(codeOf(() => rates.upload('spoiler', 'blob 2'))).toBe(undefined);
  });

  it('a participant that leaves takes its allowance along', () => {
    const { run, rates, times } = ratesOf(2, 10);
    run.participants = 0;
    expect(times(1000, () => rates.request(SHARED))).toBe(60);
  });
});
