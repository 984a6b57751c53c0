/**
 * One member signs two registrations in one attempt, and the coordinator shows one of them to a
 * single honest member. That member seals a share to the other key; the complaint over it "proves"
 * to everybody else that it lied. A culprit may be left out of the set that all have answered for,
 * so the two sums would differ by its update alone: with a context that named the members and not
 * their registrations they did (cosine > 0.999).
 */
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { signRecord } from '../../protocol/records/records.ts';
import { contextOf } from '../../protocol/rules/index.ts';
import { deriveKeys } from '../../protocol/secagg/index.ts';
import { start, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

describe('a member with two registrations in one attempt', () => {
  /**
   * All five have answered for the whole cohort, and then comes an attempt in which the victim is
   * shown another register.
   */
  const framed = async () => {
    const coordinator = await ScriptedCoordinator.create();
    const victim = await start(coordinator, 0);
    const others = await Promise.all([1, 2, 3, 4].map((i) => start(coordinator, i)));
    running = [victim, ...others];
    await coordinator.loggedIn(5);
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.survivors(members);
    await coordinator.consistency(members);
    coordinator.abort('attempt_aborted');
    await Promise.all(running.map((one) => one.event('aborted')));

    const open = await coordinator.open();
    const [liar] = others as [Started];
    const attempt = coordinator.attempt!;
    attempt.registers = await coordinator.collect(members, 'register');
    const cohortOver = (registers: typeof attempt.registers) =>
      coordinator.sign('cohort', attempt.number, coordinator.cohortBody(registers));
    const isLiar = (key: Uint8Array): boolean => toHex(key) === toHex(liar.key);
    // The second registration of the same attempt, with another sealing key.
    const second = attempt.registers.map((register) =>
      isLiar(register.author)
        ? signRecord(liar.keystore.identity, 'register', coordinator.run, attempt.number, {
            ...register.body,
            seal: deriveKeys(new Uint8Array(32).fill(9), 'seal').public,
          })
        : register,
    );
    attempt.cohort = cohortOver(attempt.registers);
    const { run } = coordinator;
    attempt.context = contextOf({ run, attempt: attempt.number, open, cohort: attempt.cohort });
    const shown = [
      { to: others.map(({ key }) => key), cohort: attempt.cohort, registers: attempt.registers },
      { to: [victim.key], cohort: cohortOver(second), registers: second },
    ];
    for (const { to, cohort, registers } of shown)
      coordinator.send(to, {
        type: 'cohort',
        record: cohort.bytes,
        registers: registers.map(({ bytes }) => bytes),
      });
    await coordinator.sharers(members);
    return { coordinator, victim, others, liar };
  };

  it('frames nobody: what the victim signs is bound to the registrations it was shown', async () => {
    const { coordinator, victim, others, liar } = await framed();
    for (const one of others) {
      const { error } = await one.event('violation');
      expect(error.code).toBe('context_mismatch');
      expect((await one.keystore.load(coordinator.run))?.culprits).toBeUndefined();
    }
    expect(coordinator.recordsOf(liar.key, 'complaint')).toEqual([]);
    // Nor does the victim mask over shares of another context.
    expect((await victim.event('violation')).error.code).toBe('context_mismatch');
  });
});
