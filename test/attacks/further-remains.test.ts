/**
 * Moves that were tried and refused, and such as remain, each with its bound.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '../../protocol/bytes.ts';
import { decodeRecord, signRecord } from '../../protocol/records.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
import { guest } from '../support/meeting.ts';
import { connect, createStage, testSpec, until } from '../support/run.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

describe('refused', () => {
  it('an envelope of a record in any other form than the one that was signed', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const { bytes } = coordinator.sign('abort', 1, {
      code: 'x',
      reason: 'y',
      culprits: [],
      answered: false,
    });
    expect(decodeRecord(bytes).round).toBe(1);
    // Tag 18 in two bytes, an array of five, indefinite length, an unprotected header, something behind it, no tag.
    const forms = [
      concatBytes(new Uint8Array([0xd8, 0x12]), bytes.subarray(1)),
      bytes.with(1, 0x85),
      concatBytes(
        bytes.subarray(0, 1),
        new Uint8Array([0x9f]),
        bytes.subarray(2),
        new Uint8Array([0xff]),
      ),
      concatBytes(
        bytes.subarray(0, 6),
        new Uint8Array([0xa1, 0x04, 0x41, 0x01]),
        bytes.subarray(7),
      ),
      concatBytes(bytes, new Uint8Array([0])),
      bytes.subarray(1),
    ];
    for (const form of forms) expect(() => decodeRecord(form)).toThrow(/COSE/u);
    // The other signature of the same equation: S + L.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = [...bytes.subarray(-32)].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const twin = Uint8Array.from({ length: 32 }, (_, i) =>
      Number(((s + order) >> BigInt(8 * i)) & 0xffn),
    );
    const other = concatBytes(bytes.subarray(0, -32), twin);
    expect(() => decodeRecord(other)).toThrow(/does not verify/u);
  });

  it('the complaint of an earlier attempt in a later one', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 4);
    const [liar, accused, witness] = running as [Started, Started, Started];
    await coordinator.playRound();
    const old = signRecord(liar.keystore.identity, 'complaint', coordinator.run, 1, {
      context: coordinator.round!.context!,
      accused: accused.key,
      share: coordinator.recordsOf(accused.key, 'share')[0]!.hash,
      kind: 'sealed',
      entry: new Uint8Array(8),
      secret: new Uint8Array(160),
    });
    await coordinator.open();
    await coordinator.collect(coordinator.keys, 'register');
    coordinator.abort('complaint_upheld', [accused.key], old.bytes);
    expect((await witness.event('violation')).error.code).toBe('record_replayed');
    expect((await witness.keystore.load(coordinator.run))?.culprits).toBeUndefined();
  });

  it('a second run of the same id over the same model, without a member of the first', async () => {
    // The sums of both would differ by the update of that member (they did: cosine > 0.999), for who joins both runs trains the
    // same update twice.
    const keystores = await Promise.all([0, 1, 2, 3, 4].map(keystoreOf));
    const join = async (name: string, who: readonly number[]): Promise<ScriptedCoordinator> => {
      const coordinator = await ScriptedCoordinator.create({ name });
      running = await Promise.all(
        who.map((i) => start(coordinator, i, { keystore: keystores[i]! })),
      );
      await coordinator.loggedIn(who.length);
      return coordinator;
    };
    const first = await join('first', [0, 1, 2, 3, 4]);
    await first.playRound();
    await stopAll(running);
    const second = await join('second', [1, 2, 3, 4]);
    await second.open();
    for (const { key } of running)
      expect(await second.withdrawal(key)).toBe('update_already_spent');
  });

  it('the evidence of a run with another specification', async () => {
    const other = await ScriptedCoordinator.create({ name: 'another' });
    const before = await startAll(other, 4);
    await other.playRound();
    await stopAll(before);
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 4);
    await coordinator.playRound();
    coordinator.last = { ...coordinator.last!, records: other.last!.records };
    await coordinator.open();
    await coordinator.cohort(coordinator.keys);
    for (const one of running) {
      expect((await one.event('unproven')).error.code).toBe('record_replayed');
      expect(coordinator.recordsOf(one.key, 'share')).toEqual([]);
    }
  });
});

describe('remains', () => {
  it('remains: an abort may name a culprit without proof, which nobody takes for one', async () => {
    const coordinator = await ScriptedCoordinator.create();
    running = await startAll(coordinator, 4);
    const [victim, ...others] = running as [Started, ...Started[]];
    await coordinator.open();
    await coordinator.cohort(coordinator.keys);
    await coordinator.sharers(coordinator.keys);
    coordinator.abort('commitment_mismatch', [victim.key], undefined, true);
    for (const one of others) {
      await one.event('aborted');
      // Bound: it is the coordinator's word; the victim is not left out of any set for it.
      expect((await one.keystore.load(coordinator.run))?.culprits).toBeUndefined();
    }
  });

  it('remains: one wrong commitment stops a run in which everybody takes part until others join, and names its author', async () => {
    const stage = await createStage(await testSpec({ cohort: { size: 5, minimum: 3 } }));
    const coordinator = stage.create();
    await coordinator.start();
    const guests = await Promise.all(
      ['a', 'bb', 'ccc', 'dddd'].map((n) => guest(stage, coordinator, n)),
    );
    const liar = await stage.participant('liar', { lie: { commitment: true } });
    connect(coordinator, liar);
    await until(() => stage.progress.some(({ type }) => type === 'aborted'), 'an abort');
    const [first] = stage.progress.filter((event) => event.type === 'aborted');
    expect(first).toMatchObject({
      code: 'commitment_mismatch',
      answered: true,
      culprits: [toHex(liar.identity.publicKey)],
    });
    // The others have answered for a set with the liar and were shown no proof against it: they would refuse the set without it.
    await until(() => coordinator.status().waitingFor !== undefined, 'the run waits');
    expect(stage.progress.some(({ type }) => type === 'committed')).toBe(false);
    await Promise.all(guests.map(({ participant }) => participant.stop()));
    await coordinator.stop();
  }, 60_000);
});
