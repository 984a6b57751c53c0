/**
 * @module A large vector is encoded, masked and packed in chunks, with turns of the event loop in
 * between: the same bytes as at once, an abort within one chunk, progress by the clock, and other
 * work of the loop (heartbeats are such) between any two chunks.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { functionTrainer } from '../../client/index.ts';
import {
  encodeSteps,
  encodeUpdate,
  LANES_PER_STEP,
  pack,
  packSteps,
  ringLayout,
  type EncodingSpec,
  type UpdateInput,
} from '../../protocol/encoding/index.ts';
import { chunkRoot, chunkRootSteps } from '../../protocol/encoding/leaves.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { inTurns } from '../../protocol/steps.ts';
import { start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

const D = 2 ** 20 + 77;
const CHUNKS = Math.floor(D / LANES_PER_STEP);
const SPEC: EncodingSpec = { ring: 'ring16', clipNorm: 4, rotation: true, weightCap: 1000 };
const delta = Float32Array.from({ length: D }, (_, i) => Math.sin(i * 0.7) * 0.01);
/** Without a matcher, which looks at each element. */
const areSame = (a: NodeJS.TypedArray, b: NodeJS.TypedArray): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  );
const inputOf = (): UpdateInput => ({
  delta,
  examples: 60,
  spec: SPEC,
  n: 5,
  rotationSeed: new Uint8Array(32).fill(3),
  random: seededRandom(new Uint8Array(32).fill(4)),
});

describe('the steps of an encoding', () => {
  it('give the lanes of one call, with a turn after each chunk, and say how much is done', async () => {
    const expected = encodeUpdate(inputOf());
    const told: number[] = [];
    const found = await inTurns(encodeSteps(inputOf()), {
      every: LANES_PER_STEP,
      onTurn: (done) => told.push(done),
      turn: async () => undefined,
    });
    expect(areSame(found.lanes, expected.lanes)).toBe(true);
    expect({ ...found, lanes: 0 }).toEqual({ ...expected, lanes: 0 });
    expect(told).toHaveLength(CHUNKS);
    expect(Math.max(...told)).toBeLessThan(1.2 * LANES_PER_STEP);
    const layout = ringLayout(SPEC, 5, D);
    const bytes = pack(found.lanes, layout.modulusBits);
    expect(await inTurns(chunkRootSteps(layout, bytes), { every: 2 ** 18 })).toEqual(
      chunkRoot(layout, bytes),
    );
  });

  it.each([12, 13, 16, 24, 31])('pack to the same bytes: %i bits', async (bits) => {
    const lanes = new Uint32Array(2 ** 19 + 77);
    for (let i = 0; i < lanes.length; i += 1) lanes[i] = Math.imul(i, 2_654_435_761) >>> 1;
    const packed = await inTurns(packSteps(lanes, bits), { every: 2 ** 18 });
    expect(areSame(packed, pack(lanes, bits))).toBe(true);
  });

  it('a small vector takes no turn', async () => {
    const turn = (): Promise<never> => Promise.reject(new Error('a turn'));
    const input = { ...inputOf(), delta: delta.subarray(0, 10_000) };
    const { lanes } = await inTurns(encodeSteps(input), { every: LANES_PER_STEP, turn });
    expect(areSame(lanes, encodeUpdate({ ...inputOf(), delta: input.delta }).lanes)).toBe(true);
  });

  it('an abort is noticed before the next chunk', async () => {
    const stop = new AbortController();
    let turns = 0;
    const work = inTurns(encodeSteps(inputOf()), {
      every: LANES_PER_STEP,
      signal: stop.signal,
      turn: async () => {
        turns += 1;
        if (turns === 2) stop.abort();
      },
    });
    await expect(work).rejects.toMatchObject({ code: 'aborted' });
    expect(turns).toBe(2);
    expect(CHUNKS).toBeGreaterThan(2);
  });
});

describe('at a participant', () => {
  const TENSORS = [{ name: 'w', shape: [D], dtype: 'float32' as const }];
  let running: Started[] = [];
  afterEach(async () => {
    await stopAll(running);
    running = [];
  });

  /** Every look at the clock is half a second later. */
  const clockThatRuns = () => {
    let now = 0;
    return { ...systemClock, monotonic: () => (now += 500) };
  };

  const stage = async () => {
    const coordinator = await ScriptedCoordinator.create({}, TENSORS);
    const trainer = functionTrainer({
      manifest: { tensors: TENSORS },
      train: ({ weights }) => ({
        weights: weights.map((value, i) => value + delta[i]!),
        examples: 60,
        lossSum: 1,
        correct: 1,
      }),
    });
    // The time of the others stands still.
    const still = { ...systemClock, monotonic: () => 0 };
    running = await startAll(coordinator, 2, { trainer, clock: still });
    const victim = await start(coordinator, 2, { trainer, clock: clockThatRuns() });
    running.push(victim);
    await coordinator.loggedIn(3);
    return { coordinator, victim };
  };

  const encodings = (started: Started) =>
    started.events.filter((event) => event.type === 'encoding');

  it('tells its progress about once a second, and the loop runs in between', async () => {
    const { coordinator, victim } = await stage();
    let turns = 0;
    let isOver = false;
    const seen: number[] = [];
    const spin = (): void => {
      turns += 1;
      if (seen.length < encodings(victim).length) seen.push(turns);
      if (!isOver) setImmediate(spin);
    };
    spin();
    await coordinator.playRound();
    isOver = true;
    const told = encodings(victim);
    // Two looks a second: at every other turn of encoding, masking and packing.
    expect(told.length).toBeGreaterThanOrEqual(CHUNKS - 1);
    expect(told.map(({ done }) => done)).toEqual(
      told.map(({ done }) => done).toSorted((a, b) => a - b),
    );
    for (const { done, total } of told) expect(done).toBeLessThanOrEqual(total);
    expect(Math.max(...told.map(({ done, total }) => done / total))).toBeGreaterThan(0.6);
    // Each of them was seen by a turn of its own.
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(told.length);
    expect(encodings(running[0]!)).toEqual([]);
  });

  it('stops within a chunk when the attempt is aborted, and keeps no vector', async () => {
    const { coordinator, victim } = await stage();
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await victim.event('encoding');
    coordinator.abort();
    await victim.event('aborted');
    const told = encodings(victim).length;
    expect(await victim.keystore.loadVector(coordinator.run)).toBeUndefined();
    await coordinator.playRound();
    await victim.event('committed');
    expect(told).toBeLessThan(encodings(victim).length);
    expect(told).toBeLessThan(CHUNKS);
  });
});
