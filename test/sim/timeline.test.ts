/**
 * @module Shares of a run's time, against sums worked out by hand and against a count of
 * milliseconds.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { roundStore } from '../../protocol/ports/staging-store.ts';

import { testingTrainer } from '../../client/held-out.ts';
import { functionTrainer } from '../../client/trainer.ts';
import { createTimeline, timedStaging, timedTrainer, type Activity } from '../../sim/timeline.ts';

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

it('a trainer that is timed or tested is asked for its report by no one else', async () => {
  let asked = 0;
  const trainer = {
    ...functionTrainer({
      manifest: { tensors: [{ name: 'w', shape: [1], dtype: 'float32' }] },
      train: ({ weights }) => ({ weights, examples: 1, lossSum: 2, correct: 1 }),
    }),
    examples: 7,
    get report() {
      asked += 1;
      return undefined;
    },
  };
  const { note, shares } = createTimeline();
  const timed = timedTrainer(testingTrainer(trainer, undefined), note);
  const request = { weights: new Float32Array(1), round: 1, epochs: 1, batchSize: 1 };
  const result = await timed.train({ ...request, learningRate: 0.1, seed: new Uint8Array(32) });
  expect(result).toMatchObject({ lossSum: 2, metrics: { testLoss: 0 } });
  expect(timed.examples).toBe(7);
  expect(asked).toBe(0);
  expect(timed.report).toBeUndefined();
  expect(asked).toBe(1);
  expect(shares(0, Number.MAX_SAFE_INTEGER).training.seconds).toBeGreaterThan(0);
});
