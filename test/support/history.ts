/**
 * @module A player's run in a journal: its events as the host keeps them, and whole attempts played
 * to their end.
 */
import type { RecordType } from '../../protocol/records/records.ts';
import { openHistory, type JournalStep } from '../../coordinator/journal/history.ts';
import type { Journal } from '../../coordinator/journal/port.ts';
import { initialState, step, type State } from '../../coordinator/machine/index.ts';
import type { Player } from './machine.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

/** The steps of a player's events, and the state after each; `from` events are not asked for. */
export const stepsOf = (
  { config, events }: Player,
  from = 0,
): { readonly steps: JournalStep[]; readonly states: State[] } => {
  let state = initialState;
  const steps: JournalStep[] = [];
  const states: State[] = [];
  for (const [i, event] of events.entries()) {
    const result = step(config, state, event);
    state = result.state;
    if (i < from) continue;
    const records = result.effects.flatMap((effect) =>
      effect.type === 'append' ? [effect.record] : [],
    );
    steps.push({ event, records });
    states.push(state);
  }
  return { steps, states };
};

/**
 * Keeps a player's events from the given one on, one batch each, as a host that is given time does.
 */
export const keepAll = async (journal: Journal, player: Player, from = 0): Promise<void> => {
  const history = await openHistory(journal, player.config.run);
  await history.restore(player.config);
  const { steps, states } = stepsOf(player, from);
  for (const [i, each] of steps.entries()) await history.append([each], states[i]!);
};

/** Plays one attempt of these people to its commit. */
export const attempt = (
  player: Player,
  who: readonly number[],
  { moves = true }: { readonly moves?: boolean } = {},
): void => {
  const { committed } = player.state;
  let seen = player.effects.length;
  const doWork = (): void => {
    for (; seen < player.effects.length; seen += 1) {
      const effect = player.effects[seen]!;
      if (!moves && effect.type === 'work' && effect.work.type === 'finish')
        player.still(effect.work);
      else player.work(effect);
    }
  };
  player.join(...who);
  player.wait(1000);
  // What the last attempt asked for may be open still: the next one begins within the step that
  // ends it.
  for (const effect of player.effects.slice(0, seen).slice(-20))
    if (effect.type === 'work' && effect.work.attempt === attemptOf(player.state)?.attempt)
      player.work(effect);
  doWork();
  for (const type of [
    'register',
    'share',
    'upload',
    'consistent',
    'unmask',
  ] satisfies RecordType[]) {
    for (const i of who)
      if (type === 'register' || player.members().includes(i)) player.say(i, type);
    doWork();
  }
  if (player.state.committed !== committed + 1)
    throw new Error(`expected a commit, got ${player.state.phase.type}`);
};
