/**
 * @module A site whose frozen base is not the run's: it leaves by name before its first round.
 */
import { expect, it } from 'vitest';
import { memoryKeystore } from '../../client/keystore/index.ts';
import { joinRun } from '../../client/participant/index.ts';
import { functionTrainer } from '../../client/trainer.ts';
import type { BaseRef } from '../../protocol/model/base.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { connectionPair } from '../support/connection.ts';
import { createStage, testSpec } from '../support/run.ts';

const own: BaseRef = { hash: new Uint8Array(32).fill(1), name: 'the published one' };

it.each<[string, BaseRef | undefined, BaseRef | undefined, RegExp]>([
  ['another', own, { hash: new Uint8Array(32).fill(2) }, /expected 0101.*published one.*got 0202/u],
  ['none', own, undefined, /got none/u],
  ['one that the run does not name', undefined, own, /expected none/u],
])('%s is refused as base_mismatch', async (_, named, brought, message) => {
  const { model } = await testSpec();
  const spec = await testSpec({ model: { ...model, ...(named && { base: named }) } });
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  const keystore = await memoryKeystore(new Uint8Array(32).fill(7));
  const trainer = functionTrainer({
    manifest: { tensors: spec.model.tensors },
    train: ({ weights }) => ({ weights, examples: 1, lossSum: 0, correct: 0 }),
  });
  const participant = joinRun({
    connect: async () => {
      const [server, client] = connectionPair();
      coordinator.accept(server);
      return client;
    },
    keystore,
    trainer: { ...trainer, ...(brought && { base: brought }) },
    store: stage.store,
    gate: sealedBoxGate(keystore.identity),
    ledger: undefined,
    clock: systemClock,
    random: seededRandom(new Uint8Array(32)),
    require: TEST_ADMISSION,
    log: () => undefined,
  });
  await expect(participant.finished).rejects.toMatchObject({ code: 'base_mismatch' });
  await expect(participant.finished).rejects.toThrow(message);
  await coordinator.stop();
});
