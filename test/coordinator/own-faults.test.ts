/**
 * @module A fault of this program or of its installation is no outage: no repeat mends it. The
 * coordinator stops by name after three attempts and keeps its state; a participant leaves by name.
 * A fault that one sender's bytes may have caused stops nobody.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { toFloeError, type FloeError } from '../../protocol/errors.ts';
import { journalLedger } from '../../coordinator/index.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { connect, createStage, testSpec, turns } from '../support/run.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

const missing = (): Error =>
  Object.assign(new Error("Cannot find module '/floe/protocol/gone.ts' imported from /floe/a.ts"), {
    code: 'ERR_MODULE_NOT_FOUND',
  });

describe('what is thrown where a module is missing', () => {
  it('is a fault of the installation, whatever the port calls its other failures', () => {
    for (const fallback of [undefined, 'store_unavailable', 'gate_unavailable'] as const)
      expect(toFloeError(missing(), fallback).code).toBe('installation_broken');
    const wrapped = new TypeError('sealing failed', { cause: missing() });
    expect(toFloeError(wrapped, 'gate_unavailable').code).toBe('installation_broken');
  });
});

/**
 * Plays a run whose coordinator fails in this way, until it ends, for a quarter of an hour at most.
 */
const endOf = async (thrown: () => unknown, port: 'gate' | 'ledger') => {
  const clock = manualClock(0);
  const stage = await createStage(await testSpec({ cohort: { size: 3, minimum: 3 } }), { clock });
  let calls = 0;
  const fail = (): never => {
    calls += 1;
    throw thrown();
  };
  const gate = sealedBoxGate(stage.coordinatorIdentity);
  let isUp = true;
  const coordinator = stage.create(
    port === 'gate'
      ? { gate: { ...gate, wrap: async (...args) => (isUp ? gate.wrap(...args) : fail()) } }
      : { ledger: { ...journalLedger(stage.journal), freezeCohort: async () => fail() } },
  );
  await coordinator.start();
  isUp = false;
  const ended: { error?: FloeError } = {};
  const over = coordinator.finished.catch((error: FloeError) => {
    ended.error = error;
  });
  for (const name of ['anna', 'berta', 'caesar'])
    connect(coordinator, await stage.participant(name));
  for (let second = 0; second < 900 && ended.error === undefined; second += 1) {
    await turns(3);
    clock.advance(1_000);
  }
  await coordinator.stop();
  await over;
  return { error: ended.error, calls, journal: stage.journal };
};

describe('a coordinator', () => {
  it.each([
    ['a missing module', missing, 'installation_broken'],
    ['a TypeError', () => new TypeError("reading 'x' of undefined"), 'internal'],
  ] as const)('stops after three attempts with %s', async (_, thrown, code) => {
    for (const port of ['gate', 'ledger'] as const) {
      const { error, calls } = await endOf(thrown, port);
      expect(error).toMatchObject({ code, message: expect.stringMatching(/3 attempts/u) });
      expect(calls).toBe(3);
    }
  });
});

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

describe('a participant', () => {
  it('whose own program fails in three attempts leaves by name', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    const honest = sealedBoxGate((await keystoreOf(3)).identity);
    let calls = 0;
    const unwrap = async (): Promise<never> => {
      calls += 1;
      throw missing();
    };
    const victim = await start(coordinator, 3, { gate: { ...honest, unwrap } });
    running.push(victim);
    await coordinator.loggedIn(4);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await coordinator.open();
      await coordinator.cohort(coordinator.keys);
      await coordinator.until(() => calls >= attempt, 'the gate is asked');
      if (attempt < 3) coordinator.abort();
    }
    await expect(victim.participant.finished).rejects.toMatchObject({
      code: 'installation_broken',
    });
  });
});
