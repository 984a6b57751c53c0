/**
 * @module The control variates of SCAFFOLD at real participants: the server's stays the mean of
 * theirs through drop-outs and aborted attempts, and a participant that is killed at any write of
 * its state resumes with the same.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSiteState } from '../../client/participant/host/site-state.ts';
import { functionTrainer } from '../../client/trainer.ts';
import {
  DEATHS,
  mortalKeystore,
  never,
  type KeystoreWrite,
  type MortalKeystore,
} from '../support/mortal-keystore.ts';
import { keystoreOf, start, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

const SIZE = 300;
const TENSORS = [{ name: 'w', shape: [SIZE], dtype: 'float32' as const }];
const RATE = 0.1;
const VICTIM = 3;

let running: Started[] = [];
/** The vectors that each participant was told to add to its gradients, by round. */
let told: Map<number, Float32Array>[];
afterEach(async () => {
  await stopAll(running);
  running = [];
});
beforeEach(() => {
  told = [];
});

/** Five steps towards a point of this site. */
const trainerOf = (index: number, heard: Map<number, Float32Array>) =>
  functionTrainer({
    manifest: { tensors: TENSORS },
    corrections: true,
    train: ({ weights, round, correction }) => {
      const linear = correction!.linear!;
      heard.set(round, linear.slice());
      const w = weights.slice();
      for (let step = 0; step < 5; step += 1)
        for (let i = 0; i < w.length; i += 1) {
          const gradient = (1 + index) * (w[i]! - 0.1 * Math.sin(i * (index + 1)));
          w[i] = w[i]! - RATE * (gradient + linear[i]!);
        }
      return { weights: w, examples: 10, lossSum: 1, correct: 1 };
    },
  });

const stage = async (victim?: MortalKeystore) => {
  const coordinator = await ScriptedCoordinator.create(
    {
      strategy: { name: 'scaffold', parameters: { population: 4, controlNorm: 3 } },
      training: { epochs: 5, batchSize: 10, learningRate: RATE },
      encoding: { clipNorm: 3 },
    },
    TENSORS,
  );
  running = await Promise.all(
    [0, 1, 2, 3].map((index) => {
      const heard = new Map<number, Float32Array>();
      told.push(heard);
      return start(coordinator, index, {
        tensors: TENSORS,
        trainer: trainerOf(index, heard),
        ...(index === VICTIM && victim !== undefined
          ? {
              keystore: victim.keystore,
              link: async (open) => (victim.isDead() ? never() : open()),
            }
          : {}),
      });
    }),
  );
  await coordinator.loggedIn(4);
  return coordinator;
};

/** The control variates that the participants would begin a next attempt with. */
const controls = (coordinator: ScriptedCoordinator): Promise<Float32Array[]> =>
  Promise.all(
    running.map(async ({ keystore }) => {
      const { run } = coordinator;
      const summed = (await keystore.load(run))?.summed;
      const site = createSiteState({ keystore, run, part: 'strategy', size: SIZE });
      return site.read(summed?.committed === true ? summed.attempt : undefined);
    }),
  );

const expectMean = async (coordinator: ScriptedCoordinator): Promise<Float32Array[]> => {
  for (const { event } of running) await event('committed', coordinator.committed);
  const own = await controls(coordinator);
  for (const [i, value] of coordinator.state.entries()) {
    const mean = own.reduce((sum, vector) => sum + vector[i]!, 0) / own.length;
    expect(Math.abs(value - mean)).toBeLessThan(1e-6);
  }
  return own;
};

describe('control variates', () => {
  it("move by what is in the sum: the server's is their mean, with and without drop-outs", async () => {
    const coordinator = await stage();
    await coordinator.playRound();
    const first = await expectMean(coordinator);
    expect(Math.hypot(...coordinator.state)).toBeGreaterThan(0.1);
    expect(Math.hypot(...first[1]!)).toBeGreaterThan(0.1);
    const [gone] = running;
    await coordinator.playRound([gone!.key]);
    const second = await expectMean(coordinator);
    expect(second[0]).toEqual(first[0]);
    expect(second[1]).not.toEqual(first[1]);
    await coordinator.playRound();
    const third = await expectMean(coordinator);
    expect(third[0]).not.toEqual(first[0]);
    // What participants were told to add is c - c_i of the round before.
    for (const [i, heard] of told.entries())
      for (const k of [0, 7, SIZE - 1])
        expect(heard.get(2)![k]).toBeCloseTo(
          running.reduce((sum, _, m) => sum + first[m]![k]! / 4, 0) - first[i]![k]!,
          5,
        );
  });

  it('do not move with an attempt that is aborted, which is repeated the same', async () => {
    const coordinator = await stage();
    await coordinator.playRound();
    const before = await expectMean(coordinator);
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.survivors(members);
    await coordinator.consistency(members);
    await coordinator.collect(members, 'unmask');
    const heard = told.map((own) => own.get(2));
    coordinator.abort();
    for (const { event } of running) await event('aborted');
    expect(await controls(coordinator)).toEqual(before);
    await coordinator.playRound();
    expect(told.map((own) => own.get(2))).toEqual(heard);
    await expectMean(coordinator);
  });
});

describe('a participant that is killed', () => {
  const play = async () => {
    const coordinator = await stage();
    for (let round = 1; round <= 3; round += 1) await coordinator.playRound();
    const own = await expectMean(coordinator);
    await stopAll(running);
    return { weights: coordinator.weights, state: coordinator.state, own };
  };

  let first: ReturnType<typeof play> | undefined;
  const undisturbed = (): ReturnType<typeof play> => (first ??= play());

  /** The victim dies in round 2, at the given call of its keystore. */
  const disturbed = async (call: KeystoreWrite, when: 'before' | 'after') => {
    const inner = await keystoreOf(VICTIM);
    const mortal = mortalKeystore(inner, call, when, 2);
    const coordinator = await stage(mortal);
    await coordinator.playRound();
    const takeOver = async (): Promise<void> => {
      await mortal.died;
      const [gone] = running.splice(VICTIM, 1);
      coordinator.drop(gone!.key);
      const trainer = trainerOf(VICTIM, told[VICTIM]!);
      const next = { keystore: inner, life: 1, tensors: TENSORS, trainer };
      running.push(await start(coordinator, VICTIM, next));
    };
    const second = takeOver();
    await coordinator.playRound();
    await second;
    await coordinator.until(() => coordinator.keys.length === 4, 'everyone is back');
    await coordinator.playRound();
    for (const { event } of running.slice(0, VICTIM)) await event('committed', 3);
    await running[VICTIM]!.event('committed', 2);
    return {
      weights: coordinator.weights,
      state: coordinator.state,
      own: await controls(coordinator),
    };
  };

  it.each(DEATHS)(
    '%s, killed %s: the same model, the same state everywhere',
    async (call, when) => {
      const expected = await undisturbed();
      told = [];
      expect(await disturbed(call, when)).toEqual(expected);
    },
  );
});
