/**
 * @module Puts the attacks of a scenario on the trainers of a crowd: plain data of who attacks
 * comes from the main thread, and the wrapper goes round the honest trainer.
 */
import { type Dataset, subset } from '../../client/data/dataset.ts';
import type { Trainer, TrainRequest } from '../../client/trainer.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { chooseAttackers, type Attacking } from './attack-setting.ts';
import type { AttackMemory } from './attack-memory.ts';
import { rehearse, type RehearsalOf } from './mimic.ts';
import { attackNamed, MAX_POOL, type Attack } from './model-attacks.ts';
import { kindOf } from './kinds.ts';
import { changeOf } from './vectors.ts';

/** One attack of a scenario with those who make it. Plain data. */
export interface AttackGroup extends Attacking {
  /** Numbers of the participants, ascending. */
  readonly members: readonly number[];
  /** Rows of the colluders that pool their updates; empty where the attack has no use of them. */
  readonly pool: readonly Uint32Array[];
  /** Rows of the first honest participants, likewise. */
  readonly honest: readonly Uint32Array[];
  /** 32 bytes that its members share. */
  readonly seed: Uint8Array;
}

const onModel = ({ kind }: Attacking): boolean => kindOf(kind).on === 'model';

/** @param parts rows of each participant */
export const planAttacks = (
  attacks: readonly Attacking[],
  parts: readonly Uint32Array[],
  seed: Uint8Array,
): readonly AttackGroup[] => {
  const chosen = chooseAttackers(attacks, parts.length, seed);
  const attackers = new Set(chosen.flatMap(({ members }) => members));
  const honest = parts.filter((_, index) => !attackers.has(index)).slice(0, MAX_POOL);
  return chosen.map((group) => ({
    ...group,
    pool: onModel(group)
      ? group.members.slice(0, MAX_POOL).map((index) => parts[index] as Uint32Array)
      : [],
    honest: onModel(group) ? honest : [],
    seed: deriveSeed(seed, 'attack', group.kind),
  }));
};

export interface AttackerTrainersInit {
  readonly groups: readonly AttackGroup[];
  readonly train: Dataset;
  readonly participants: number;
  readonly cohort: number;
  readonly rehearsal: RehearsalOf;
  /** The module's own attack. */
  readonly own: Attack | undefined;
  /** Makes an honest trainer. */
  readonly trainerOn: (data: Dataset) => Trainer | Promise<Trainer>;
  /** What a participant keeps from round to round. */
  readonly memoryOf: (index: number) => AttackMemory;
}

/** The pooled updates of a group: made once for each round in this thread. */
const poolOf = (
  { pool, seed }: AttackGroup,
  { train, trainerOn }: AttackerTrainersInit,
): ((request: TrainRequest) => Promise<readonly Float32Array[]>) => {
  let made:
    { readonly round: number; readonly updates: Promise<readonly Float32Array[]> } | undefined;
  const make = async (request: TrainRequest): Promise<readonly Float32Array[]> => {
    const { signal: _, onProgress: __, ...rest } = request;
    const updates: Float32Array[] = [];
    for (const [i, rows] of pool.entries()) {
      const trainer = await trainerOn(subset(train, rows));
      const own = { ...rest, seed: deriveSeed(seed, 'pool', request.round, i) };
      updates.push(changeOf(request.weights, (await trainer.train(own)).weights));
      trainer.dispose();
    }
    return updates;
  };
  return async (request) => {
    if (made?.round !== request.round) made = { round: request.round, updates: make(request) };
    return made.updates;
  };
};

/** The participant that `mimic` copies, found once in this thread. */
const rehearsedBy = (
  { honest, parameters, seed }: AttackGroup,
  { train, trainerOn, rehearsal }: AttackerTrainersInit,
): (() => Promise<number>) => {
  const rounds = parameters['warmup'] ?? 0;
  const find = async (): Promise<number> => {
    if (rounds === 0) return 0;
    const trainers: Trainer[] = [];
    try {
      for (const rows of honest) trainers.push(await trainerOn(subset(train, rows)));
      return await rehearse(rehearsal, trainers, rounds, deriveSeed(seed, 'mimic'));
    } finally {
      for (const trainer of trainers) trainer.dispose();
    }
  };
  let found: Promise<number> | undefined;
  return () => (found ??= find());
};

/** Puts an attacker's `train` on its honest trainer; others keep theirs. */
export const createAttackerTrainers = (
  init: AttackerTrainersInit,
): ((index: number, data: Dataset, trainer: Trainer) => Promise<Trainer>) => {
  const { groups, train, participants, cohort, own, trainerOn, memoryOf } = init;
  const known = groups.map((group) => ({
    group,
    honestUpdates: poolOf(group, init),
    rehearsed: rehearsedBy(group, init),
  }));
  return async (index, data, trainer) => {
    const found = known.find(({ group }) => group.members.includes(index));
    const attack = found && attackNamed(found.group.kind, own);
    if (found === undefined || attack === undefined) return trainer;
    const { members, parameters, seed, honest } = found.group;
    const attacking = await attack({
      index,
      attackers: members,
      participants,
      cohort,
      parameters,
      seed: deriveSeed(seed, 'member', index),
      shared: seed,
      data,
      trainer,
      trainerOn,
      honestUpdates: found.honestUpdates,
      honest: honest.map((rows) => subset(train, rows)),
      rehearsed: found.rehearsed,
      memory: memoryOf(index),
    });
    return { ...trainer, train: attacking };
  };
};
