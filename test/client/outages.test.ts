/**
 * What a participant makes of what goes wrong around it: a store, a gate, a ledger, a keystore or a
 * trainer that fails is never a breach of the coordinator, whatever error it throws; the
 * participant waits or sits the attempt out, says why, and commits again once it is over.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { PENDING_MS } from '../../protocol/ports/hanging-calls.ts';
import { decodeClientFrame } from '../../protocol/wire/messages.ts';
import { lineOf } from '../../client/participant/events.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

/** The victim's own key server stays away as long as `down` is set. */
const failingGate = async (index: number, thrown: () => unknown) => {
  const { identity } = await keystoreOf(index);
  const honest = sealedBoxGate(identity);
  const state = { down: true, calls: 0 };
  const gate: AccessGate = {
    ...honest,
    unwrap: (...args) => {
      state.calls += 1;
      return state.down ? Promise.reject(thrown()) : honest.unwrap(...args);
    },
  };
  return { gate, state };
};

describe('a gate that fails', () => {
  for (const code of ['gate_unavailable', 'access_denied', 'ledger_unavailable'] as ErrorCode[])
    it(`${code} in three attempts: nobody is accused, and the participant is still there`, async () => {
      const coordinator = await ScriptedCoordinator.create();
      running = await startAll(coordinator, 3);
      const { gate, state } = await failingGate(3, () => new FloeError(code, 'the test says so'));
      const victim = await start(coordinator, 3, { gate });
      running.push(victim);
      await coordinator.loggedIn(4);
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        await coordinator.open();
        await coordinator.cohort(coordinator.keys);
        const calls = state.calls;
        await coordinator.until(() => state.calls > calls, 'the gate is asked');
        coordinator.abort();
      }
      state.down = false;
      await coordinator.playRound();
      await victim.event('committed');
      expect(victim.events.filter(({ type }) => type === 'violation')).toEqual([]);
    });
});

describe('a port that hangs', () => {
  /** The honest port; what it is asked waits until `answer` is called. */
  const hanging = <Port extends object>(honest: Port, method: keyof Port) => {
    const gone = Promise.withResolvers<void>();
    const state = { calls: 0, answer: gone.resolve };
    const call = honest[method] as (...args: readonly unknown[]) => Promise<unknown>;
    const port = {
      ...honest,
      [method]: async (...args: readonly unknown[]) => {
        state.calls += 1;
        await gone.promise;
        return call(...args);
      },
    };
    return { port, state };
  };

  it.each([
    ['store', 'put'],
    ['gate', 'unwrap'],
  ] as const)(
    '%s.%s: is an outage that the user and the coordinator hear of',
    async (name, method) => {
      const coordinator = await ScriptedCoordinator.create();
      running = await startAll(coordinator, 3);
      const { identity } = await keystoreOf(3);
      // The coordinator's: a clock that is off would be named in place of the gate.
      const clock = manualClock(Date.now());
      const { port, state } =
        name === 'store'
          ? hanging(coordinator.store, 'put')
          : hanging(sealedBoxGate(identity), 'unwrap');
      const victim = await start(coordinator, 3, { clock, [name]: port });
      running.push(victim);
      await coordinator.loggedIn(4);
      const round = coordinator.playRound();
      await coordinator.until(() => state.calls > 0, 'the port is asked');
      clock.advance(PENDING_MS - 1);
      expect(victim.events.filter(({ type }) => type === 'waiting')).toEqual([]);
      clock.advance(PENDING_MS);
      const waiting = await victim.event('waiting');
      expect(waiting).toMatchObject({
        port: name,
        attempt: 1,
        error: { code: `${name}_unavailable` },
      });
      expect(lineOf(waiting)![1]).toMatch(
        new RegExp(
          `attempt 1: waits for the ${name}: .*has not answered ${method} for 10 s; .* until the coordinator ends`,
          'u',
        ),
      );
      const reports = victim.frames
        .map((frame) => decodeClientFrame(frame))
        .filter(({ type }) => type === 'report');
      expect(reports).toMatchObject([{ code: `${name}_unavailable` }]);
      state.answer();
      expect(await victim.event('answers-again')).toMatchObject({ port: name });
      await round;
      await victim.event('committed');
      expect(victim.events.filter(({ type }) => type === 'violation')).toEqual([]);
    },
  );

  it('while it is opened is named before the first attempt', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const clock = manualClock(0);
    const opened = Promise.withResolvers<undefined>();
    const ledger = () => opened.promise;
    const one = await start(coordinator, 0, { clock, ledger });
    running = [one];
    for (let turn = 0; turn < 100 && clock.next() === undefined; turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    clock.advance(PENDING_MS);
    expect(lineOf(await one.event('waiting'))![1]).toMatch(
      /before the first attempt: waits for the ledger: ledger_unavailable: .*until it answers/u,
    );
    opened.resolve(undefined);
    await one.event('connected');
    expect(await one.event('answers-again')).toMatchObject({ port: 'ledger' });
  });
});

describe('an address where nobody is', () => {
  const nobody = () => Promise.reject(new FloeError('connection_lost', 'nobody is there'));

  it('ends a participant that has never joined, with the cause', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const one = await start(coordinator, 0, { link: nobody, firstLoginMs: 30 });
    await expect(one.participant.finished).rejects.toMatchObject({ code: 'connection_lost' });
    expect(one.events.some(({ type }) => type === 'reconnecting')).toBe(true);
  });

  it('is waited for by one that has joined, for as long as it takes', async () => {
    const coordinator = await ScriptedCoordinator.create();
    let isAway = false;
    const one = await start(coordinator, 0, {
      link: async (open) => (isAway ? nobody() : open()),
      firstLoginMs: 0,
    });
    running = [one];
    await coordinator.loggedIn(1);
    isAway = true;
    coordinator.drop(one.key);
    await one.event('reconnecting', 5);
    isAway = false;
    await one.event('connected', 2);
  });
});
