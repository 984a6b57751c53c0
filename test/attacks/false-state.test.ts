/**
 * A coordinator that signs another state of the run's strategy than the sum gives: the state steers
 * every later step, so members check it with the model, at one block, before they share.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadStrategies } from '../../protocol/algorithm/load-module.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, type Fabrication } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
beforeAll(() => loadStrategies('examples/strategy/heavy-ball.ts'));
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const FIVE_LEAVES = [{ name: 'w', shape: [300], dtype: 'float32' as const }];

const stage = async (): Promise<ScriptedCoordinator> => {
  const coordinator = await ScriptedCoordinator.create(
    { strategy: { name: 'heavy-ball' } },
    FIVE_LEAVES,
  );
  running = await startAll(coordinator, 4, { tensors: FIVE_LEAVES });
  return coordinator;
};

/** What each participant gave the next round up for. */
const verdicts = async (coordinator: ScriptedCoordinator): Promise<readonly string[]> => {
  await coordinator.open(undefined, undefined, coordinator.keys);
  await coordinator.cohort(coordinator.keys);
  return Promise.all(running.map(({ key }) => coordinator.withdrawal(key)));
};

describe('the state of a strategy', () => {
  it('of an honest coordinator is checked with each commit, and the run continues', async () => {
    const coordinator = await stage();
    for (let attempt = 1; attempt <= 3; attempt += 1) await coordinator.playRound();
    for (const { event, events } of running) {
      expect(await event('checked', 2)).toMatchObject({ commit: 2 });
      expect(events.filter(({ type }) => type === 'fabricated')).toEqual([]);
    }
    expect(coordinator.state.some((value) => value !== 0)).toBe(true);
  });

  it.each<[string, Fabrication]>([
    ['reset', { state: (_state, before) => before.slice() }],
    ['scaled', { state: (state) => state.map((value) => 2 * value) }],
    [
      'kept from the round before, and the model with it',
      {
        state: (_state, before) => before.slice(),
        after: (_after, before) => before.slice(),
      },
    ],
  ])('that is %s is found by everybody, in the second round too', async (_, lie) => {
    const coordinator = await stage();
    await coordinator.playRound();
    await coordinator.playRound([], lie);
    expect(await verdicts(coordinator)).toEqual(Array(4).fill('commit_fabricated'));
    for (const { event } of running)
      expect((await event('fabricated')).proof).toMatchObject({ part: 'step', attempt: 2 });
  });

  it('that is another in the next Open record than was committed is a conflict', async () => {
    const coordinator = await stage();
    await coordinator.playRound();
    coordinator.state = coordinator.state.map((value) => -value);
    await coordinator.open(undefined, undefined, coordinator.keys);
    for (const { event } of running)
      expect((await event('violation')).error).toMatchObject({ code: 'record_conflict' });
  });

  it('that the run does not begin with is refused by name', async () => {
    const coordinator = await stage();
    coordinator.state = coordinator.state.map(() => 1);
    await coordinator.open(undefined, undefined, coordinator.keys);
    for (const { event } of running)
      expect((await event('violation')).error).toMatchObject({ code: 'spec_mismatch' });
  });
});
