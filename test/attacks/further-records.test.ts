/**
 * Records that an honest client and the verifier judge differently, or that blame somebody with
 * nothing to show: a complaint where there were no shares, an attempt that continues after one, a
 * beacon of one's own choice.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { signRecord, type RecordType, type SignedRecord } from '../../protocol/records/records.ts';
import { encodeEntry, genesis, nextEntry } from '../../protocol/records/transcript.ts';
import { verifyRun, type Verification } from '../../protocol/verify/index.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const TYPES: readonly RecordType[] = ['register', 'share', 'upload', 'consistent', 'unmask'];

/** What the attempt that was played last leaves in a transcript, but for its end. */
const recordsOf = (coordinator: ScriptedCoordinator): SignedRecord[] => {
  const { open, cohort, sharers, survivors } = coordinator.attempt!;
  const of = (type: RecordType) => coordinator.keys.flatMap((k) => coordinator.recordsOf(k, type));
  const [registers, shares, uploads, consistents, unmasks] = TYPES.map(of);
  return [
    open,
    ...registers!,
    ...(cohort === undefined ? [] : [cohort]),
    ...shares!,
    ...(sharers === undefined ? [] : [sharers]),
    ...uploads!,
    ...(survivors === undefined ? [] : [survivors]),
    ...consistents!,
    ...unmasks!,
  ];
};

const verify = (
  coordinator: ScriptedCoordinator,
  records: readonly SignedRecord[],
): Promise<Verification> => {
  let head = genesis(coordinator.run);
  const entries = records.map((record, index) => {
    const entry = nextEntry(head, index, record);
    head = entry.hash;
    return encodeEntry(entry);
  });
  const { spec, store } = coordinator;
  return verifyRun({ spec, store, transcript: new Uint8Array(Buffer.concat(entries)) });
};

const blank = new Uint8Array(32);

describe('what the verifier does not take', () => {
  it('a complaint in an attempt without shares', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 4);
    const [victim, liar] = running as [Started, Started];
    await coordinator.open();
    await coordinator.collect(coordinator.keys, 'register');
    const complaint = signRecord(liar.keystore.identity, 'complaint', coordinator.run, 1, {
      context: blank,
      accused: victim.key,
      share: blank,
      kind: 'sealed',
      entry: new Uint8Array(8),
      path: new Uint8Array(64),
      secret: new Uint8Array(8),
    });
    const abort = coordinator.sign('abort', 1, {
      code: 'complaint_upheld',
      reason: 'a sealed share is bad',
      culprits: [victim.key],
      answered: false,
      complaint: complaint.bytes,
    });
    const report = await verify(coordinator, [...recordsOf(coordinator), abort]);
    expect(report).toMatchObject({ ok: false, culprit: { attempt: 1, record: 'abort' } });
    expect(report.culprit?.reason).toMatch('an attempt without shares');
  });

  it('an attempt that continues after a complaint', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 4);
    const [liar] = running as [Started];
    await coordinator.open();
    await coordinator.cohort(coordinator.keys);
    await coordinator.sharers(coordinator.keys);
    await coordinator.survivors(coordinator.keys);
    await coordinator.consistency(coordinator.keys);
    const commit = await coordinator.commit(coordinator.keys);
    const share = coordinator.recordsOf(running[1]!.key, 'share')[0]!;
    const complaint = signRecord(liar.keystore.identity, 'complaint', coordinator.run, 1, {
      context: coordinator.attempt!.context!,
      accused: share.author,
      share: share.hash,
      kind: 'sealed',
      entry: new Uint8Array(8),
      path: new Uint8Array(64),
      secret: new Uint8Array(8),
    });
    const records = [...recordsOf(coordinator), commit];
    const at = records.findIndex(({ type }) => type === 'upload');
    const report = await verify(coordinator, records.toSpliced(at, 0, complaint));
    expect(report).toMatchObject({ ok: false, culprit: { attempt: 1, record: 'survivors' } });
    expect(report.culprit?.reason).toMatch('survivors-complaint');
  });
});

describe('what a participant does not take', () => {
  it('a beacon of the coordinator’s choice, where it has not seen the commit', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 4);
    coordinator.waiting = [(await keystoreOf(4)).identity.publicKey];
    await coordinator.playRound();
    const late = await start(coordinator, 4);
    running = [...running, late];
    await coordinator.loggedIn(5);
    await coordinator.open((body) => ({ ...body, beacon: new Uint8Array(32).fill(7) }));
    await coordinator.collect([late.key], 'register');
    const [first, second] = running as [Started, Started];
    expect((await first.event('violation')).error.code).toBe('record_conflict');
    expect((await second.event('violation')).error.code).toBe('record_conflict');
    // Whoever has missed the commit sees it in the evidence.
    coordinator.send([late.key], { type: 'evidence', records: [...coordinator.last!.records] });
    expect((await late.event('violation')).error.code).toBe('record_conflict');
  });
});
