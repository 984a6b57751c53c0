/**
 * @module The world of a scenario as plain data for the threads of its participants: whose features
 * are skewed, and who attacks. It derives from the scenario, its seed and its partition.
 */
import type { Dataset } from '../client/data/dataset.ts';
import { subset } from '../client/data/dataset.ts';
import { trainerHoldingOut } from '../client/held-out.ts';
import { requestOfRound } from '../client/round-request.ts';
import type { Trainer } from '../client/trainer.ts';
import { initialModel } from '../protocol/model/first-model.ts';
import { deriveSeed } from '../protocol/ports/random.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { parseAttack } from './attackers/attack-setting.ts';
import {
  createAttackerTrainers,
  planAttacks,
  type AttackGroup,
} from './attackers/attacker-trainers.ts';
import type { AttackMemory } from './attackers/attack-memory.ts';
import type { Attack } from './attackers/model-attacks.ts';
import type { AttackName } from './attackers/kinds.ts';
import { checkGoal, type AttackGoal } from './attackers/poison.ts';
import { checkSkew, skewed, type FeatureSkew } from './partition/feature-skew.ts';
import type { Scenario } from './scenario.ts';

/** Plain data: it goes to worker threads. */
export interface CrowdWorld {
  readonly participants: number;
  readonly cohort: number;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly featureSkew: FeatureSkew;
  readonly attacks: readonly AttackGroup[];
}

type WorldSettings = Pick<Scenario, 'participants' | 'cohort' | 'featureSkew' | 'attack'>;

/** What the first attack that has a goal wants; undefined where no success is measured. */
export const goalOf = (attacks: readonly AttackGroup[]): AttackGoal | undefined => {
  for (const { kind, parameters } of attacks) {
    if (kind === 'label-flip') return { type: 'label-flip' };
    if (kind === 'backdoor') return { type: 'backdoor', target: parameters['target'] ?? 0 };
  }
  return undefined;
};

/** The attack of a participant, if it has one. */
export const attackOf = ({ attacks }: CrowdWorld, index: number): AttackName | undefined =>
  attacks.find(({ members }) => members.includes(index))?.kind;

/**
 * @param parts rows of each participant
 * @throws FloeError `usage` where the examples do not allow what the scenario asks for
 */
export const worldOf = (
  { participants, cohort, featureSkew, attack = [] }: WorldSettings,
  parts: readonly Uint32Array[],
  train: Dataset,
  master: Uint8Array,
): CrowdWorld => {
  checkSkew(featureSkew, train);
  const seed = deriveSeed(master, 'world');
  const attacks = planAttacks(
    attack.map((text) => parseAttack(text)),
    parts,
    seed,
  );
  const goal = goalOf(attacks);
  if (goal !== undefined) checkGoal(goal, train);
  return { participants, cohort, seed, featureSkew, attacks };
};

/** Makes the trainer of a participant: the honest one, or an attacker's round it. */
export const createMemberTrainers = (
  world: CrowdWorld,
  init: {
    readonly train: Dataset;
    readonly spec: RunSpec;
    readonly ownAttack: Attack | undefined;
    /** What an attacker keeps from round to round. */
    readonly memoryOf: (index: number) => AttackMemory;
    readonly trainerOf: (index: number | undefined, data: Dataset) => Trainer | Promise<Trainer>;
  },
): ((member: { readonly index: number; readonly rows: Uint32Array }) => Promise<Trainer>) => {
  const { attacks: groups, participants, cohort, featureSkew: skew, seed } = world;
  const { train, spec, ownAttack, memoryOf, trainerOf } = init;
  const attackerOf = createAttackerTrainers({
    groups,
    train,
    participants,
    cohort,
    rehearsal: {
      firstModel: () => initialModel(spec.model),
      requestOf: (round) => requestOfRound(spec, round),
    },
    own: ownAttack,
    memoryOf,
    trainerOn: (data) => trainerOf(undefined, data),
  });
  return async ({ index, rows }) => {
    const examples = skewed(subset(train, rows), { skew, index, participants, seed });
    return trainerHoldingOut(
      examples,
      spec.training.holdout,
      async (data) => attackerOf(index, data, await trainerOf(index, data)),
      spec.metrics,
    );
  };
};
