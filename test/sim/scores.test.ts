/**
 * @module Scores in the order of the versions, and the seal that waits for them.
 */
import { describe, expect, it } from 'vitest';
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import { createScores, watchedGate } from '../../sim/scores.ts';

const modelOf = (version: number): ModelRef =>
  ({ version, envelope: Uint8Array.of(version) }) as unknown as ModelRef;

const start = (targetAccuracy: number | undefined) => {
  const answers = new Map<number, PromiseWithResolvers<number>>();
  const answerOf = (version: number) => {
    const answer = answers.get(version) ?? Promise.withResolvers<number>();
    answers.set(version, answer);
    return answer;
  };
  const told: string[] = [];
  const scores = createScores({
    targetAccuracy,
    modelOf: async (attempt) => modelOf(attempt),
    evaluate: async ({ version }) => {
      told.push(`asked ${version}`);
      return { testAccuracy: await answerOf(version).promise, testLoss: 1 };
    },
    history: { score: (version, { testAccuracy }) => told.push(`${version}: ${testAccuracy}`) },
    onEvent: () => undefined,
    onTarget: () => told.push('target'),
    onFailure: (thrown) => told.push(`failed: ${String(thrown)}`),
  });
  return {
    scores,
    told,
    answer: (version: number, value: number) => answerOf(version).resolve(value),
  };
};

/** Whether it is settled once everything that can run has run. */
const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  const open = Symbol('open');
  const later = new Promise((resolve) => setImmediate(resolve, open));
  return (await Promise.race([promise, later])) !== open;
};

describe('createScores', () => {
  it('takes scores in the order of the versions, whichever is there first', async () => {
    const { scores, told, answer } = start(undefined);
    for (const version of [1, 2, 3]) scores.add({ attempt: version, version });
    answer(3, 0.3);
    answer(2, 0.2);
    await isSettled(scores.all());
    expect(told).toEqual(['asked 1']);
    answer(1, 0.1);
    await scores.all();
    expect(told).toEqual(['asked 1', '1: 0.1', 'asked 2', '2: 0.2', 'asked 3', '3: 0.3']);
    expect(scores.final().version).toBe(3);
  });

  it('ends with the first version that reaches the accuracy, and lets none pass after it', async () => {
    const { scores, told, answer } = start(0.5);
    scores.add({ attempt: 1, version: 1 });
    expect(await isSettled(scores.passed(0))).toBe(true);
    expect(await isSettled(scores.passed(1))).toBe(false);
    answer(1, 0.4);
    await scores.all();
    expect(await isSettled(scores.passed(1))).toBe(true);
    scores.add({ attempt: 2, version: 2 });
    scores.add({ attempt: 3, version: 3 });
    answer(2, 0.5);
    answer(3, 0.9);
    await scores.all();
    expect(told).toEqual(['asked 1', '1: 0.4', 'asked 2', '2: 0.5', 'target']);
    expect(await isSettled(scores.passed(2))).toBe(false);
    expect(scores.final().version).toBe(2);
  });

  it('has no final model before a score, and lets every version pass without an accuracy', async () => {
    const { scores } = start(undefined);
    expect(() => scores.final()).toThrow(expect.objectContaining({ code: 'attempt_aborted' }));
    expect(await isSettled(scores.passed(7))).toBe(true);
  });
});

it('the watched gate seals a version once the one before has passed, and keeps its key', async () => {
  const passed = Promise.withResolvers<void>();
  const asked: number[] = [];
  const envelope = Uint8Array.of(1, 2, 3);
  const inner = { kind: 'test', wrap: async () => envelope } as unknown as AccessGate;
  const { gate, keyOf } = watchedGate(inner, async (version) => {
    asked.push(version);
    await passed.promise;
  });
  const purpose = { run: new Uint8Array(32), attempt: 4, role: 'model' } as const;
  const key = new Uint8Array(32).fill(7);
  const sealing = gate.wrap(key, purpose, []);
  expect(await isSettled(sealing)).toBe(false);
  // A bundle of the round before is not held.
  await gate.wrap(key, { ...purpose, role: 'bundle' }, []);
  expect(keyOf(envelope)).toBeUndefined();
  passed.resolve();
  expect(await sealing).toBe(envelope);
  expect(keyOf(envelope)).toEqual(key);
  expect(asked).toEqual([3]);
});
