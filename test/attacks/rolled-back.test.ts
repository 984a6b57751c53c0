/**
 * A keystore is put back from a copy, by a backup or by whoever has the disk: it has forgotten what it answered, and would answer
 * again. Nothing that the participant itself remembers can tell; what others have seen of it can.
 */
import { afterEach, expect, it } from 'vitest';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

it('a keystore from before a round answers in the next one as if nothing had been', async () => {
  const coordinator = await ScriptedCoordinator.create();
  running = await startAll(coordinator, 4);
  await coordinator.playRound();
  const victim = running.shift() as Started;
  await victim.event('committed');
  await victim.participant.stop();
  await coordinator.until(() => coordinator.keys.length === 3, 'it is gone');
  running.push(await start(coordinator, 0, { keystore: await keystoreOf(0), life: 1 }));
  await coordinator.loggedIn(4);
  const commit = await coordinator.playRound();
  expect(commit.round).toBe(2);
  // Its peers have noticed nothing.
  const peers = running.slice(0, 3);
  expect(peers.flatMap(({ events }) => events.filter(({ type }) => type === 'violation'))).toEqual(
    [],
  );
});
