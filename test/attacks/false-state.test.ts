/**
 * A coordinator that signs another state of the run's strategy than the sum gives: the state steers
 * every later step, so members check it with the model, at one block, before they share.
 */
import { ADMISSION_DEFAULTS, admitRun, loweringFlags } from '../../client/admission.ts';
import { loweredFields } from '../../client/lowered-requirements.ts';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadStrategies } from '../../protocol/algorithm/load-module.ts';
import { makeStrategySpec, strategyOf } from '../../protocol/algorithm/registry.ts';
import { stateHashOf } from '../../protocol/algorithm/state.ts';
import type { Body } from '../../protocol/records/records.ts';
import { functionTrainer } from '../../client/trainer.ts';
import { startAll, stepOf, stopAll, type Started } from '../support/participants.ts';
import { keystoreNamed } from '../support/meeting.ts';
import { testSpec } from '../support/run.ts';
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

describe('the control variate of SCAFFOLD, which steers every local step', () => {
  const scaffold = (parameters: Readonly<Record<string, number>>) =>
    makeStrategySpec({ name: 'scaffold', parameters: { population: 100, ...parameters } });

  const scaffoldStage = async (): Promise<ScriptedCoordinator> => {
    const coordinator = await ScriptedCoordinator.create(
      { strategy: { name: 'scaffold', parameters: { population: 100 } } },
      FIVE_LEAVES,
    );
    const trainer = functionTrainer({
      manifest: { tensors: FIVE_LEAVES },
      corrections: true,
      train: ({ weights, seed }) => ({
        weights: stepOf(weights, seed),
        examples: 10,
        lossSum: 1.5,
        correct: 3,
      }),
    });
    running = await startAll(coordinator, 4, { trainer });
    return coordinator;
  };

  it.each([
    ['moved as if all participants were in the cohort', scaffold({ population: 4 })],
    ['bounded by less than the run says', scaffold({ controlNorm: 1e-4 })],
    ['right, and the model moved at twice the rate', scaffold({ serverLearningRate: 2 })],
  ])('%s: the step was really taken, and everybody finds it at one block', async (_, strategy) => {
    const coordinator = await scaffoldStage();
    await coordinator.playRound();
    expect(await Promise.all(running.map(({ event }) => event('trained')))).toHaveLength(4);
    await coordinator.playRound([], { strategy });
    expect(coordinator.state.some((value) => value !== 0)).toBe(true);
    expect(await verdicts(coordinator)).toEqual(Array(4).fill('commit_fabricated'));
    for (const { event } of running)
      expect((await event('fabricated')).proof).toMatchObject({ part: 'step', attempt: 2 });
  });

  it('with a bound that bounds nothing is refused by a participant, unless it says otherwise', async () => {
    const { identity } = await keystoreNamed('victim');
    const keys = await Promise.all(
      ['victim', 'anna', 'berta', 'caesar', 'dorothea'].map(async (name) => {
        const member = await keystoreNamed(name);
        return member.identity.publicKey;
      }),
    );
    const spec = await testSpec({
      members: { type: 'closed', keys },
      cohort: { size: 5, minimum: 5 },
      strategy: { name: 'scaffold', parameters: { population: 5, controlNorm: 1e6 } },
    });
    // One member of five moves the server's control variate by 2 C / 5 in each round.
    const lever = (2 * 1e6) / 5;
    expect(lever).toBeGreaterThan(1e5);
    expect(() => admitRun(ADMISSION_DEFAULTS, spec, identity.publicKey)).toThrow(
      expect.objectContaining({
        code: 'admission_refused',
        details: expect.objectContaining({
          field: 'strategyNorm',
          flag: '--require-strategy-norm',
        }),
      }),
    );
    expect(loweringFlags(spec)).toContain('--require-strategy-norm 2000000');
    const wide = { ...ADMISSION_DEFAULTS, strategyNorm: 2e6 };
    expect(() => admitRun(wide, spec, identity.publicKey)).not.toThrow();
    expect(loweredFields(wide)).toEqual(['strategyNorm 2000000 (default 64)']);
  });

  it('in another blob than the one committed to is a conflict, before anybody trains', async () => {
    const coordinator = await scaffoldStage();
    await coordinator.playRound();
    const committed = coordinator.state;
    coordinator.state = committed.map((value) => -value);
    const { blob, envelope } = await coordinator.modelRef(coordinator.keys);
    coordinator.state = committed;
    await coordinator.open(
      (body) => ({ ...body, model: { ...body.model, blob, envelope } }),
      undefined,
      coordinator.keys,
    );
    for (const { event } of running)
      expect((await event('violation')).error).toMatchObject({ code: 'record_conflict' });
  });

  it('other than its hash in the commit is found when the blob is opened', async () => {
    const coordinator = await scaffoldStage();
    const hashed = (model: Body<'open'>['model']) => ({
      ...model,
      state: stateHashOf(
        strategyOf(coordinator.spec),
        300,
        coordinator.state.map((value) => -value),
      )!,
    });
    await coordinator.playRound([], { body: (body) => ({ ...body, model: hashed(body.model) }) });
    await coordinator.open(
      (body) => ({ ...body, model: hashed(body.model) }),
      undefined,
      coordinator.keys,
    );
    await coordinator.cohort(coordinator.keys);
    const codes = await Promise.all(running.map(({ key }) => coordinator.withdrawal(key)));
    expect(codes).toEqual(Array(4).fill('commit_fabricated'));
  });
});
