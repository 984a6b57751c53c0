/**
 * @module Central privacy: what a reader of the records and models, who knows every update but
 * one, can still tell; what an auditor recomputes; and that a coordinator that was killed draws no
 * second noise.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { journalLedger, memoryJournal, wholeTranscript } from '../../coordinator/index.ts';
import { createFold, encodingFor, layoutOf } from '../../protocol/algorithm/round.ts';
import { privacyClaim, releasedIn } from '../../protocol/algorithm/privacy.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import {
  decodeSum,
  encodeUpdate,
  pack,
  ringLayout,
  type EncodingSpec,
} from '../../protocol/encoding/index.ts';
import { addCentralNoise } from '../../protocol/encoding/central-noise.ts';
import { chunkRoot, leafHashes } from '../../protocol/encoding/leaves.ts';
import { decryptBlob } from '../../protocol/model/envelope.ts';
import { guaranteeOf } from '../../protocol/privacy/noise.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import { rootOfHashes } from '../../protocol/records/merkle.ts';
import type { RecordType, SignedRecord } from '../../protocol/records/records.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { mortalJournal } from '../support/mortal-journal.ts';
import { connect, createStage, testIdentity, testSpec, type Stage } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const SEED = new Uint8Array(32).fill(6);

const specOf = async (over: Parameters<typeof testSpec>[0] = {}) =>
  testSpec({
    rounds: 2,
    secagg: 'none',
    auditors: [(await testIdentity('auditor')).publicKey],
    encoding: { ring: 'ring24', clipNorm: 1, weightCap: 1 },
    privacy: {
      type: 'central',
      epsilon: 8,
      delta: 1e-5,
      participations: 2,
      noiseMultiplier: 0,
    },
    ...over,
  });

const play = async (stage: Stage): Promise<void> => {
  const coordinator = stage.create();
  await coordinator.start();
  const participants = await Promise.all(NAMES.map((name) => stage.participant(name)));
  for (const participant of participants) connect(coordinator, participant);
  await coordinator.finished;
  await coordinator.stop();
};

const recordsOf = async (stage: Stage): Promise<readonly SignedRecord[]> =>
  decodeTranscript(hashRunSpec(stage.spec), await wholeTranscript(stage.journal)).entries.map(
    ({ record }) => record,
  );

const ofType = <Type extends RecordType>(
  records: readonly SignedRecord[],
  type: Type,
): readonly SignedRecord<Type>[] =>
  records.flatMap((record) => (record.type === type ? [record as SignedRecord<Type>] : []));

const verified = async (stage: Stage, reader: Identity) =>
  verifyRun({
    spec: stage.spec,
    transcript: await wholeTranscript(stage.journal),
    store: stage.store,
    gate: sealedBoxGate(reader),
    ledger: journalLedger(stage.journal),
  });

describe('a run with central privacy', () => {
  let stage: Stage;
  let records: readonly SignedRecord[];
  let auditor: Identity;
  beforeAll(async () => {
    auditor = await testIdentity('auditor');
    stage = await createStage(await specOf());
    await play(stage);
    records = await recordsOf(stage);
  });

  /** The lanes of the uploads of the first round, as who may open them reads them. */
  const lanesOf = async (reader: Identity): Promise<readonly Uint8Array[]> => {
    const { spec, store } = stage;
    const run = hashRunSpec(spec);
    const gate = sealedBoxGate(reader);
    const purpose = { run, attempt: 1, role: 'update' } as const;
    const first = ofType(records, 'upload').filter(({ attempt }) => attempt === 1);
    return Promise.all(
      first.map(async ({ body }) =>
        decryptBlob(
          await gate.unwrap(body.envelope!, purpose),
          purpose,
          await store.get(body.blob),
        ),
      ),
    );
  };

  it('commits to the noisy sum: who guesses every update finds no hash that confirms it', async () => {
    const layout = layoutOf(stage.spec, NAMES.length, 5);
    const fold = createFold(layout);
    for (const packed of await lanesOf(auditor)) fold.add(packed);
    // The exact sum, which such a reader could compute for each of its guesses.
    const exact = rootOfHashes(leafHashes(layout, pack(fold.lanes, layout.modulusBits)));
    const [commit] = ofType(records, 'commit');
    expect(equalBytes(commit!.body.aggregate.chunkRoot, exact)).toBe(false);
    // And the noise is what makes the difference.
    const purpose = { run: hashRunSpec(stage.spec), attempt: 1, role: 'update' } as const;
    const key = await sealedBoxGate(auditor).unwrap(commit!.body.noise!.envelope, purpose);
    addCentralNoise(
      fold.lanes,
      encodingFor(stage.spec, NAMES.length, 5),
      layout,
      NAMES.length,
      cipherStream(key),
    );
    const noisy = pack(fold.lanes, layout.modulusBits);
    expect(chunkRoot(layout, noisy)).toEqual(commit!.body.aggregate.chunkRoot);
    expect(commit!.body).toMatchObject({ clipped: 0, weight: NAMES.length, metrics: [] });
  });

  it('gives the key of the noise to auditors, and to no participant', async () => {
    const [commit] = ofType(records, 'commit');
    const purpose = { run: hashRunSpec(stage.spec), attempt: 1, role: 'update' } as const;
    const member = sealedBoxGate(await testIdentity('anna'));
    await expect(member.unwrap(commit!.body.noise!.envelope, purpose)).rejects.toMatchObject({
      code: 'access_denied',
    });
    await expect(lanesOf(await testIdentity('anna'))).rejects.toMatchObject({
      code: 'access_denied',
    });
  });

  it('is recomputed by an auditor, draw included', async () => {
    expect(await verified(stage, auditor)).toMatchObject({ ok: true, level: 'L1' });
  });

  it('says that it is central, and what it guarantees against whom', () => {
    expect(privacyClaim(stage.spec)).toMatchObject({ mechanism: 'central', honestSurvivors: 0 });
    const { epsilon } = guaranteeOf(releasedIn(stage.spec, 2).noise, 2, 1e-5);
    expect(epsilon).toBeLessThanOrEqual(8);
    expect(epsilon).toBeGreaterThan(7.9);
  });
});

it('draws the same noise again after the coordinator was killed, at any write', async () => {
  const spec = await specOf({ rounds: 1 });
  const whole = await createStage(spec);
  await play(whole);
  let again = 0;
  // The last writes are those around the commit.
  for (const k of [13, 14, 15, 16, 17, 18]) {
    const journal = memoryJournal();
    const stage = await createStage(spec, { journal });
    const doomed = stage.create({ journal: mortalJournal(journal, k, 'before') });
    const participants = await Promise.all(NAMES.map((name) => stage.participant(name)));
    await doomed.start();
    for (const one of participants) connect(doomed, one);
    await doomed.finished.catch(() => undefined);
    await doomed.stop();
    const before = stage.store.blobs.size;
    const heir = stage.create();
    await heir.start();
    for (const one of participants) connect(heir, one);
    const { attempts } = await heir.finished;
    await heir.stop();
    expect(attempts).toBe(1);
    // A second draw would be a second model: blobs of equal content have one key and one id.
    expect(stage.store.blobs.size).toBe(whole.store.blobs.size);
    if (before === whole.store.blobs.size) again += 1;
  }
  // Killed with the model in the store and no commit.
  expect(again).toBeGreaterThan(0);
});

it('adapts its clip norm by a noisy count of bits that the coordinator adds the noise to', async () => {
  const clipping = { type: 'adaptive', quantile: 0.5, rate: 1, floor: 1e-3, ceiling: 64 } as const;
  const stage = await createStage(
    await specOf({ encoding: { ring: 'ring24', clipNorm: 0.02, weightCap: 1, clipping } }),
  );
  await play(stage);
  const commits = ofType(await recordsOf(stage), 'commit');
  const shares = commits.map(({ body }) => body.clip!.within);
  // All are clipped: 0, but for the noise, which a share of four bits shows.
  expect(shares.every((within) => within !== 0 && Math.abs(within) < 20)).toBe(true);
  expect(await verified(stage, await testIdentity('auditor'))).toMatchObject({ ok: true });
});

describe('central noise', () => {
  const N = 20;
  const DIMENSION = 400;
  const plain: EncodingSpec = {
    ring: 'ring24',
    bits: 8,
    clipNorm: 1,
    rotation: true,
    weightCap: 1,
    noise: { multiplier: 2, honestSurvivors: 1, isCentral: true },
  };

  it('has norm z C sqrt(d) / n in the mean, whoever survives', () => {
    const delta = Float32Array.from({ length: DIMENSION }, (_, j) => Math.sin(j) / 20);
    for (const survivors of [N, N / 2]) {
      const layout = ringLayout(plain, N, DIMENSION);
      const fold = createFold(layout);
      for (let i = 0; i < survivors; i += 1)
        fold.add(
          pack(
            encodeUpdate({
              delta,
              examples: 1,
              spec: plain,
              n: N,
              rotationSeed: SEED,
              random: cipherStream(deriveSeed(SEED, 'round', i)),
            }).lanes,
            layout.modulusBits,
          ),
        );
      const { lanes } = fold;
      addCentralNoise(lanes, plain, layout, survivors, cipherStream(deriveSeed(SEED, 'noise')));
      const { meanDelta } = decodeSum({
        lanes,
        spec: plain,
        n: N,
        survivors,
        rotationSeed: SEED,
        dimension: DIMENSION,
      });
      const noise = Math.hypot(...meanDelta.map((value, j) => value - delta[j]!));
      const expected = (2 * Math.sqrt(DIMENSION)) / survivors;
      expect(Math.abs(noise / expected - 1)).toBeLessThan(0.15);
    }
  });
});
