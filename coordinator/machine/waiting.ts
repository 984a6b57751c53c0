/**
 * @module Between rounds: when the next attempt opens, and who is invited. Whoever logs in later waits for the round after.
 */
import { compareBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { batchesOf } from '../../protocol/rules/selection.ts';
import { MAX_ATTEMPTS, MAX_READERS, WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { endRun } from './causes.ts';
import { append, publish, send, startWork, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { enter } from './phases.ts';
import { withoutStrangers } from './places.ts';
import { planInvitation, type Plan } from './spending.ts';
import { eligible, emptyRound, type Hex, type State } from './state.ts';

/** The batches whose members are all here, ascending by key each; none without batches. */
const wholeBatches = ({ spec }: MachineConfig, keys: readonly Hex[]): Hex[][] => {
  const here = new Set(keys);
  return batchesOf(spec)
    .map((batch) => batch.map(toHex))
    .filter((batch) => batch.every((key) => here.has(key)));
};

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
 * Of these, those that were here before R was known; the others could have chosen their keys by it. Of a closed run all keys
 * were listed before, and R_0 is not public before the first Open record.
 */
const knownOf = ({ spec }: MachineConfig, state: State, keys: readonly Hex[]): readonly Hex[] =>
  spec.members.type === 'closed' || state.attempt === 0
    ? keys
    : keys.filter((key) => state.drawn.has(key));

/**
 * When the next round opens as things are: after the pause, with `startWith` participants at once; with fewer, but no fewer
 * than the minimum cohort, after the grace time - though never for the first round, which waits for all it was told to. After a
 * restart those that came since do not make up the number before the others had their time to come back.
 */
export const opensAt = (config: MachineConfig, state: State): number => {
  const { spec } = config;
  const { phase } = state;
  const plan = planned(config, state);
  if (plan.type === 'wait') return Infinity;
  const here = plan.keys;
  const count = here.length;
  if (phase.type !== 'waiting' || state.model === undefined) return Infinity;
  if (spec.selection === 'batches' && wholeBatches(config, here).length === 0) return Infinity;
  // Of a closed run no more can come than it has members.
  const most = spec.members.type === 'closed' ? spec.members.keys.length : Infinity;
  const wanted = Math.min(state.startWith, most);
  const enough = Math.max(wanted, spec.cohort.minimum);
  if (knownOf(config, state, here).length >= enough) return phase.until;
  if (count >= enough) return Math.max(phase.until, state.patience);
  if (count < spec.cohort.minimum || state.attempt === 0) return Infinity;
  return Math.max(phase.until, state.patience, phase.since + spec.deadlines.grace * 1000);
};

/**
 * A participant's place in the draw of one attempt: a hash over R, the attempt and its key. R is not known before the answers of
 * the last round, so no key can be made for a place among those that were here by then (see protocol/ledger/beacon.ts).
 */
const ticket = (beacon: Uint8Array, round: number, key: Hex): Uint8Array => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round);
  return sha256(utf8('floe/invite/v2'), beacon, number, fromHex(key));
};

/** Everybody who is here now may be drawn by the R that nobody knows yet. */
export const withDrawn = (state: State): State => ({ ...state, drawn: new Set(eligible(state)) });

/** Of the items, each drawn by the ticket of its key, those with the `count` smallest tickets. */
const draw = <Item>(
  { beacon }: State,
  round: number,
  items: readonly Item[],
  keyOf: (item: Item) => Hex,
  count: number,
): Item[] =>
  items
    .map((item) => ({ item, ticket: ticket(beacon, round, keyOf(item)) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .slice(0, count)
    .map(({ item }) => item);

/**
 * One whole batch, or the `ceil(size * overSelect)` that are drawn; ascending by key. In an open run those who came after R was
 * known only fill up what the others leave free.
 */
const invite = (
  config: MachineConfig,
  state: State,
  round: number,
  keys: readonly Hex[],
): Hex[] => {
  if (config.spec.selection === 'batches')
    return draw(state, round, wholeBatches(config, keys), ([first]) => first ?? '', 1).flat();
  const most = mostInvited(config);
  const known = knownOf(config, state, keys);
  const drawn = draw(state, round, known, (key) => key, most);
  const free = most - drawn.length;
  const late = keys.filter((key) => !known.includes(key));
  return [...drawn, ...draw(state, round, late, (key) => key, free)].toSorted();
};

export const wrapModel = (state: State): Work | undefined =>
  state.round === undefined || state.model === undefined
    ? undefined
    : {
        type: 'wrap-model',
        round: state.round.round,
        model: state.model,
        commit: state.evidence?.commit,
        readers: state.round.invited.slice(0, MAX_READERS),
      };

/** Begins an attempt: the host wraps the model's key for the invited first. */
export const openRound = (config: MachineConfig, state: State, now: number): Step => {
  const attempt = state.attempt + 1;
  if (attempt > MAX_ATTEMPTS) return endRun(state, now, 'attempts_exhausted');
  const plan = planned(config, state);
  // R_0 is not public before the first Open record.
  const current = state.attempt === 0 ? withDrawn(state) : state;
  const invited = invite(config, current, attempt, plan.type === 'invite' ? plan.keys : []);
  const opened = withoutStrangers({ ...current, attempt, round: emptyRound(attempt, invited) });
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
    beacon: state.beacon,
    key: event.key,
    invited: round.invited.map(fromHex),
    ...(event.bundle === undefined || state.evidence === undefined
      ? {}
      : { bundle: { commit: state.evidence.commit.hash, envelope: event.bundle } }),
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
