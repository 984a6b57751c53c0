/**
 * @module Bad entries and false complaints against the real host: the attempt ends before any
 * upload counts, the abort record carries the proof, who lied is not invited again, and the run
 * continues without it.
 */
import { expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { decodeRecordOf } from '../../protocol/records/records.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { provenBy } from '../../protocol/rules/abort-proof.ts';
import { emptyView, withRecords } from '../../protocol/rules/index.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { journalLedger, wholeTranscript } from '../../coordinator/index.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { TestParticipantInit } from '../support/participant.ts';
import { connect, createStage, testSpec } from '../support/run.ts';
import { createPlayer, framesOf, reach, workIn } from '../support/machine.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea', 'emilia'];

const playWith = async (lie: NonNullable<TestParticipantInit['lie']>) => {
  const stage = await createStage(await testSpec({ cohort: { size: 5, minimum: 3 } }));
  const coordinator = stage.create();
  await coordinator.start();
  const people = await Promise.all(
    NAMES.map((name, i) => stage.participant(name, i === 4 ? { lie } : {})),
  );
  for (const one of people) connect(coordinator, one);
  const outcome = await coordinator.finished;
  await coordinator.stop();
  const transcript = decodeTranscript(
    hashRunSpec(stage.spec),
    await wholeTranscript(stage.journal),
  );
  const records = transcript.entries.map(({ record }) => record);
  const report = await verifyRun({
    spec: stage.spec,
    transcript: await wholeTranscript(stage.journal),
    store: stage.store,
    gate: sealedBoxGate(stage.coordinatorIdentity),
    ledger: journalLedger(stage.journal),
  });
  return { outcome, people, records, report };
};

it.each([
  ['entries', 'complaint_upheld'],
  ['complaint', 'complaint_unfounded'],
] as const)('one liar (%s) is named by everybody and left out', async (lie, code) => {
  const { outcome, people, records, report } = await playWith({ [lie]: true });
  const liar = toHex(people[4]!.identity.publicKey);
  const abort = records.find((record) => record.type === 'abort');
  expect(abort?.body).toMatchObject({ code });
  expect(abort?.body.culprits.map(toHex)).toEqual([liar]);
  const complaint = decodeRecordOf('complaint', abort!.body.complaint!);
  expect(toHex(lie === 'entries' ? complaint.body.accused : complaint.author)).toBe(liar);
  // Everybody judges it again, and another culprit does not pass.
  const spec = await testSpec({ cohort: { size: 5, minimum: 3 } });
  const view = withRecords(
    emptyView({ spec, run: hashRunSpec(spec), attempt: 1 }),
    records.filter(({ attempt, type }) => attempt === 1 && type !== 'abort'),
  );
  expect((await provenBy(view, abort!)).map(toHex)).toEqual([liar]);
  const turned = {
    ...abort!.body,
    code: code === 'complaint_upheld' ? 'complaint_unfounded' : 'complaint_upheld',
  };
  await expect(provenBy(view, { ...abort!, body: turned })).rejects.toThrow('the complaint shows');
  // No answer was sent in the attempt, and the next one is without the liar.
  expect(records.filter(({ type, attempt }) => type === 'unmask' && attempt === 1)).toHaveLength(0);
  const opens = records.filter((record) => record.type === 'open');
  expect(opens).toHaveLength(2);
  expect(opens[1]!.body.invited.map(toHex)).not.toContain(liar);
  expect(outcome.attempts).toBe(2);
  expect(report).toMatchObject({ ok: true });
});

it('an invalid complaint ends nothing, and no survivors are frozen while one is judged', async () => {
  const spec = await testSpec({ cohort: { size: 5, minimum: 3 } });
  const player = await createPlayer(spec, 5);
  reach(player, 'upload', [0, 1, 2, 3, 4]);
  const share = attemptOf(player.state)!.shares.get(toHex(player.people[1]!.publicKey))!;
  const about = {
    accused: player.people[1]!.publicKey,
    share: share.record.hash,
    kind: 'sealed',
    entry: new Uint8Array(8),
    secret: new Uint8Array(32),
    context: attemptOf(player.state)!.context!,
  } as const;
  const effects = player.say(0, 'complaint', about);
  expect(workIn(effects)).toEqual(['judge-complaint']);
  for (const i of [1, 2, 3, 4]) player.work(...player.say(i, 'upload'));
  player.wait(spec.deadlines.upload * 1000);
  expect(player.state.phase.type).toBe('upload');
  const judged = player.apply({
    type: 'complaint-judged',
    attempt: player.state.attempt,
    member: player.people[0]!.publicKey,
    verdict: 'invalid',
  });
  expect(framesOf(judged)).toEqual(['error']);
  expect(player.state.phase.type).toBe('freezing-survivors');
});

it('a complaint about a share of nobody, of oneself or of another context is refused', async () => {
  const spec = await testSpec({ cohort: { size: 5, minimum: 3 } });
  const player = await createPlayer(spec, 5);
  reach(player, 'upload', [0, 1, 2, 3, 4]);
  const attempt = attemptOf(player.state);
  const own = attempt!.shares.get(toHex(player.people[0]!.publicKey))!.record;
  const wrong = new Uint8Array(32).fill(3);
  const base = {
    accused: own.author,
    share: own.hash,
    kind: 'sealed',
    entry: new Uint8Array(8),
    secret: wrong,
    context: attempt!.context!,
  } as const;
  for (const over of [{}, { accused: wrong }, { share: wrong }, { context: wrong }]) {
    const before = player.state;
    const effects = player.say(0, 'complaint', { ...base, ...over });
    expect(framesOf(effects)).toEqual(['error']);
    expect(player.state).toBe(before);
  }
});
