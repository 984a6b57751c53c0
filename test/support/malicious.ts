/**
 * @module Four participants and a coordinator that breaks the rules: the way to each phase of a
 * round, and what the victim of a false record does.
 */
import { afterEach, expect } from 'vitest';
import type { AdmissionInput } from '../../client/admission.ts';
import { TEST_ADMISSION } from './admission.ts';
import { startAll, stopAll, type Started } from './participants.ts';
import { ScriptedCoordinator } from './scripted-coordinator.ts';

/** Participants that this test started; they stop when it ends. */
export const running: Started[] = [];
afterEach(async () => {
  await stopAll(running.splice(0));
});

export const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value);

/** Four participants and a coordinator; the first one is the victim. */
export const stage = async (
  overrides: Parameters<typeof ScriptedCoordinator.create>[0] = {},
  require: AdmissionInput = {},
) => {
  const coordinator = await ScriptedCoordinator.create(overrides);
  const admission = { require: { ...TEST_ADMISSION, ...require } };
  running.splice(0, Infinity, ...(await startAll(coordinator, 4, admission)));
  const members = coordinator.keys;
  return { coordinator, members, victim: running[0] as Started };
};

export type Stage = Awaited<ReturnType<typeof stage>>;

export const upTo = {
  open: async ({ coordinator }: Stage) => void (await coordinator.open()),
  cohort: async (s: Stage) => {
    await upTo.open(s);
    await s.coordinator.cohort(s.members);
  },
  sharers: async (s: Stage) => {
    await upTo.cohort(s);
    await s.coordinator.sharers(s.members);
  },
  survivors: async (s: Stage) => {
    await upTo.sharers(s);
    await s.coordinator.survivors(s.members);
    await s.coordinator.collect(s.members, 'consistent');
  },
};

/**
 * The victim names the rule, with the coordinator's record that proves it; then everyone finishes
 * the next round.
 */
export const expectNamed = async (s: Stage, code: string): Promise<void> => {
  const { error, count, records } = await s.victim.event('violation');
  expect(error.code, error.message).toBe(code);
  expect(count).toBe(1);
  expect(records[0].author).toEqual(s.coordinator.identity.publicKey);
  await s.coordinator.playRound();
  await s.victim.event('committed');
};

/**
 * The victim refuses what nobody signed as it came, accuses nobody, and finishes the next round.
 */
export const expectRefused = async (s: Stage, code: string): Promise<void> => {
  const { error } = await s.victim.event('unproven');
  expect(error.code, error.message).toBe(code);
  await s.coordinator.playRound();
  await s.victim.event('committed');
  expect(s.victim.events.filter(({ type }) => type === 'violation')).toEqual([]);
};
