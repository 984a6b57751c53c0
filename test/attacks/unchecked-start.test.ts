/**
 * @module What a coordinator may tell those who do not know the newest commit of where a round
 * starts: newcomers, and members who have missed it. They check a commit once; model and beacon of
 * every attempt must be those of the commit that was checked.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { Body } from '../../protocol/records/records.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const create = (): Promise<ScriptedCoordinator> =>
  ScriptedCoordinator.create({ cohort: { size: 8, minimum: 3, overSelect: 1 } });

/** A run with one commit, and three that have not seen it. */
const stage = async () => {
  const coordinator = await create();
  const earlier = await startAll(coordinator, 4);
  const newcomers = await Promise.all([10, 11, 12].map((index) => keystoreOf(index)));
  coordinator.waiting = newcomers.map(({ identity }) => identity.publicKey);
  await coordinator.playRound();
  await stopAll(earlier);
  await coordinator.until(() => coordinator.keys.length === 0, 'all have left');
  running = await Promise.all([10, 11, 12].map((index) => start(coordinator, index)));
  await coordinator.loggedIn(3);
  return { coordinator, members: coordinator.keys };
};

type Lie = (coordinator: ScriptedCoordinator) => Promise<Partial<Body<'open'>>>;

/** R of the coordinator's choice, and with it the beacon of the cohort. */
const otherBeacon: Lie = async () => ({ beacon: new Uint8Array(32).fill(9) });

/** A model of the coordinator's choice under the version of the commit. */
const otherModel: Lie = async (coordinator) => {
  const crafted = coordinator.weights.map((weight) => weight + 1);
  return {
    model: await coordinator.modelRef([...coordinator.keys, ...coordinator.eligible], crafted),
  };
};

const openWith = async (
  coordinator: ScriptedCoordinator,
  lie: Lie,
  evidence: 'shown' | 'withheld',
): Promise<void> => {
  const members = coordinator.keys;
  const told = await lie(coordinator);
  await coordinator.open((body) => ({ ...body, ...told }));
  if (evidence === 'withheld') coordinator.last = undefined;
  await coordinator.cohort(members);
};

/** Everybody names the broken rule, and nothing of the attempt is shared. */
const expectRefused = async (
  coordinator: ScriptedCoordinator,
  code: string,
  how: 'violation' | 'unproven' = 'violation',
): Promise<void> => {
  for (const { key, event } of running) {
    expect((await event(how)).error.code).toBe(code);
    expect(coordinator.recordsOf(key, 'share')).toEqual([]);
  }
};

describe('a newcomer does not share', () => {
  it('where the attempt has another beacon than the commit that it has just checked', async () => {
    const { coordinator } = await stage();
    await openWith(coordinator, otherBeacon, 'shown');
    await expectRefused(coordinator, 'record_conflict');
  });

  it.each([
    ['beacon', otherBeacon],
    ['model', otherModel],
  ] as const)('where the attempt after its check names another %s', async (_name, lie) => {
    const { coordinator, members } = await stage();
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.collect(members, 'share');
    coordinator.abort();
    const told = await lie(coordinator);
    await coordinator.open((body) => ({ ...body, ...told }));
    await expectRefused(coordinator, 'record_conflict');
    for (const { key } of running) expect(coordinator.recordsOf(key, 'register')).toEqual([]);
  });

  it('before it has what the commit is checked with', async () => {
    const { coordinator } = await stage();
    await openWith(coordinator, async () => ({}), 'withheld');
    // The list that is missing is signed by nobody: nothing is shared, and nobody accused.
    await expectRefused(coordinator, 'unexpected_frame', 'unproven');
  });
});

it('members that have checked a commit do not share where a later model names that commit again', async () => {
  const coordinator = await create();
  running = await startAll(coordinator, 4);
  const members = coordinator.keys;
  await coordinator.playRound();
  await coordinator.open();
  await coordinator.cohort(members);
  await coordinator.collect(members, 'share');
  coordinator.abort();
  const { run, identity, last } = coordinator;
  coordinator.version = 2;
  const told = await otherModel(coordinator);
  const purpose = { run, attempt: 2, role: 'bundle' } as const;
  const readers = [identity.publicKey, ...members];
  const envelope = await sealedBoxGate(identity).wrap(last!.key, purpose, readers);
  const bundle = { commit: last!.commit.hash, envelope };
  await openWith(coordinator, async () => ({ ...told, bundle }), 'shown');
  await expectRefused(coordinator, 'record_conflict');
});
