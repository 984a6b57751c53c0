/**
 * @module Between rounds: when the next attempt opens, and who is invited. Whoever logs in later waits for the round after.
 */
import { compareBytes, fromHex, sha256, utf8 } from '../../protocol/bytes.ts';
import { MAX_ATTEMPTS, MAX_READERS, WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { append, publish, send, startWork, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { enter } from './phases.ts';
import { planInvitation, type Plan } from './spending.ts';
import { emptyRound, type Hex, type State } from './state.ts';

const eligible = (state: State): Hex[] =>
  [...state.participants]
    .filter(([key, { present }]) => present && !state.excluded.has(key))
    .map(([key]) => key);

const mostInvited = ({ spec }: MachineConfig): number =>
  Math.ceil(spec.cohort.size * spec.cohort.overSelect);

/** Who of those that are here can be invited on this model; see spending.ts. */
const planned = (config: MachineConfig, state: State): Plan =>
  planInvitation(config, state, eligible(state), mostInvited(config));

/** Says once why no attempt can be opened, as soon as that is so, and forgets it as soon as it is not. */
export const sayWhy = (config: MachineConfig, state: State): Step | undefined => {
  const { phase } = state;
  if (phase.type !== 'waiting') return undefined;
  const plan = planned(config, state);
  const reason = plan.type === 'wait' ? plan.reason : undefined;
  if (reason === phase.reason) return undefined;
  const { reason: _, ...bare } = phase;
  return reason === undefined
    ? { state: { ...state, phase: bare }, effects: [] }
    : {
        state: { ...state, phase: { ...bare, reason } },
        effects: [publish({ type: 'waiting', reason })],
      };
};

/**
 * When the next round opens as things are: after the pause, with `startWith` participants at once; with fewer, but no fewer
 * than the minimum cohort, after the grace time - though never for the first round, which waits for all it was told to.
 */
export const opensAt = (config: MachineConfig, state: State): number => {
  const { spec } = config;
  const { phase } = state;
  const plan = planned(config, state);
  if (plan.type === 'wait') return Infinity;
  const count = plan.keys.length;
  if (phase.type !== 'waiting' || state.model === undefined) return Infinity;
  if (count >= Math.max(state.startWith, spec.cohort.minimum)) return phase.until;
  if (count < spec.cohort.minimum || state.attempt === 0) return Infinity;
  return Math.max(phase.until, state.patience, phase.since + spec.deadlines.grace * 1000);
};

/**
 * A participant's place in the draw of one attempt: nobody can choose it without knowing run and round beforehand. By the id of
 * the specification, not its hash: a masked and an unmasked run of equal settings invite the same participants.
 */
const ticket = (id: Uint8Array, round: number, key: Hex): Uint8Array => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round);
  return sha256(utf8('floe/invite/v1'), id, number, fromHex(key));
};

/** The `ceil(size * overSelect)` with the smallest tickets, ascending by key. */
const invite = (config: MachineConfig, round: number, keys: readonly Hex[]): Hex[] =>
  keys
    .map((key) => ({ key, ticket: ticket(config.spec.id, round, key) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .slice(0, mostInvited(config))
    .map(({ key }) => key)
    .toSorted();

export const wrapModel = (state: State): Work | undefined =>
  state.round === undefined || state.model === undefined
    ? undefined
    : {
        type: 'wrap-model',
        round: state.round.round,
        model: state.model,
        readers: state.round.invited.slice(0, MAX_READERS),
      };

/** Begins an attempt: the host wraps the model's key for the invited first. */
export const openRound = (config: MachineConfig, state: State, now: number): Step => {
  const attempt = state.attempt + 1;
  if (attempt > MAX_ATTEMPTS)
    return {
      state: { ...state, phase: { type: 'finished', since: now } },
      effects: [publish({ type: 'finished', rounds: state.committed })],
    };
  const plan = planned(config, state);
  const invited = invite(config, attempt, plan.type === 'invite' ? plan.keys : []);
  const opened: State = { ...state, attempt, round: emptyRound(attempt, invited) };
  const entered = enter(opened, {
    type: 'opening',
    since: now,
    deadline: now + WORK_LIMIT_MS,
  });
  const work = wrapModel(entered.state);
  return {
    state: entered.state,
    effects: [...entered.effects, ...(work === undefined ? [] : [startWork(work)])],
  };
};

export const applyOpened = (
  config: MachineConfig,
  state: State,
  event: EventOf<'opened'>,
): Step => {
  const { round, phase } = state;
  if (round === undefined || phase.type !== 'opening') return { state, effects: [] };
  const open = config.sign('open', round.round, {
    model: event.model,
    config: config.run,
    key: event.key,
    invited: round.invited.map(fromHex),
  });
  const entered = enter(
    { ...state, round: { ...round, open } },
    {
      type: 'register',
      since: event.time,
      deadline: event.time + config.spec.deadlines.register * 1000,
    },
  );
  return {
    state: entered.state,
    effects: [
      append(open),
      publish({
        type: 'round-opened',
        round: round.round,
        version: state.committed + 1,
        invited: round.invited.length,
      }),
      ...entered.effects,
      send(round.invited, { type: 'record', record: open.bytes }),
    ],
  };
};
