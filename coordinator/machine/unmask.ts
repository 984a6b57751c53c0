/**
 * @module Consistency and Unmask (Bonawitz et al. 2017, rounds 3 and 4): the survivors sign the set
 * that they received, check each other's signatures, and send their shares, sealed to the
 * coordinator.
 */
import { toHex } from '../../protocol/bytes.ts';
import { livingGroups } from '../../protocol/rules/groups.ts';
import { abort, finishWork } from './attempt-end.ts';
import { WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { send, startWork, type Effect, type Step } from './effects.ts';
import { enter } from './phases.ts';
import { survivorsOf, type Hex, type Attempt, type State, type Survived } from './state.ts';

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** How many answers count, and how many are needed: those of each group up to its threshold. */
export const answersOf = (
  { spec }: MachineConfig,
  { cohort, survivors }: Pick<Attempt, 'cohort' | 'survivors'>,
  answers: ReadonlyMap<Hex, unknown>,
): { readonly count: number; readonly needed: number } => {
  if (cohort === undefined || survivors === undefined) return { count: answers.size, needed: 0 };
  const groups = livingGroups({ spec, cohort }, survivors.body.members).map(
    ({ group: { threshold }, present }) => ({
      threshold,
      count: present.filter((key) => answers.has(toHex(key))).length,
    }),
  );
  // Of a whole cohort all that came are counted, for people.
  const [only] = groups;
  if (only !== undefined && groups.length === 1)
    return { count: only.count, needed: only.threshold };
  return {
    count: sum(groups.map(({ count, threshold }) => Math.min(count, threshold))),
    needed: sum(groups.map(({ threshold }) => threshold)),
  };
};

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
  now: number,
  what: string,
  { count, needed }: ReturnType<typeof answersOf>,
): Step =>
  abort(config, state, now, 'not_enough_shares', `expected ${needed} ${what}, got ${count}`, []);

export const closeConsistency = (
  config: MachineConfig,
  state: State,
  attempt: Survived,
  now: number,
): Step => {
  const signed = answersOf(config, attempt, attempt.consistent);
  if (signed.count < signed.needed)
    return tooFew(config, state, now, 'signed survivor sets', signed);
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
  const answered = answersOf(config, attempt, attempt.unmasks);
  if (answered.count < answered.needed) return tooFew(config, state, now, 'answers', answered);
  const entered = enter(state, {
    type: 'finishing',
    since: now,
    deadline: now + WORK_LIMIT_MS,
    attempt,
  });
  return { state: entered.state, effects: [...entered.effects, startWork(finishWork(attempt))] };
};
