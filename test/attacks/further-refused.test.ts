/**
 * Moves that were tried and refused.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../protocol/bytes.ts';
import { decodeRecord, signRecord } from '../../protocol/records/records.ts';
import { keystoreOf, start, startAll, stopAll, type Started } from '../support/participants.ts';
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
    expect(decodeRecord(bytes).attempt).toBe(1);
    // Tag 18 in two bytes, an array of five, indefinite length, an unprotected header, something
    // behind it, no tag.
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
      context: coordinator.attempt!.context!,
      accused: accused.key,
      share: coordinator.recordsOf(accused.key, 'share')[0]!.hash,
      kind: 'sealed',
      entry: new Uint8Array(8),
      path: new Uint8Array(64),
      secret: new Uint8Array(160),
    });
    await coordinator.open();
    await coordinator.collect(coordinator.keys, 'register');
    coordinator.abort('complaint_upheld', [accused.key], old.bytes);
    expect((await witness.event('violation')).error.code).toBe('record_replayed');
    expect((await witness.keystore.load(coordinator.run))?.culprits).toBeUndefined();
  });

  it('a second run of the same id over the same model, without a member of the first', async () => {
    // The sums of both would differ by the update of that member (they did: cosine > 0.999), for
    // who joins both runs trains the same update twice.
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
