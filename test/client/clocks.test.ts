/**
 * Clocks: whose is wrong is said where two of three agree; a wrong own clock is named, is nobody's
 * breach, and is the cause that the coordinator is told where key servers refuse.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { lineOf } from '../../client/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import { FloeError } from '../../protocol/errors.ts';
import { MAX_SKEW_MS, readingOf, skewOf } from '../../protocol/clock-skew.ts';
import { coordinatorTime, examineClock } from '../../client/doctor/clock.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const DAY = 86_400_000;
const MINUTE = 60_000;

const shifted = (ms: number): Clock => ({
  ...systemClock,
  now: () => systemClock.now() + ms,
  at: (at, callback) => systemClock.at(at - ms, callback),
});

const read = (of: 'coordinator' | 'chain', aheadMs: number) => readingOf(of, 0, 0, aheadMs);

describe('whose clock is wrong', () => {
  it.each([
    ['all agree', 0, 100, undefined],
    ['within the bound', MAX_SKEW_MS, -MAX_SKEW_MS, undefined],
    ['the own one, a day ahead', -DAY, -DAY + 900, 'own'],
    ['the own one, 20 minutes behind', 20 * MINUTE, 20 * MINUTE, 'own'],
    ['the coordinator', DAY, 0, 'coordinator'],
    ['the chain', 0, -DAY, 'chain'],
    ['all three differ', DAY, -DAY, 'unknown'],
    ['no third one', DAY, undefined, 'unknown'],
    ['no third one, and it agrees', 10, undefined, undefined],
  ] as const)('%s', (_name, coordinator, chain, whose) => {
    const readings = [
      read('coordinator', coordinator),
      ...(chain === undefined ? [] : [read('chain', chain)]),
    ];
    expect(skewOf(readings)?.whose).toBe(whose);
  });

  it('an answer that took long says little: the time of the way is allowed for', () => {
    expect(skewOf([readingOf('chain', 0, 10 * MINUTE, 0)])).toBeUndefined();
    expect(skewOf([readingOf('chain', 0, MINUTE, DAY)])?.whose).toBe('unknown');
  });
});

describe('a participant whose clock is wrong', () => {
  it.each([
    ['a day ahead', DAY, /1440 min|24 h ahead of those of the coordinator and of the chain/u],
    ['20 minutes behind', -20 * MINUTE, /20 min behind those of the coordinator and of the chain/u],
  ])('%s: names it, is told apart from a lie, and takes part', async (_name, ms, message) => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 3);
    const { identity } = await keystoreOf(3);
    const honest = sealedBoxGate(identity);
    let refuses = true;
    const victim = await start(coordinator, 3, {
      clock: shifted(ms),
      patienceMs: 30,
      // As key servers do with a certificate of another day.
      gate: {
        ...honest,
        unwrap: (...args) =>
          refuses
            ? Promise.reject(new FloeError('access_denied', 'the certificate is not valid now'))
            : honest.unwrap(...args),
      },
      ledger: {
        kind: 'test',
        beacon: 'members',
        time: async () => systemClock.now(),
        readCohort: async () => {
          throw new FloeError('ledger_unavailable', 'refused at this time');
        },
        readSurvivors: async () => undefined,
        readFamily: async () => [],
      },
    });
    running.push(victim);
    await coordinator.loggedIn(4);
    const event = await victim.event('clock');
    expect(event.skew).toMatchObject({ whose: 'own' });
    expect(lineOf(event)).toEqual(['warn', expect.stringMatching(message)]);
    await coordinator.open();
    await coordinator.cohort(coordinator.keys);
    // The coordinator is told the cause, and not what the gate or the ledger said.
    expect(await coordinator.withdrawal(victim.key)).toBe('clock_skewed');
    const reports = (coordinator.frames.get(Buffer.from(victim.key).toString('hex')) ?? []).flatMap(
      (frame) => (frame.type === 'report' ? [frame.code] : []),
    );
    expect(reports).toEqual(['clock_skewed']);
    expect(victim.events.some(({ type }) => type === 'violation' || type === 'unproven')).toBe(
      false,
    );
    refuses = false;
    coordinator.abort();
    await coordinator.open();
    await coordinator.until(
      () => coordinator.recordsOf(victim.key, 'register').length === 1,
      'it registers for the next attempt',
    );
  });

  it('a coordinator whose clock is wrong is named as that, and the round is played', async () => {
    const coordinator = await ScriptedCoordinator.create();
    coordinator.now = () => systemClock.now() + DAY;
    running = await startAll(coordinator, 4);
    await coordinator.playRound();
    const [one] = running;
    expect((await one!.event('clock')).skew.whose).toBe('unknown');
    await one!.event('committed');
  });
});

describe('floe doctor', () => {
  const { signal } = new AbortController();

  it('names a wrong own clock, and one of the chain as the chain\u2019s', async () => {
    const chain = async () => systemClock.now();
    const [wrong] = await examineClock({ clock: shifted(-20 * MINUTE), chain, signal });
    expect(wrong).toMatchObject({ name: 'clock', needed: true, ok: false });
    expect(wrong?.detail).toMatch(/20 min behind/u);
    const [right] = await examineClock({ clock: systemClock, chain, signal });
    expect(right).toMatchObject({
      ok: true,
      detail: expect.stringContaining('within 60 s') as string,
    });
    expect(await examineClock({ clock: systemClock, signal })).toEqual([]);
  });

  it('reads the time of a coordinator from its answer, and names one that is away', async () => {
    const { createServer } = await import('node:http');
    const server = createServer((_request, response) => response.end('{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    expect(Math.abs((await coordinatorTime(url, signal)) - Date.now())).toBeLessThan(MINUTE);
    await new Promise((resolve) => server.close(resolve));
    await expect(coordinatorTime(url, signal)).rejects.toMatchObject({ code: 'connection_lost' });
  });
});
