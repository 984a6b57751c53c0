/**
 * One member seals bad entries to many others. Each of them complains and so says, to the coordinator, what opens the entries
 * that were sealed to it: with t of them, both secrets of a member that got a good entry and has uploaded already.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { layoutOf, METRICS, rotationSeed } from '../../protocol/aggregate/round.ts';
import { equalBytes, sha256, toHex } from '../../protocol/bytes.ts';
import { decodeSum, unpack } from '../../protocol/encoding/index.ts';
import { signRecord } from '../../protocol/records.ts';
import {
  deriveKeys,
  findIndex,
  freezeCohort,
  pairMask,
  unmask,
  type Lanes,
} from '../../protocol/secagg/index.ts';
import { selfMaskSeed } from '../../protocol/secagg/secrets.ts';
import { reconstruct } from '../../protocol/secagg/shamir.ts';
import { parseEntry, unsealShares } from '../../protocol/secagg/shares.ts';
import { functionTrainer } from '../../client/trainer.ts';
import { start, stepOf, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, TENSORS } from '../support/scripted-coordinator.ts';

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

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
      entries: entries.map((entry) => sha256(entry)),
    }).bytes;
    coordinator.frames.get(toHex(liar.key))!.push({ v: 1, type: 'share', record, entries });
    const memory = await liar.keystore.load(coordinator.run);
    const colluder = { author: liar.key, secret: memory!.round!.seal };
    await coordinator.sharers(members);
    const complaints = await coordinator.collect(
      honest.map(({ key }) => key),
      'complaint',
    );
    const [upload] = await coordinator.collect([victim.key], 'upload');
    return { coordinator, victim, colluder, complaints, upload: upload!, update: () => update };
  };

  it('opens the update of the fifth, alone', async () => {
    const { coordinator, victim, colluder, complaints, upload, update } = await play();
    const said = complaints.map(({ author, body: { secret } }) => ({ author, secret }));
    const { spec, round, store } = coordinator;
    const context = round!.context!;
    const cohort = freezeCohort(
      round!.registers.map(({ author, body }) => ({
        id: author,
        mask: body.mask,
        seal: body.seal,
      })),
    );
    const own = findIndex(cohort, victim.key)!;
    const sealed = coordinator.entriesOf(victim.key);
    const opened = await Promise.all(
      [...said, colluder].map(async ({ author, secret: revealed }) => {
        const seal = deriveKeys(revealed, 'seal');
        const entry = parseEntry(victim.key, author, sealed[findIndex(cohort, author)!]!);
        const point = seal.point.agree(cohort.members[own]!.seal.point());
        const pair = { author: victim.key, recipient: author };
        return unsealShares({ seal, point, context, cohort, entry, ...pair });
      }),
    );
    const held = opened.flatMap((pair) => pair ?? []);
    expect(held).toHaveLength(cohort.threshold);
    const secret = await reconstruct(
      held.map(({ self }) => self),
      cohort.threshold,
    );
    const sigma = await reconstruct(
      held.map(({ key }) => key),
      cohort.threshold,
    );
    const keys = deriveKeys(sigma, 'mask');
    const pairs = cohort.members.flatMap((peer, at) => {
      if (at === own) return [];
      const lower = own < at;
      const { wrapped } = lower
        ? parseEntry(victim.key, peer.id, sealed[at]!)
        : parseEntry(peer.id, victim.key, coordinator.entriesOf(peer.id)[own]!);
      const job = pairMask({ sigma, keys, context, self: victim.key, peer, wrapped: wrapped! });
      return [{ seed: job.seed, sign: job.sign === 1 ? (-1 as const) : (1 as const) }];
    });
    const layout = layoutOf(spec, 5);
    const bytes = await store.get(upload.body.blob);
    const lanes = unpack(bytes, layout.modulusBits, layout.lanes) as Lanes;
    const self = { seed: selfMaskSeed(context, victim.key, secret), sign: -1 as const };
    await unmask(lanes, [self, ...pairs], layout.modulusBits);
    const { meanDelta } = decodeSum({
      lanes,
      spec: spec.encoding,
      n: 5,
      survivors: 1,
      rotationSeed: rotationSeed({
        round: 1,
        modelHash: round!.open.body.model.hash,
        cohortRoot: round!.cohort!.body.root,
      }),
      dimension: layout.dimension,
      extras: METRICS,
    });
    expect(cosine(meanDelta, update())).toBeGreaterThan(0.9999);
  });
});
