/**
 * The spot check as a function: on the records and blobs of a round that real participants played,
 * at every leaf.
 */
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes } from '../../protocol/bytes.ts';
import { decryptBlob } from '../../protocol/model/envelope.ts';
import { FloeError } from '../../protocol/errors.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { decodeProof, describeProof, encodeProof } from '../../protocol/verify/commit-proof.ts';
import { readEvidence } from '../../protocol/verify/evidence.ts';
import { spotCheck, type RoundReader } from '../../protocol/verify/spot-check.ts';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, type Fabrication } from '../support/scripted-coordinator.ts';

const tensors = [{ name: 'w', shape: [300], dtype: 'float32' as const }];
const LEAVES = 5;
const LEAF_LANES = 64;

let running: Started[] = [];
afterEach(async () => {
  await stopAll(running);
  running = [];
});

const play = async (dropped: number, lie: Fabrication = {}, rotation = true) => {
  const coordinator = await ScriptedCoordinator.create({ encoding: { rotation } }, tensors);
  running = await startAll(coordinator, 5, { tensors });
  const before = coordinator.weights;
  const gone = running.slice(0, dropped).map(({ key }) => key);
  await coordinator.playRound(gone, lie);
  const { spec, run, store, last } = coordinator;
  const evidence = readEvidence(spec, run, 'members', last!.records);
  const { blob } = evidence.commit.body.bundle;
  const purpose = { run, attempt: 1, role: 'bundle' } as const;
  const bundle = await decryptBlob(last!.key, purpose, await store.get(blob));
  const reader: RoundReader = {
    range: ([ref], start, end) => store.getRange(ref!, start, end),
    whole: ([ref]) => store.get(ref!),
  };
  return { coordinator, before, evidence, init: { spec, run, evidence, bundle, reader } };
};

describe('a spot check', () => {
  it.each([
    [0, true],
    [1, true],
    [0, false],
  ])(
    'of an honest commit holds at every leaf, %i dropped, rotated %s',
    async (dropped, rotation) => {
      const { coordinator, init, before } = await play(dropped, {}, rotation);
      for (let leaf = 0; leaf < LEAVES; leaf += 1)
        for (const known of [undefined, { weights: before, state: NO_STATE }]) {
          const result = await spotCheck({ ...init, leaf, before: known });
          if (result.type !== 'ok') throw new Error(describeProof(result.proof));
          expect(result.after.weights).toEqual(coordinator.weights);
          expect(hashModel(init.spec.model, result.after.weights)).toEqual(
            init.evidence.commit.body.model.hash,
          );
        }
      await expect(spotCheck({ ...init, leaf: LEAVES })).rejects.toMatchObject({
        code: 'record_malformed',
      });
    },
  );

  it.each([0, 1])(
    'finds a wrong leaf exactly where it is wrong: one of five with probability one fifth, %i dropped',
    async (dropped) => {
      for (const wrong of [0, 3, 4]) {
        const { init } = await play(dropped, {
          lanes: (lanes) => {
            lanes[wrong * LEAF_LANES + 5]! ^= 1;
            return lanes;
          },
        });
        const found: number[] = [];
        for (let leaf = 0; leaf < LEAVES; leaf += 1) {
          const result = await spotCheck({ ...init, leaf });
          if (result.type === 'ok') continue;
          found.push(leaf);
          expect(result.proof).toMatchObject({ part: 'leaf', leaf, attempt: 1 });
          expect(equalBytes(result.proof.expected, result.proof.got)).toBe(false);
          expect(decodeProof(encodeProof(result.proof))).toEqual(result.proof);
        }
        expect(found).toEqual([wrong]);
        await stopAll(running);
      }
    },
  );

  it('reads a blob whole before it says anything, and an outage says nothing', async () => {
    const { init } = await play(0);
    const corrupt: RoundReader = {
      ...init.reader,
      range: async (...request) => (await init.reader.range(...request)).map((byte) => byte ^ 1),
    };
    expect((await spotCheck({ ...init, leaf: 2, reader: corrupt })).type).toBe('ok');
    const away: RoundReader = {
      ...corrupt,
      whole: async () => {
        throw new FloeError('blob_corrupt', 'the store has other bytes');
      },
    };
    await expect(spotCheck({ ...init, leaf: 2, reader: away })).rejects.toMatchObject({
      code: 'blob_corrupt',
    });
  });

  it('names an upload that counts and has another chunk root than it says', async () => {
    const { init } = await play(0);
    // As if a participant had signed another root, and the coordinator had let it count.
    const other: RoundReader = {
      range: async (places, start, end) =>
        (await init.reader.range(places, start, end)).map((byte) => byte ^ 1),
      whole: async (places) => (await init.reader.whole(places)).map((byte) => byte ^ 1),
    };
    const result = await spotCheck({ ...init, leaf: 2, reader: other });
    expect(result).toMatchObject({ type: 'fabricated', proof: { part: 'upload', leaf: 2 } });
  });

  it('names a bundle that is none', async () => {
    const { init } = await play(0);
    for (const bundle of [new Uint8Array(), new Uint8Array(50).fill(7), init.bundle.slice(1)])
      expect(await spotCheck({ ...init, leaf: 0, bundle })).toMatchObject({
        type: 'fabricated',
        proof: { part: 'bundle' },
      });
  });
});
