/**
 * @module Shares of a run's time, against sums worked out by hand and against a count of
 * milliseconds.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { roundStore } from '../../protocol/ports/staging-store.ts';
import { createTimeline, timedStaging, type Activity } from '../../sim/timeline.ts';

describe('shares', () => {
  it('count what overlaps once and cut to the rounds', () => {
    const { note, shares } = createTimeline();
    note('training', 100, 300);
    note('training', 200, 400);
    note('storage', 350, 450);
    note('storage', 0, 120);
    note('keys', 900, 2_000);
    const { training, storage, keys, ledger } = shares(100, 1_100);
    expect(training).toEqual({ seconds: 0.3, share: 0.3, besideTraining: 1 });
    expect(storage.seconds).toBeCloseTo(0.12);
    expect(storage.besideTraining).toBeCloseTo(70 / 120);
    expect(keys).toEqual({ seconds: 0.2, share: 0.2, besideTraining: 0 });
    expect(ledger).toEqual({ seconds: 0, share: 0, besideTraining: 0 });
  });

  it('agree with a count of every millisecond', () => {
    const spans = fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 8 });
    fc.assert(
      fc.property(spans, spans, (training, keys) => {
        const { note, shares } = createTimeline();
        const filled: Record<string, Set<number>> = { training: new Set(), keys: new Set() };
        for (const [activity, list] of Object.entries({ training, keys }))
          for (const [a, b] of list) {
            note(activity as Activity, Math.min(a, b), Math.max(a, b));
            for (let at = Math.min(a, b); at < Math.max(a, b); at += 1) filled[activity]?.add(at);
          }
        const within = [...(filled['keys'] ?? [])].filter((at) => at >= 10 && at < 50);
        const both = within.filter((at) => filled['training']?.has(at));
        const { seconds, besideTraining } = shares(10, 50).keys;
        expect(seconds * 1000).toBeCloseTo(within.length, 6);
        expect(besideTraining).toBeCloseTo(within.length === 0 ? 0 : both.length / within.length);
      }),
    );
  });
});

it('an archive counts until it is where it lasts', async () => {
  const { note, shares } = createTimeline();
  const moved = Promise.withResolvers<void>();
  const lasting = {
    ...memoryStore(),
    putTogether: async (blobs: readonly Uint8Array[]) =>
      Promise.all(blobs.map((bytes) => memoryStore().put(bytes))),
    settle: async () => {
      calls += 1;
      // The first call is the archive's own, before anything is on its way.
      if (calls > 1) await moved.promise;
    },
    sustain: () => Promise.reject(new Error('nothing expires here')),
  };
  let calls = 0;
  const staging = timedStaging(roundStore({ waiting: memoryStore(), lasting }), note);
  const from = performance.timeOrigin + performance.now();
  await staging.archive([new Uint8Array(3)]);
  const spent = () => shares(from, Infinity).storage.seconds;
  expect(spent()).toBe(0);
  moved.resolve();
  await staging.settle();
  expect(spent()).toBeGreaterThan(0);
});
