/**
 * @module Uploads that no committed round rests on are forgotten, and no others: the number of
 * blobs does not grow with failed attempts, and that of waiting uploads not with rounds where they
 * are archived.
 */
import { describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { roundStore } from '../../protocol/ports/staging-store.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { journalLedger, wholeTranscript } from '../../coordinator/index.ts';
import type { TestParticipantInit } from '../support/participant.ts';
import { connect, createStage, testSpec, until, type Stage } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea', 'emilia'];

const recordsOf = async (stage: Stage) =>
  decodeTranscript(hashRunSpec(stage.spec), await wholeTranscript(stage.journal)).entries.map(
    ({ record }) => record,
  );

/** Ids of the uploads of a round, those that counted and the others. */
const uploadsOf = async (stage: Stage, attempt: number) => {
  const records = (await recordsOf(stage)).filter((record) => record.attempt === attempt);
  const counted = new Set(
    records.flatMap((each) => (each.type === 'survivors' ? each.body.uploads.map(toHex) : [])),
  );
  const uploads = records.flatMap((each) => (each.type === 'upload' ? [each] : []));
  const idsOf = (isCounted: boolean): string[] =>
    uploads
      .filter(({ hash }) => counted.has(toHex(hash)) === isCounted)
      .map(({ body }) => body.blob.id);
  return { counted: idsOf(true), others: idsOf(false) };
};

const five = (rounds = 1) => testSpec({ rounds, cohort: { size: 5, minimum: 3 } });

const play = async (stage: Stage, over: (index: number) => Partial<TestParticipantInit>) => {
  const coordinator = stage.create();
  await coordinator.start();
  const people = await Promise.all(NAMES.map((name, i) => stage.participant(name, over(i))));
  for (const one of people) connect(coordinator, one);
  return { coordinator, people };
};

const expectVerified = async (stage: Stage): Promise<void> =>
  expect(
    await verifyRun({
      spec: stage.spec,
      transcript: await wholeTranscript(stage.journal),
      store: stage.store,
      gate: sealedBoxGate(stage.coordinatorIdentity),
      ledger: journalLedger(stage.journal),
    }),
  ).toMatchObject({ ok: true, level: 'L1' });

describe('uploads', () => {
  it('of an aborted attempt are forgotten; those of the commit stay, and it verifies', async () => {
    const stage = await createStage(await five());
    const { coordinator, people } = await play(stage, (i) =>
      i >= 3 ? { dropAt: (step, attempt) => step === 'unmask' && attempt === 1 } : {},
    );
    await until(() => people[0]!.closings.length === 1, 'the attempt is aborted');
    for (const one of people.slice(3)) connect(coordinator, one);
    await coordinator.finished;
    await coordinator.stop();
    const [first, second] = [await uploadsOf(stage, 1), await uploadsOf(stage, 2)];
    expect(first.counted).toHaveLength(5);
    expect(second.counted).toHaveLength(5);
    for (const id of first.counted) expect(stage.store.blobs.has(id)).toBe(false);
    for (const id of second.counted) expect(stage.store.blobs.has(id)).toBe(true);
    // The first model, the new one, the bundle.
    expect(stage.store.blobs.size).toBe(5 + 3);
    await expectVerified(stage);
  });

  it('that were rejected are forgotten; what a store did not take is done when the next attempt ends', async () => {
    const stage = await createStage(await five(2));
    const { discard } = stage.store;
    let down = true;
    stage.store.discard = async (refs) => {
      if (down) throw new Error('not now');
      await discard(refs);
    };
    const { coordinator } = await play(stage, (i) => (i === 4 ? { lie: { upload: true } } : {}));
    await until(() => coordinator.status().committed === 1, 'the first commit');
    const { counted, others } = await uploadsOf(stage, 1);
    expect([counted.length, others.length]).toEqual([4, 1]);
    down = false;
    await coordinator.finished;
    await coordinator.stop();
    for (const id of counted) expect(stage.store.blobs.has(id)).toBe(true);
    for (const id of others) expect(stage.store.blobs.has(id)).toBe(false);
    await expectVerified(stage);
  });

  it('wait until a later commit where they are archived, and no longer', async () => {
    const [waiting, kept] = [memoryStore(), memoryStore()];
    const store = roundStore({
      waiting,
      lasting: {
        ...kept,
        get: (ref) => kept.get({ ...ref, id: ref.id.replace('kept-', '') }),
        put: async (bytes) => {
          const ref = await kept.put(bytes);
          return { ...ref, id: `kept-${ref.id}` };
        },
        putTogether: async (blobs) =>
          Promise.all(
            blobs.map(async (bytes) => {
              const ref = await kept.put(bytes);
              return { ...ref, id: `kept-${ref.id}` };
            }),
          ),
        settle: async () => undefined,
        sustain: () => Promise.reject(new Error('nothing expires here')),
      },
    });
    const stage = await createStage(await five(4));
    const coordinator = stage.create({ store, staging: store, removal: store });
    await coordinator.start();
    const people = await Promise.all(
      NAMES.map((name) =>
        stage.participant(name, { store: { ...waiting, get: (ref) => store.get(ref) } }),
      ),
    );
    for (const one of people) connect(coordinator, one);
    await coordinator.finished;
    await coordinator.stop();
    for (const attempt of [1, 2, 3, 4])
      for (const id of (await uploadsOf(stage, attempt)).counted)
        expect([attempt, waiting.blobs.has(id)]).toEqual([attempt, attempt === 4]);
  });
});
