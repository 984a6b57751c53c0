/**
 * @module The attacks on the model, each as the `train` of an attacker's trainer. It trains with
 * the honest trainer, on its own examples or on others', and gives other weights. Colluders
 * know each other's examples: each makes the honest updates of all of them itself, so the result
 * depends neither on threads nor on who is in the cohort. Only a simulation has that knowledge.
 */
import * as v from 'valibot';
import type { Dataset } from '../../client/data/dataset.ts';
import { normal } from '../../client/data/sampling.ts';
import type { Trainer, TrainRequest, TrainResult } from '../../client/trainer.ts';
import { FloeError } from '../../protocol/errors.ts';
import { float32FromBytes, float32ToBytes } from '../../protocol/model/floats.ts';
import { cipherStream, deriveSeed, type RandomSource } from '../../protocol/ports/random.ts';
import { bytesUpTo, decodeCbor, encodeCbor, integer } from '../../protocol/wire/cbor.ts';
import type { AttackMemory } from './attack-memory.ts';
import type { AttackName } from './kinds.ts';
import { flipLabels, poisoned } from './poison.ts';
import { alieVector, alieZ, changeOf, ipmVector, minMaxVector } from './vectors.ts';

/** What an attacker knows. */
export interface AttackInit {
  /** Number of the participant, from 0. */
  readonly index: number;
  /** The participants of the same attack, ascending; itself among them. */
  readonly attackers: readonly number[];
  readonly participants: number;
  /** Size of a cohort. */
  readonly cohort: number;
  /** As `--attack` gives them; those that are not given are missing. */
  readonly parameters: Readonly<Record<string, number>>;
  /** 32 bytes of this attacker alone, and of all of the same attack. */
  readonly seed: Uint8Array;
  readonly shared: Uint8Array;
  readonly data: Dataset;
  /** The honest trainer of its own examples. */
  readonly trainer: Trainer;
  /** An honest trainer of other examples. */
  readonly trainerOn: (data: Dataset) => Trainer | Promise<Trainer>;
  /**
   * Changes of the model that the colluders would send honestly: of at most {@link MAX_POOL}, the
   * first by number. Flat, in the manifest's order.
   */
  readonly honestUpdates: (request: TrainRequest) => Promise<readonly Float32Array[]>;
  /** Examples of honest participants: of at most {@link MAX_POOL}, the first by number. */
  readonly honest: readonly Dataset[];
  /**
   * Index of the one of {@link honest} that `mimic` copies: found once for all attackers of a
   * thread, with honest trainers.
   */
  readonly rehearsed: () => Promise<number>;
  /** What it keeps from round to round. */
  readonly memory: AttackMemory;
}

/** An attack: makes the `train` of one attacker. A module's `attack` is one. */
export type Attack = (init: AttackInit) => Trainer['train'] | Promise<Trainer['train']>;

/** Colluders and honest participants that are trained for, at most: each thread trains them all. */
export const MAX_POOL = 8;

/** The model plus a change, in float32. */
const moved = (weights: Float32Array, change: ArrayLike<number>, factor = 1): Float32Array =>
  weights.map((weight, i) => weight + factor * change[i]!);

const streamOf = ({ seed }: AttackInit, { round }: TrainRequest): RandomSource =>
  cipherStream(deriveSeed(seed, 'attack', round));

/** Trains honestly, and gives what `alter` makes of it. */
const altering =
  (alter: (request: TrainRequest, result: TrainResult, init: AttackInit) => Float32Array): Attack =>
  (init) =>
  async (request) => {
    const result = await init.trainer.train(request);
    return { ...result, weights: alter(request, result, init) };
  };

const scaled = (factor: (init: AttackInit) => number): Attack =>
  altering(({ weights }, { weights: trained }, init) =>
    moved(weights, changeOf(weights, trained), factor(init)),
  );

/** What the colluders agree on. */
const colluding =
  (vector: (honest: readonly Float32Array[], init: AttackInit) => Float64Array): Attack =>
  (init) =>
  async (request) => {
    const result = await init.trainer.train(request);
    const honest = await init.honestUpdates(request);
    return { ...result, weights: moved(request.weights, vector(honest, init)) };
  };

const gaussian =
  (usual: number): Attack =>
  (init) =>
  async (request) => {
    const random = streamOf(init, request);
    const sigma = init.parameters['sigma'] ?? usual;
    const result = await init.trainer.train(request);
    const noise = Float64Array.from(request.weights, () => sigma * normal(random));
    return { ...result, weights: moved(request.weights, noise) };
  };

/** z by the expected number of attackers in a cohort. */
const zOf = ({ parameters, attackers, participants, cohort }: AttackInit): number =>
  parameters['z'] ??
  alieZ(cohort, Math.max(1, Math.round((attackers.length / participants) * cohort)));

/** An honest update of one honest participant: the same for all of them. */
const mimic: Attack = async ({ trainerOn, honest, rehearsed, shared }) => {
  const trainer = await trainerOn(honest[await rehearsed()] as Dataset);
  return (request) =>
    trainer.train({ ...request, seed: deriveSeed(shared, 'mimic', request.round) });
};

/** The same averages over fewer examples: nobody claims more than it has. */
const asOf = (result: TrainResult, examples: number): TrainResult => {
  const ratio = examples / result.examples;
  const { metrics = {} } = result;
  return {
    ...result,
    examples,
    lossSum: ratio * result.lossSum,
    correct: ratio * result.correct,
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, sum]) => [name, ratio * sum])),
  };
};

const backdoor: Attack = async (init) => {
  const { target = 0, poisoned: fraction = 0.5, boost = init.cohort } = init.parameters;
  const trainer = await init.trainerOn(poisoned(init.data, target, fraction));
  return async (request) => {
    const result = await trainer.train(request);
    const change = changeOf(request.weights, result.weights);
    return { ...asOf(result, init.data.size), weights: moved(request.weights, change, boost) };
  };
};

const labelFlip: Attack = async ({ trainerOn, data }) => {
  const trainer = await trainerOn(flipLabels(data));
  return (request) => trainer.train(request);
};

const MAX_MODEL_BYTES = 1 << 30;
const seenSchema = v.pipe(
  v.array(v.strictObject({ round: integer(1, 1e9), weights: bytesUpTo(MAX_MODEL_BYTES) })),
  v.maxLength(2),
);

interface SeenModel {
  readonly round: number;
  readonly weights: Float32Array;
}

/** For each model, its round and its float32 values. */
const modelsAsBytes = (models: readonly SeenModel[]): Uint8Array =>
  encodeCbor(models.map(({ round, weights }) => ({ round, weights: float32ToBytes(weights) })));

const modelsIn = (bytes: Uint8Array | undefined): readonly SeenModel[] =>
  bytes === undefined
    ? []
    : decodeCbor(seenSchema, bytes, 'data_malformed', bytes.length).map(({ round, weights }) => {
        const values = new Float32Array(weights.length / 4);
        float32FromBytes(weights, values);
        return { round, weights: values };
      });

/** Sends the change from the model that it saw before to this one; nothing the first time. */
const freeRiderLast: Attack = (init) => {
  let [now, before] = modelsIn(init.memory.load());
  return async (request) => {
    const result = await init.trainer.evaluate(request.weights);
    // A repeated attempt is at the same model.
    if (now === undefined || now.round < request.round) {
      before = now;
      now = { round: request.round, weights: request.weights.slice() };
      init.memory.save(modelsAsBytes(before === undefined ? [now] : [now, before]));
    }
    const last =
      before === undefined
        ? request.weights
        : moved(request.weights, changeOf(before.weights, request.weights));
    return { ...result, weights: last.slice() };
  };
};

/** Without training: what it would measure on its examples is what it reports. */
const freeRider: Attack = (init) => async (request) => ({
  ...(await init.trainer.evaluate(request.weights)),
  weights: request.weights.slice(),
});

const freeRiderNoise: Attack = (init) => async (request) => {
  const random = streamOf(init, request);
  const sigma = init.parameters['sigma'] ?? 0.001;
  const noise = Float64Array.from(request.weights, () => sigma * normal(random));
  const result = await init.trainer.evaluate(request.weights);
  return { ...result, weights: moved(request.weights, noise) };
};

export const MODEL_ATTACKS: Readonly<Partial<Record<AttackName, Attack>>> = {
  'label-flip': labelFlip,
  'sign-flip': scaled(() => -1),
  'scaled-sign-flip': scaled(({ parameters }) => -(parameters['factor'] ?? 10)),
  gaussian: gaussian(200),
  alie: colluding((honest, init) => alieVector(honest, zOf(init))),
  ipm: colluding((honest, { parameters }) => ipmVector(honest, parameters['epsilon'] ?? 0.1)),
  mimic,
  'min-max': colluding(minMaxVector),
  backdoor,
  'free-rider': freeRider,
  'free-rider-last': freeRiderLast,
  'free-rider-noise': freeRiderNoise,
  nan: altering(({ weights }) => new Float32Array(weights.length).fill(Number.NaN)),
  overflow: altering(({ weights }) => new Float32Array(weights.length).fill(3e38)),
};

/** @throws FloeError `usage` for `own` without a module that exports it */
export const attackNamed = (kind: AttackName, own: Attack | undefined): Attack | undefined => {
  if (kind !== 'own') return MODEL_ATTACKS[kind];
  if (own !== undefined) return own;
  throw new FloeError('usage', '--attack: own needs a module that exports `attack`');
};
