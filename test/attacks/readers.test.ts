/**
 * A coordinator that leaves a reader out of the envelopes: it was agreed on that every auditor can
 * open every model and bundle, and every member what it has helped to make.
 */
import { wholeTranscript } from '../../coordinator/index.ts';
import { expect, it } from 'vitest';
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { boxesSchema } from '../../protocol/model/key-envelopes.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { decodeCbor, encodeCbor } from '../../protocol/wire/cbor.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { connect, createStage, testIdentity, testSpec, type Stage } from '../support/run.ts';

interface Box {
  readonly reader: Uint8Array;
  readonly box: Uint8Array;
}

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

const verifyAs = async (stage: Stage, reader: Identity | undefined) =>
  verifyRun({
    spec: stage.spec,
    transcript: await wholeTranscript(stage.journal),
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

it('anybody sees at level 0 that an auditor was left out, and whom the coordinator owes what', async () => {
  const auditor = await testIdentity('auditor');
  // The participants of this stage check nothing, so that the run continues to a commit.
  const stage = await play(without(auditor));
  for (const reader of [undefined, auditor, stage.coordinatorIdentity]) {
    const { ok, culprit } = await verifyAs(stage, reader);
    expect(ok).toBe(false);
    expect(culprit).toMatchObject({
      attempt: 1,
      record: 'open',
      author: stage.coordinatorIdentity.address,
    });
    expect(culprit?.reason).toContain(auditor.address);
  }
});

it('a commit whose model or bundle leaves out an auditor or a member is named', async () => {
  const left = [await testIdentity('auditor'), await testIdentity('berta')];
  for (const one of left)
    for (const role of ['model', 'bundle'] as const) {
      const stage = await play((honest) => ({
        ...honest,
        wrap: (key, purpose, readers, cohortOf) =>
          purpose.role === role && purpose.attempt === 1
            ? without(one)(honest).wrap(key, purpose, readers, cohortOf)
            : honest.wrap(key, purpose, readers, cohortOf),
      }));
      const { ok, culprit } = await verifyAs(stage, undefined);
      expect([role, ok]).toEqual([role, false]);
      expect(culprit).toMatchObject({ attempt: 1, record: 'commit' });
      expect(culprit?.reason).toContain(one.address);
    }
});

it('a box that is none, a second box for one reader, and an envelope that is none are named', async () => {
  const auditor = await testIdentity('auditor');
  const changes: readonly ((boxes: readonly Box[]) => unknown)[] = [
    (boxes) => boxes.map((entry, i) => (i === 1 ? { ...entry, box: new Uint8Array(8) } : entry)),
    (boxes) => [...boxes, boxes[0]],
    () => 'nothing',
  ];
  for (const change of changes) {
    const stage = await play((honest) => ({
      ...honest,
      wrap: async (key, purpose, readers, cohortOf) => {
        const envelope = await honest.wrap(key, purpose, readers, cohortOf);
        if (purpose.role !== 'bundle') return envelope;
        const { boxes } = decodeCbor(boxesSchema, envelope, 'envelope_malformed', 1 << 20);
        return encodeCbor({ v: 1, boxes: change(boxes) });
      },
    }));
    expect(await verifyAs(stage, undefined)).toMatchObject({
      ok: false,
      culprit: { attempt: 1, record: 'commit' },
    });
  }
  expect(auditor.address).toMatch(/^0x/u);
});

it('a box of the right size for which the key was never meant is what the auditor finds', async () => {
  const auditor = await testIdentity('auditor');
  const stage = await play((honest) => ({
    ...honest,
    wrap: async (key, purpose, readers, cohortOf) => {
      const envelope = await honest.wrap(key, purpose, readers, cohortOf);
      if (purpose.role !== 'bundle') return envelope;
      const { boxes } = decodeCbor(boxesSchema, envelope, 'envelope_malformed', 1 << 20);
      return encodeCbor({
        v: 1,
        boxes: boxes.map(({ reader, box }) => ({
          reader,
          box: equalBytes(reader, auditor.publicKey) ? new Uint8Array(box.length).fill(3) : box,
        })),
      });
    },
  }));
  expect(await verifyAs(stage, undefined)).toMatchObject({ ok: true, level: 'L0' });
  const own = await verifyAs(stage, auditor);
  expect(own).toMatchObject({ ok: false, culprit: { attempt: 1, record: 'commit' } });
  expect(own.culprit?.reason).toContain('decryption_failed');
});

it('an auditor to whom the gate denies what was agreed on has a finding, an outsider has none', async () => {
  const auditor = await testIdentity('auditor');
  const stage = await play((honest) => honest);
  const denied = (identity: Identity): AccessGate => ({
    ...sealedBoxGate(identity),
    // As a policy on chain does from which the auditor was removed.
    unwrap: async () => {
      throw new FloeError('access_denied', 'the policy does not admit it');
    },
  });
  const verify = async (gate: AccessGate) =>
    verifyRun({
      spec: stage.spec,
      transcript: await wholeTranscript(stage.journal),
      store: stage.store,
      gate,
    });
  const own = await verify(denied(auditor));
  expect(own).toMatchObject({ ok: false, culprit: { attempt: 1, record: 'commit' } });
  expect(own.culprit?.reason).toContain(auditor.address);
  expect(await verify(denied(await testIdentity('stranger')))).toMatchObject({
    ok: true,
    level: 'L0',
  });
  expect(await verifyAs(stage, auditor)).toMatchObject({ ok: true, level: 'L1' });
});
