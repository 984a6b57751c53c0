/**
 * A coordinator that leaves a reader out of the envelopes: it was agreed on that every auditor can open every model and bundle,
 * and every member what it has helped to make.
 */
import { expect, it } from 'vitest';
import type { AccessGate } from '../../protocol/access/access-gate.ts';
import { sealedBoxGate } from '../../protocol/access/sealed-box-gate.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { Identity } from '../../protocol/identity.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testIdentity, testSpec, type Stage } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

/** Plays a run whose coordinator wraps keys with this gate. */
const play = async (gateOf: (honest: AccessGate) => AccessGate): Promise<Stage> => {
  const auditors = [(await testIdentity('auditor')).publicKey];
  const stage = await createStage(await testSpec({ auditors }));
  const coordinator = stage.create({ gate: gateOf(sealedBoxGate(stage.coordinatorIdentity)) });
  await coordinator.start();
  const people = await Promise.all(NAMES.map((name) => stage.participant(name)));
  for (const person of people) connect(coordinator, person);
  await coordinator.finished;
  await coordinator.stop();
  return stage;
};

const verifyAs = (stage: Stage, reader: Identity | undefined) =>
  verifyRun({
    spec: stage.spec,
    transcript: stage.journal.transcript(),
    store: stage.store,
    ...(reader === undefined ? {} : { gate: sealedBoxGate(reader) }),
  });

/** Leaves this identity out of every envelope. */
const without =
  (left: Identity) =>
  (honest: AccessGate): AccessGate => ({
    ...honest,
    wrap: (key, purpose, readers, cohortOf) =>
      honest.wrap(
        key,
        purpose,
        readers.filter((reader) => !equalBytes(reader, left.publicKey)),
        cohortOf,
      ),
  });

it('an auditor is left out, and verification says that everything holds, the auditor’s own as well', async () => {
  const auditor = await testIdentity('auditor');
  const stage = await play(without(auditor));
  expect(await verifyAs(stage, undefined)).toMatchObject({ ok: true, level: 'L0' });
  expect(await verifyAs(stage, auditor)).toMatchObject({ ok: true, level: 'L0' });
});
