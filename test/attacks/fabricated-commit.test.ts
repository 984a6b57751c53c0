/**
 * A coordinator that signs a commit which the uploads do not give: the model has not moved, or moved otherwise. Whoever trains on
 * it gives a second sum over the same model, and two sums that differ by one member are that member's update.
 */
import { afterEach, expect, it } from 'vitest';
import type { Body } from '../../protocol/records.ts';
import { hashModel } from '../../protocol/tensors/index.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

it('a commit that changed nothing: the members train again on the model that they have answered for', async () => {
  const coordinator = await ScriptedCoordinator.create();
  running = await startAll(coordinator, 4);
  const members = coordinator.keys;
  await coordinator.open();
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(members);
  await coordinator.consistency(members);
  await coordinator.collect(members, 'unmask');
  // The sum is known now. What is signed is the old model under a new number.
  coordinator.version = 1;
  const before = hashModel(coordinator.spec.model, coordinator.weights);
  const anything = new Uint8Array(32).fill(3);
  const body: Body<'commit'> = {
    survivors: coordinator.round!.survivors!.body.hash,
    aggregate: { hash: anything, chunkRoot: anything, size: 1 },
    bundle: {
      blob: { ...(await coordinator.store.put(anything)) },
      envelope: new Uint8Array(),
    },
    step: { optimiser: 'fedavg', learningRate: 1, before, after: before },
    weight: 46,
    metrics: { lossSum: 6, correct: 12, clipped: 0 },
    model: await coordinator.modelRef(members),
  };
  const commit = coordinator.sign('commit', 1, body);
  coordinator.send(members, { type: 'record', record: commit.bytes });
  // Everybody trains on it and uploads; nobody names a broken rule.
  await coordinator.open();
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.collect(members, 'upload');
  for (const { events } of running)
    expect(events.filter(({ type }) => type === 'violation')).toEqual([]);
});
