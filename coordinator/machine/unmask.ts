/**
 * @module Consistency and Unmask (Bonawitz et al. 2017, rounds 3 and 4): the survivors sign the set
 * that they received, check each other's signatures, and send their shares, sealed to the
 * coordinator.
 */
import { toHex } from '../../protocol/bytes.ts';
import { abort, finishWork } from './attempt-end.ts';
import { WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { send, startWork, type Effect, type Step } from './effects.ts';
import { enter } from './phases.ts';
import {
  survivorsOf,
  type Frozen,
  type Hex,
  type Attempt,
  type State,
  type Survived,
} from './state.ts';

const needed = ({ cohort }: Frozen): number => cohort.body.threshold;

/** The signatures over the survivor set, in the order of the survivors. */
export const sendConsistency = (attempt: Attempt, to: readonly Hex[]): Effect =>
  send(to, {
    type: 'consistency',
    records: (attempt.survivors?.body.members ?? []).flatMap(
      (member) => attempt.consistent.get(toHex(member))?.bytes ?? [],
    ),
  });

const tooFew = (
  config: MachineConfig,
  state: State,
  attempt: Frozen,
  now: number,
  what: string,
  count: number,
): Step =>
  abort(
    config,
    state,
    now,
    'not_enough_shares',
    `expected ${needed(attempt)} ${what}, got ${count}`,
    [],
  );

export const closeConsistency = (
  config: MachineConfig,
  state: State,
  attempt: Survived,
  now: number,
): Step => {
  const count = attempt.consistent.size;
  if (count < needed(attempt))
    return tooFew(config, state, attempt, now, 'signed survivor sets', count);
  const entered = enter(state, {
    type: 'unmask',
    since: now,
    deadline: now + config.spec.deadlines.unmask * 1000,
    attempt,
  });
  return {
    state: entered.state,
    effects: [...entered.effects, sendConsistency(attempt, survivorsOf(attempt))],
  };
};

export const closeUnmask = (
  config: MachineConfig,
  state: State,
  attempt: Survived,
  now: number,
): Step => {
  const count = attempt.unmasks.size;
  if (count < needed(attempt)) return tooFew(config, state, attempt, now, 'answers', count);
  const entered = enter(state, {
    type: 'finishing',
    since: now,
    deadline: now + WORK_LIMIT_MS,
    attempt,
  });
  return { state: entered.state, effects: [...entered.effects, startWork(finishWork(attempt))] };
};
