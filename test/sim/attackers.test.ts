/**
 * Attackers: the formulas of the papers against code written otherwise, what each attack gives for
 * a known trainer, and how a scenario names them.
 */
import { describe, expect, it } from 'vitest';
import { createDataset, type Dataset } from '../../client/data/dataset.ts';
import { functionTrainer, type Trainer, type TrainRequest } from '../../client/trainer.ts';
import { cipherStream } from '../../protocol/ports/random.ts';
import {
  checkAttacks,
  chooseAttackers,
  formatAttack,
  parseAttack,
} from '../../sim/attackers/attack-setting.ts';
import { passingMemory } from '../../sim/attackers/attack-memory.ts';
import { createAttackerTrainers, planAttacks } from '../../sim/attackers/attacker-trainers.ts';
import { ATTACKS, attackLines, type AttackName } from '../../sim/attackers/kinds.ts';
import { flipLabels, goalExamples, poisoned } from '../../sim/attackers/poison.ts';
import {
  alieVector,
  alieZ,
  deviationOf,
  ipmVector,
  meanOf,
  minMaxVector,
  normalQuantile,
} from '../../sim/attackers/vectors.ts';
import { normal } from '../../client/data/sampling.ts';

const seed = new Uint8Array(32).fill(9);
const random = cipherStream(seed);
const vectors = Array.from({ length: 5 }, () =>
  Float32Array.from({ length: 40 }, () => 1 + normal(random)),
);
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!));

describe('vectors of colluders', () => {
  const column = (i: number): number[] => vectors.map((vector) => vector[i]!);

  it('ALIE and IPM are of the mean and the deviation of each coordinate', () => {
    for (const i of [0, 7, 39]) {
      const mean = column(i).reduce((a, b) => a + b) / 5;
      const deviation = Math.sqrt(column(i).reduce((a, x) => a + (x - mean) * (x - mean), 0) / 5);
      expect(alieVector(vectors, 1.5)[i]).toBeCloseTo(mean - 1.5 * deviation, 12);
      expect(ipmVector(vectors, 0.1)[i]).toBeCloseTo(-0.1 * mean, 12);
    }
  });

  it('z of ALIE follows from cohort and attackers', () => {
    // scipy.stats.norm.ppf.
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 7);
    expect(normalQuantile(0.001)).toBeCloseTo(-3.090232306167813, 7);
    expect(normalQuantile(0.6)).toBeCloseTo(0.2533471031357997, 7);
    // n = 50, f = 24: s = 2, 24/26. n = 25, f = 5: s = 8, 12/20.
    expect(alieZ(50, 24)).toBeCloseTo(1.4260768722728476, 7);
    expect(alieZ(25, 5)).toBeCloseTo(0.2533471031357997, 7);
    expect(Number.isFinite(alieZ(4, 2))).toBe(true);
  });

  it('min-max is as far from the others as they are apart: the bisection of its authors agrees', () => {
    const mean = meanOf(vectors);
    const deviation = deviationOf(vectors, mean);
    const most = Math.max(...vectors.flatMap((a) => vectors.map((b) => distance(a, b))));
    let [gamma, step, found] = [10, 10, 0];
    for (let i = 0; i < 60; i += 1) {
      const vector = mean.map((value, j) => value - gamma * deviation[j]!);
      const fits = Math.max(...vectors.map((other) => distance(vector, other))) <= most;
      if (fits) found = gamma;
      step /= 2;
      gamma += fits ? step : -step;
    }
    const wanted = mean.map((value, j) => value - found * deviation[j]!);
    expect(found).toBeGreaterThan(0.1);
    expect(distance(minMaxVector(vectors), wanted)).toBeLessThan(1e-6);
    expect([...minMaxVector([vectors[0]!])]).toEqual([...vectors[0]!]);
  });
});

const images = (size: number): Dataset =>
  createDataset({
    features: new Float32Array(size * 16).fill(0.25),
    labels: Int32Array.from({ length: size }, (_, i) => i % 3),
    featureShape: [4, 4, 1],
    classes: 3,
  });

describe('poisoned examples', () => {
  it('a flipped label is C - 1 - y', () => {
    expect([...flipLabels(images(4)).labels]).toEqual([2, 1, 0, 2]);
  });

  it('the trigger is 3 x 3 in the last corner, on copies that follow the clean examples', () => {
    const data = images(4);
    const own = poisoned(data, 1, 0.5);
    expect(own.size).toBe(6);
    expect([...own.labels]).toEqual([0, 1, 2, 0, 1, 1]);
    const image = [...own.features.subarray(4 * 16, 5 * 16)];
    expect(image.filter((pixel) => pixel === 1)).toHaveLength(9);
    expect(image.slice(0, 5)).toEqual([0.25, 0.25, 0.25, 0.25, 0.25]);
    expect(image[15]).toBe(1);
    expect(data.features.includes(1)).toBe(false);
    const goal = goalExamples({ type: 'backdoor', target: 1 }, data);
    expect([goal.size, ...goal.labels]).toEqual([3, 1, 1, 1]);
    expect(() => poisoned({ ...data, featureShape: [16] }, 1, 0.5)).toThrow(/3 x 3 pixels/u);
    expect(() => poisoned(data, 3, 0.5)).toThrow(/target from 0 to 2/u);
  });
});

/** Its change is the mean label in each coordinate: it tells what it was trained on. */
const honest = (data: Dataset): Trainer => {
  const labels = Array.from(data.indices ?? data.labels.keys(), (row) => data.labels[row]!);
  const change = labels.reduce((a, b) => a + b, 0) / labels.length + data.size / 1024;
  return functionTrainer({
    manifest: { tensors: [{ name: 'w', shape: [3], dtype: 'float32' }] },
    train: ({ weights }) => ({
      weights: weights.map((weight) => weight + change),
      examples: data.size,
      lossSum: 1,
      correct: 2,
    }),
    evaluate: () => ({ examples: data.size, lossSum: 3, correct: 1 }),
  });
};

/** The change that the first attacker sends. */
const sent = async (text: string, round = 1, own?: Trainer['train']): Promise<number[]> => {
  const data = images(30);
  const parts = Array.from({ length: 5 }, (_, i) =>
    Uint32Array.from({ length: 6 }, (__, j) => (i === 0 ? 3 * j : i * 6 + j)),
  );
  const groups = planAttacks([parseAttack(text)], parts, seed);
  const wrap = createAttackerTrainers({
    groups,
    train: data,
    participants: 5,
    cohort: 4,
    rehearsal: {
      firstModel: () => new Float32Array(3),
      requestOf: (at) => ({ round: at, epochs: 1, batchSize: 1, learningRate: 1 }),
    },
    own: own && (() => own),
    trainerOn: honest,
    memoryOf: passingMemory,
  });
  const index = groups[0]!.members[0]!;
  const mine = { ...data, indices: parts[index]!, size: 6 };
  const trainer = await wrap(index, mine, honest(mine));
  const request = (at: number, value: number): TrainRequest => ({
    weights: new Float32Array(3).fill(value),
    round: at,
    epochs: 1,
    batchSize: 1,
    learningRate: 1,
    seed,
  });
  for (let i = 1; i < round; i += 1) await trainer.train(request(i, i * i));
  const at = request(round, round * round);
  const { weights } = await trainer.train(at);
  return [...weights].map((weight) => weight - round * round);
};

describe('attacks on the model', () => {
  it('change the sign and the size of an honest update', async () => {
    const [minus] = await sent('sign-flip:0.2');
    expect(minus).toBeLessThan(0);
    const [ten] = await sent('scaled-sign-flip:0.2');
    expect(ten! / minus!).toBeCloseTo(10, 4);
    const [three] = await sent('scaled-sign-flip:0.2,factor=3');
    expect(three! / minus!).toBeCloseTo(3, 4);
  });

  it('colluders send the same, made of the updates of all of them', async () => {
    // Of one colluder the mean is its own update, and there is no deviation.
    const [flip] = await sent('sign-flip:0.2');
    expect((await sent('ipm:0.2'))[0]).toBeCloseTo(flip! / 10, 5);
    expect((await sent('ipm:0.2,epsilon=1.1'))[0]).toBeCloseTo(1.1 * flip!, 5);
    expect((await sent('alie:0.2'))[0]).toBeCloseTo(-flip!, 5);
    expect((await sent('min-max:0.2'))[0]).toBeCloseTo(-flip!, 5);
    const z = async (value: number): Promise<number> => (await sent(`alie:0.6,z=${value}`))[0]!;
    const [low, high, mean] = [await z(2), await z(-2), await z(0)];
    expect(low).toBeLessThan(high);
    expect((low + high) / 2).toBeCloseTo(mean, 5);
  });

  it('label-flip and backdoor train on poisoned examples; the backdoor replaces the model', async () => {
    const [minus] = await sent('sign-flip:0.2');
    // 2 - mean label, and the same number of examples.
    expect((await sent('label-flip:0.2'))[0]).toBeCloseTo(2 + minus! + 2 * (6 / 1024), 4);
    const boosted = await sent('backdoor:0.2,target=1,boost=8');
    const [once] = await sent('backdoor:0.2,target=1,boost=1');
    expect(boosted[0]! / once!).toBeCloseTo(8, 3);
  });

  it('free-riders send nothing, the last change of the model, or noise', async () => {
    expect(await sent('free-rider:0.2', 3)).toEqual([0, 0, 0]);
    expect(await sent('free-rider-last:0.2', 1)).toEqual([0, 0, 0]);
    // The model went from 4 to 9.
    expect(await sent('free-rider-last:0.2', 3)).toEqual([5, 5, 5]);
    const noise = await sent('free-rider-noise:0.2,sigma=0.5');
    expect(new Set(noise).size).toBe(3);
    expect(await sent('free-rider-noise:0.2,sigma=0.5')).toEqual(noise);
    expect(Math.abs((await sent('gaussian:0.2'))[0]!)).toBeGreaterThan(1);
  });

  it('mimic is the update of one honest participant; nan and overflow are no updates', async () => {
    const [one] = await sent('mimic:0.2');
    const [other] = await sent('mimic:0.6');
    expect([one, other].every((change) => change! > 0)).toBe(true);
    expect(await sent('nan:0.2')).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect((await sent('overflow:0.2'))[0]).toBeGreaterThan(1e38);
  });

  it('own is the attack of a module, and refused without', async () => {
    const own: Trainer['train'] = async ({ weights }) => ({
      weights: weights.map((weight) => weight + 7),
      examples: 1,
      lossSum: 0,
      correct: 0,
    });
    expect(await sent('own:0.2', 1, own)).toEqual([7, 7, 7]);
    await expect(sent('own:0.2')).rejects.toThrow(/exports `attack`/u);
  });
});

describe('the attacks of a scenario', () => {
  it('are read, named and chosen by the seed, nobody twice', () => {
    const attacks = ['label-flip:0.2', 'ipm:0.1,epsilon=1.1'].map((text) => parseAttack(text));
    expect(attacks.map(formatAttack)).toEqual(['label-flip:0.2', 'ipm:0.1,epsilon=1.1']);
    const [first, second] = chooseAttackers(attacks, 20, seed);
    expect([first!.members.length, second!.members.length]).toEqual([4, 2]);
    expect(new Set([...first!.members, ...second!.members]).size).toBe(6);
    expect(chooseAttackers(attacks, 20, seed)).toEqual([first, second]);
    expect(attackLines()).toHaveLength(Object.keys(ATTACKS).length);
    for (const name of Object.keys(ATTACKS) as AttackName[])
      expect(parseAttack(`${name}:0.1`).kind).toBe(name);
  });

  it('are refused by name, fraction, parameter and number', () => {
    for (const [text, why] of [
      ['label-flp:0.2', /the nearest is label-flip/u],
      ['alie', /the fraction is above 0/u],
      ['alie:1', /the fraction is above 0/u],
      ['alie:0.2,y=1', /alie has z/u],
      ['mimic:0.2,warmup=1.5', /warmup is a whole number from 0 to 1000/u],
      ['mimic:0.2,warmup=1001', /warmup is a whole number from 0 to 1000/u],
      ['nan:0.2,y=1', /nan has no parameters/u],
      ['alie:0.2,z=', /z is no number/u],
    ] as const)
      expect(() => parseAttack(text), text).toThrow(why);
    const of = (...texts: string[]) => texts.map((text) => parseAttack(text));
    expect(() => checkAttacks(of('nan:0.1', 'nan:0.2'), 10, true)).toThrow(/given twice/u);
    expect(() => checkAttacks(of('nan:0.5', 'alie:0.5'), 10, true)).toThrow(/one honest/u);
    expect(() => checkAttacks(of('bad-share:0.2'), 10, false)).toThrow(/without masks/u);
  });
});
