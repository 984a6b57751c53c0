/**
 * @module Local statistics (FedBN): what stays at a site does not travel, is the site's own from
 * round to round, in a repeated attempt and over a crash, and is the same whether or not there was
 * one.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { memoryKeystore, personalModel } from '../../client/index.ts';
import { functionTrainer, type TrainRequest } from '../../client/trainer.ts';
import { layoutOf, partsFor } from '../../protocol/algorithm/round.ts';
import { describeLocal } from '../../protocol/algorithm/local-tensors.ts';
import { take, type TensorSpec } from '../../protocol/model/index.ts';
import { localTensors } from '../../protocol/model/parts.ts';
import {
  DEATHS,
  mortalKeystore,
  never,
  type KeystoreWrite,
  type MortalKeystore,
} from '../support/mortal-keystore.ts';
import { keystoreOf, start, stepOf, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { testSpec } from '../support/run.ts';

const tensor = (name: string, size: number, role?: TensorSpec['role']) => ({
  name,
  shape: [size],
  dtype: 'float32' as const,
  ...(role === undefined ? {} : { role }),
});
const TENSORS = [
  tensor('hidden/kernel', 200),
  tensor('norm/gamma', 3),
  tensor('norm/beta', 3),
  tensor('norm/moving_mean', 3, 'statistic'),
  tensor('norm/moving_variance', 3, 'variance'),
  tensor('base/kernel', 5, 'frozen'),
  tensor('output/kernel', 20),
];
const LOCAL = [{ start: 200, end: 212 }];
const TRAVELS = [
  { start: 0, end: 200 },
  { start: 217, end: 237 },
];
const VICTIM = 3;

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

/** What each call of a trainer was given and gave. */
interface Heard {
  readonly round: number;
  readonly given: Float32Array;
  readonly gave: Float32Array;
}

const listening = (heard: Heard[]) =>
  functionTrainer({
    manifest: { tensors: TENSORS },
    train: ({ weights, seed, round }: TrainRequest) => {
      const gave = stepOf(weights, seed);
      heard.push({ round, given: weights.slice(), gave: gave.slice() });
      return { weights: gave, examples: 10, lossSum: 1, correct: 1 };
    },
  });

/** A participant that is to die. */
const stage = async (victim?: MortalKeystore) => {
  const coordinator = await ScriptedCoordinator.create(
    { training: { statistics: 'local' } },
    TENSORS,
  );
  const heard: Heard[][] = [[], [], [], []];
  running = await Promise.all(
    heard.map((own, index) =>
      start(coordinator, index, {
        tensors: TENSORS,
        trainer: listening(own),
        ...(index === VICTIM && victim !== undefined
          ? {
              keystore: victim.keystore,
              link: async (open) => (victim.isDead() ? never() : open()),
            }
          : {}),
      }),
    ),
  );
  await coordinator.loggedIn(4);
  return { coordinator, heard };
};

describe('what stays', () => {
  it('is every tensor of a layer that keeps statistics, and no frozen one', () => {
    expect(localTensors(TENSORS)).toEqual([]);
    expect(localTensors(TENSORS, { statistics: 'local' }).map(({ name }) => name)).toEqual([
      'norm/gamma',
      'norm/beta',
      'norm/moving_mean',
      'norm/moving_variance',
    ]);
    // Without a layer in the name, the statistics alone.
    const bare = [tensor('w', 2), tensor('mean', 2, 'statistic')];
    expect(localTensors(bare, { statistics: 'local' }).map(({ name }) => name)).toEqual(['mean']);
  });

  it('is part of the specification, which refuses a model where it would mean nothing', async () => {
    const model = { architecture: 'custom', tensors: TENSORS };
    const spec = await testSpec({ model, training: { statistics: 'local' } });
    const average = await testSpec({ model });
    expect(average.training).not.toHaveProperty('statistics');
    expect(partsFor(spec)).toEqual({
      trainable: TRAVELS,
      shapes: [[200], [20]],
      statistics: [],
      frozen: [{ start: 200, end: 217 }],
      local: LOCAL,
    });
    expect(layoutOf(spec, 4, 10).segments.map(({ name, dimension }) => [name, dimension])).toEqual([
      ['update', 220],
    ]);
    expect(describeLocal(average)).toBeUndefined();
    expect(describeLocal(spec)).toBe(
      'local statistics: norm/gamma, norm/beta, norm/moving_mean, norm/moving_variance ' +
        '(12 parameters) stay at each site; the model of the run has their first values',
    );
    const refused = (tensors: TensorSpec[]): Promise<unknown> =>
      testSpec({
        model: { architecture: 'custom', tensors: tensors as typeof TENSORS },
        training: { statistics: 'local' },
      });
    await expect(refused([tensor('w', 3)])).rejects.toThrow(/the model has no statistics/u);
    await expect(refused(TENSORS.slice(1, 5))).rejects.toThrow(/no trainable tensor would travel/u);
  });
});

describe('local layers', () => {
  const model = { architecture: 'custom', tensors: TENSORS };

  it('stay whole, with their statistics, and are named in the specification', async () => {
    const training = { localLayers: ['output', 'norm'] };
    const spec = await testSpec({ model, training });
    expect(partsFor(spec)).toMatchObject({
      trainable: [{ start: 0, end: 200 }],
      statistics: [],
      local: [
        { start: 200, end: 212 },
        { start: 217, end: 237 },
      ],
    });
    expect(describeLocal(spec)).toMatch(
      /^local layers: norm\/gamma, .* and 1 more \(32 parameters\)/u,
    );
    // One tensor of a layer; the statistics are averaged as ever.
    const one = await testSpec({ model, training: { localLayers: ['norm/beta'] } });
    expect(partsFor(one).local).toEqual([{ start: 203, end: 206 }]);
    expect(partsFor(one).statistics).toHaveLength(2);
  });

  it.each([
    [['outputs'], /outputs: the model has no such layer that trains/u],
    [['base'], /base: the model has no such layer that trains/u],
    [['hidden', 'norm', 'output'], /no trainable tensor would travel/u],
  ])('%j are refused', async (localLayers, message) => {
    await expect(testSpec({ model, training: { localLayers } })).rejects.toThrow(message);
  });
});

describe('at a participant', () => {
  it('each site trains its own values from round to round; the model keeps the first ones', async () => {
    const { coordinator, heard } = await stage();
    const first = coordinator.weights.slice();
    for (let round = 1; round <= 3; round += 1) await coordinator.playRound();
    expect(take(coordinator.weights, LOCAL)).toEqual(take(first, LOCAL));
    expect(take(coordinator.weights, TRAVELS)).not.toEqual(take(first, TRAVELS));
    for (const own of heard) {
      expect(own.map(({ round }) => round)).toEqual([1, 2, 3]);
      expect(take(own[0]!.given, LOCAL)).toEqual(take(first, LOCAL));
      for (const [i, { given }] of own.entries())
        if (i > 0) expect(take(given, LOCAL)).toEqual(take(own[i - 1]!.gave, LOCAL));
    }
    // Tensors that travel are the same at all sites; local ones differ.
    const last = heard.map((own) => own[2]!.given);
    for (const given of last) expect(take(given, TRAVELS)).toEqual(take(last[0]!, TRAVELS));
    expect(take(last[1]!, LOCAL)).not.toEqual(take(last[0]!, LOCAL));
    const personal = await personalModel(
      running[0]!.keystore,
      coordinator.spec,
      coordinator.weights,
    );
    expect(take(personal, LOCAL)).toEqual(take(heard[0]![2]!.gave, LOCAL));
    expect(take(personal, TRAVELS)).toEqual(take(coordinator.weights, TRAVELS));
    const stranger = await memoryKeystore(new Uint8Array(32).fill(99));
    await expect(
      personalModel(stranger, coordinator.spec, coordinator.weights),
    ).rejects.toMatchObject({ code: 'file_not_found' });
  });

  it('an attempt that is repeated on a model trains the same update from the same values', async () => {
    const { coordinator, heard } = await stage();
    await coordinator.playRound();
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.collect(members, 'upload');
    coordinator.abort();
    await coordinator.playRound();
    for (const own of heard) {
      expect(own.map(({ round }) => round)).toEqual([1, 2, 2]);
      expect(own[2]).toEqual(own[1]);
    }
  });
});

describe('a crash', () => {
  const undisturbed = async () => {
    const { coordinator, heard } = await stage();
    for (let round = 1; round <= 3; round += 1) await coordinator.playRound();
    await stopAll(running);
    return { weights: coordinator.weights.slice(), own: heard[VICTIM]! };
  };

  /** The victim dies in round 2, at the given call of its keystore. */
  const disturbed = async (call: KeystoreWrite, when: 'before' | 'after') => {
    const inner = await keystoreOf(VICTIM);
    const mortal = mortalKeystore(inner, call, when, 2);
    const { coordinator } = await stage(mortal);
    await coordinator.playRound();
    const own: Heard[] = [];
    const takeOver = async (): Promise<void> => {
      await mortal.died;
      // Nobody waits for it to stop: it hangs where it died.
      const [gone] = running.splice(VICTIM, 1);
      coordinator.drop(gone!.key);
      const next = { keystore: inner, life: 1, tensors: TENSORS, trainer: listening(own) };
      running.push(await start(coordinator, VICTIM, next));
    };
    const second = takeOver();
    await coordinator.playRound();
    await second;
    await coordinator.until(() => coordinator.keys.length === 4, 'everyone is back');
    await coordinator.playRound();
    await stopAll(running);
    return { weights: coordinator.weights, own };
  };

  it.each(DEATHS)('%s, killed %s: the same model, and the same values', async (call, when) => {
    const expected = await undisturbed();
    const found = await disturbed(call, when);
    expect(found.weights).toEqual(expected.weights);
    expect(found.own.at(-1)).toEqual(expected.own.at(-1));
  });
});
