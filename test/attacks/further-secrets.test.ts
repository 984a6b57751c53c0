/**
 * The run is said to be over in the middle of an attempt: what does the participant keep of its
 * secrets?
 */
import { afterEach, expect, it } from 'vitest';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

it('the secrets of an attempt are erased when the run ends in its middle', async () => {
  const coordinator = await ScriptedCoordinator.create();
  running = await startAll(coordinator, 4);
  await coordinator.open();
  await coordinator.cohort(coordinator.keys);
  await coordinator.sharers(coordinator.keys);
  await coordinator.collect(coordinator.keys, 'upload');
  coordinator.finish();
  await Promise.all(running.map(({ participant }) => participant.finished));
  for (const { keystore } of running) {
    const memory = await keystore.load(coordinator.run);
    expect(memory?.attempt).toBeUndefined();
    expect(await keystore.loadVector(coordinator.run)).toBeUndefined();
    // What was uploaded is remembered: the update may be in a sum.
    expect(memory?.spent?.uploaded).toHaveLength(1);
  }
});
