/**
 * One member seals bad entries to many others, and each of them complains. Had a complaint to
 * reveal what opens all entries of its author, t of them would give both secrets of a member that
 * got a good entry and has uploaded already (they did: cosine with its update > 0.9999).
 */
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { signRecord } from '../../protocol/records/records.ts';
import {
  deriveKeys,
  findIndex,
  freezeCohort,
  memberOf,
  readShownPoint,
} from '../../protocol/secagg/index.ts';
import { parseEntry, unsealShares } from '../../protocol/secagg/shares.ts';
import { functionTrainer } from '../../client/trainer.ts';
import { start, stepOf, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, TENSORS } from '../support/scripted-coordinator.ts';
import { signedOf } from '../support/entries.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

/** An entry whose sealed shares do not open. */
const flip = (entry: Uint8Array): Uint8Array =>
  entry.with(entry.length - 70, entry[entry.length - 70]! ^ 1);

describe('one liar of five that makes three others complain', () => {
  const play = async () => {
    const coordinator = await ScriptedCoordinator.create({
      encoding: { ring: 'ring32', bits: 20, clipNorm: 4 },
    });
    let update = new Float32Array();
    const trainer = functionTrainer({
      manifest: { tensors: TENSORS },
      train: ({ weights, seed }) => {
        const after = stepOf(weights, seed);
        update = after.map((value, i) => value - weights[i]!);
        return { weights: after, examples: 10, lossSum: 1.5, correct: 3 };
      },
    });
    const victim = await start(coordinator, 0, { trainer });
    const [liar, ...honest] = await Promise.all([1, 2, 3, 4].map((i) => start(coordinator, i)));
    if (liar === undefined) throw new Error('nobody lies');
    running = [victim, liar, ...honest];
    await coordinator.loggedIn(5);
    const members = coordinator.keys;
    await coordinator.open();
    await coordinator.cohort(members);
    await coordinator.collect(members, 'share');
    const own = coordinator.recordsOf(liar.key, 'share')[0]!;
    const entries = coordinator
      .entriesOf(liar.key)
      .map((entry, i) =>
        [victim, liar].some(({ key }) => equalBytes(key, members[i]!)) ? entry : flip(entry),
      );
    const record = signRecord(liar.keystore.identity, 'share', coordinator.run, 1, {
      ...own.body,
      entries: signedOf(own.body.context, liar.key, entries),
    }).bytes;
    coordinator.frames.get(toHex(liar.key))!.push({ v: 3, type: 'share', record, entries });
    const memory = await liar.keystore.load(coordinator.run);
    const colluder = { author: liar.key, secret: memory!.attempt!.seal };
    await coordinator.sharers(members);
    const complaints = await coordinator.collect(
      honest.map(({ key }) => key),
      'complaint',
    );
    const [upload] = await coordinator.collect([victim.key], 'upload');
    return { coordinator, victim, colluder, complaints, upload: upload!, update: () => update };
  };

  it('opens no entry but the bad ones: the update of the fifth stays masked', async () => {
    const { coordinator, victim, colluder, complaints, upload, update } = await play();
    const { attempt } = coordinator;
    const context = attempt!.context!;
    const cohort = freezeCohort(
      attempt!.registers.map(({ author, body }) => ({
        id: author,
        mask: body.mask,
        seal: body.seal,
      })),
      attempt!.cohort!.body.beacon,
    );
    const { primitives } = cohort;
    const own = findIndex(cohort, victim.key)!;
    const sealed = coordinator.entriesOf(victim.key);
    const entryFor = (recipient: Uint8Array) => ({
      author: victim.key,
      recipient,
      entry: parseEntry(victim.key, recipient, sealed[findIndex(cohort, recipient)!]!),
    });
    // What every complaint gives: the ML-KEM half, and what the X25519 half and that of the liar
    // agree on.
    const opened = await Promise.all(
      complaints.map(({ author, body: { secret } }) => {
        const kem = primitives.kemPair(secret.subarray(0, 64));
        const keyOf = (id: Uint8Array) => memberOf(cohort, id).seal.raw.x25519;
        const point = readShownPoint(secret.subarray(64), keyOf(author), keyOf(colluder.author));
        expect(point).toBeDefined();
        const seal = { kem, primitives };
        return unsealShares({ seal, point: point!, context, cohort, ...entryFor(author) });
      }),
    );
    expect(opened).toEqual([undefined, undefined, undefined]);
    // The colluder has its own share, as ever.
    const seal = deriveKeys(colluder.secret, 'seal');
    const point = seal.point.agree(cohort.members[own]!.seal.point());
    const share = await unsealShares({
      seal,
      point,
      context,
      cohort,
      ...entryFor(colluder.author),
    });
    expect(share).toBeDefined();
    // And the victim has uploaded by then, before anybody can have told it of a complaint.
    expect(upload.body.blob.size).toBeGreaterThan(0);
    expect(update()).toHaveLength(35);
  });
});
