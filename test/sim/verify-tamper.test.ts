/**
 * One masked simulation with a drop-out, then every way to falsify what it left: a byte in any blob
 * or record, and records that the coordinator itself signs anew with everything after them chained
 * again. The verifier names round and record.
 */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { journalLedger, openJournal, type Journal } from '../../coordinator/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { decodeBundle, encodeBundle } from '../../protocol/verify/bundle.ts';
import { chunkRoot } from '../../protocol/encoding/leaves.ts';
import { layoutOf } from '../../protocol/algorithm/round.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { decryptBlob, encryptBlob } from '../../protocol/model/envelope.ts';
import { memoryKeystore } from '../../client/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { addressOf, identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import type { Ledger } from '../../protocol/ports/ledger.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import {
  bodySchemas,
  signRecord,
  survivorsHash,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { decodeSafetensors, encodeSafetensors, hashModel } from '../../protocol/model/index.ts';
import {
  decodeTranscript,
  encodeEntry,
  genesis,
  nextEntry,
  type TranscriptEntry,
} from '../../protocol/records/transcript.ts';
import { verifyRun, type Verification } from '../../protocol/verify/index.ts';
import { makeScenario, readRun, RUN_FILES, runScenario } from '../../sim/index.ts';
import { masterSeed } from '../../protocol/spec/master-seed.ts';
import { writeTable } from '../support/table.ts';

const SEED = 'tamper';
const LAST = 2;

let folder: string;
let own: string;
let spec: RunSpec;
let run: Uint8Array;
let entries: readonly TranscriptEntry[];
let transcript: Uint8Array;
let store: BlobStore;
let journal: Journal;
let auditor: Identity;
let coordinator: Identity;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-tamper-'));
  const data = await writeTable(join(folder, 'table.csv'), { rows: 120, features: 4, classes: 2 });
  const scenario = makeScenario({
    participants: 6,
    cohort: 5,
    rounds: LAST,
    seed: SEED,
    data,
    model: 'linear',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
    drops: { share: 1 / 5 },
  });
  ({ folder: own } = await runScenario(scenario, { outDir: join(folder, 'runs') }));
  const stored = await readRun(own);
  ({ spec, transcript } = stored);
  run = hashRunSpec(spec);
  ({ entries } = decodeTranscript(run, transcript));
  store = directoryStore(join(own, RUN_FILES.blobs));
  journal = await openJournal(join(own, RUN_FILES.journal));
  auditor = await identityFromSeed(stored.auditorSeed as Uint8Array);
  coordinator = await identityFromSeed(deriveSeed(masterSeed(SEED), 'coordinator'));
}, 60_000);
afterAll(async () => {
  await journal.close();
  await rm(folder, { recursive: true, force: true });
});

const verify = (
  bytes = transcript,
  withLedger = true,
  published: { readonly published?: number } = {},
): Promise<Verification> =>
  verifyRun({
    spec,
    transcript: bytes,
    store,
    gate: sealedBoxGate(auditor),
    ...published,
    ...(withLedger ? { ledger: journalLedger(journal) } : {}),
  });

const recordOf = <Type extends RecordType>(attempt: number, type: Type): SignedRecord<Type> =>
  entries.find(({ record }) => record.attempt === attempt && record.type === type)
    ?.record as SignedRecord<Type>;
const allOf = <Type extends RecordType>(attempt: number, type: Type): SignedRecord<Type>[] =>
  entries.flatMap(({ record }) =>
    record.attempt === attempt && record.type === type ? [record as SignedRecord<Type>] : [],
  );

/** The transcript with other records, chained anew. */
const chain = (records: readonly SignedRecord[]): Uint8Array => {
  let head = genesis(run);
  return Buffer.concat(
    records.map((record, index) => {
      const entry = nextEntry(head, index, record);
      head = entry.hash;
      return encodeEntry(entry);
    }),
  );
};

/** What a coordinator can say with its key: one record of its own with another body. */
const forge = <Type extends RecordType>(
  attempt: number,
  type: Type,
  change: (body: Body<Type>) => Body<Type>,
): Uint8Array =>
  chain(
    entries.map(({ record }): SignedRecord => {
      if (record.attempt !== attempt || record.type !== type) return record;
      const body = change((record as SignedRecord<Type>).body);
      return signRecord(coordinator, type, run, attempt, body) as SignedRecord;
    }),
  );

const coordinatorAddress = (): string => addressOf(coordinator.publicKey);

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

it('accepts what the run left, to level 1, with one member of every cohort gone after sharing', async () => {
  expect(await verify()).toMatchObject({ ok: true, level: 'L1' });
  for (let attempt = 1; attempt <= LAST; attempt += 1) {
    expect(allOf(attempt, 'share')).toHaveLength(5);
    expect(allOf(attempt, 'upload')).toHaveLength(4);
  }
});

describe('a blob that is not there', () => {
  const without = async (
    id: string,
    bytes: Uint8Array,
    published: { readonly published?: number } = {},
  ): Promise<Verification> => {
    const path = join(own, RUN_FILES.blobs, id.slice(0, 2), id);
    await rename(path, `${path}.away`);
    try {
      return await verify(bytes, true, published);
    } finally {
      await rename(`${path}.away`, path);
    }
  };
  /** The run as it was right after its first commit. */
  const running = (): Uint8Array =>
    chain(entries.flatMap(({ record }) => (record.attempt === 1 ? [record] : [])));

  it('of the newest commit of a run that continues may still be on its way', async () => {
    const { bundle } = recordOf(1, 'commit').body;
    expect(await verify(running())).toMatchObject({
      ok: true,
      attempts: [{ outcome: 'committed', level: 'L1' }],
    });
    expect(await without(bundle.blob.id, running())).toMatchObject({
      ok: true,
      level: 'L0',
      modelHash: undefined,
      attempts: [{ outcome: 'pending' }],
    });
  });

  it('of the newest commit is the fault of who published the run up to it', async () => {
    const { bundle } = recordOf(1, 'commit').body;
    expect(await verify(running(), true, { published: 1 })).toMatchObject({ ok: true });
    const { ok, culprit } = await without(bundle.blob.id, running(), { published: 1 });
    expect(ok).toBe(false);
    expect(culprit).toMatchObject({ attempt: 1, record: 'commit', author: coordinatorAddress() });
  });

  it('of any other commit is the fault of who committed', async () => {
    for (const attempt of [1, LAST]) {
      const { bundle } = recordOf(attempt, 'commit').body;
      const { ok, culprit } = await without(bundle.blob.id, transcript);
      expect(ok).toBe(false);
      expect(culprit).toMatchObject({ attempt, record: 'commit', author: coordinatorAddress() });
    }
  });
});

it('a publication that stops before its round, or goes beyond it, is named', async () => {
  for (const published of [LAST - 1, LAST + 1])
    expect(await verify(transcript, true, { published })).toMatchObject({
      ok: false,
      culprit: { attempt: published, record: 'commit', entry: -1 },
    });
});

describe('one changed byte', () => {
  const withFlipped = async (id: string): Promise<Verification> => {
    const path = join(own, RUN_FILES.blobs, id.slice(0, 2), id);
    const whole = await readFile(path);
    await writeFile(path, flipped(whole, whole.length >> 1));
    try {
      return await verify();
    } finally {
      await writeFile(path, whole);
    }
  };

  it('in any blob names the record that the blob belongs to', async () => {
    const blobs: [string, number, RecordType, string][] = [];
    blobs.push([recordOf(1, 'open').body.model.blob.id, 1, 'open', coordinatorAddress()]);
    for (let attempt = 1; attempt <= LAST; attempt += 1) {
      for (const { author, body } of allOf(attempt, 'upload'))
        blobs.push([body.blob.id, attempt, 'upload', addressOf(author)]);
      const { bundle, model } = recordOf(attempt, 'commit').body;
      for (const { id } of [bundle.blob, model.blob])
        blobs.push([id, attempt, 'commit', coordinatorAddress()]);
    }
    expect(blobs).toHaveLength(1 + LAST * (4 + 2));
    for (const [id, attempt, record, author] of blobs)
      expect(await withFlipped(id)).toMatchObject({
        ok: false,
        culprit: { attempt, record, author },
      });
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('in a record of any type, anywhere in it, names the entry, its round and its type', async () => {
    let at = 0;
    const seen = new Set<RecordType>();
    for (const { record, index } of entries) {
      const start = at + 36;
      at = start + record.bytes.length;
      // The first record of each type in each round is enough.
      if (record !== recordOf(record.attempt, record.type)) continue;
      seen.add(record.type);
      const last = record.bytes.length - 1;
      // Head of the map, somewhere in the body, the signature; before the record the link that
      // names it.
      for (const offset of [-1, 0, last >> 2, last >> 1, last])
        expect(
          (await verify(flipped(transcript, start + offset))).culprit,
          `${record.type} at ${offset}`,
        ).toMatchObject({ attempt: record.attempt, record: record.type, entry: index });
    }
    // A run without an aborted round and without a complaint has every type but two.
    expect(seen.size).toBe(Object.keys(bodySchemas).length - 2);
  });

  it('at every fourth place of one record names it', async () => {
    const { record, index } = entries.find((entry) => entry.record.type === 'consistent')!;
    const start = Buffer.from(transcript).indexOf(record.bytes);
    for (let at = start; at < start + record.bytes.length; at += 4)
      expect((await verify(flipped(transcript, at))).culprit, `at ${at - start}`).toMatchObject({
        attempt: record.attempt,
        record: 'consistent',
        entry: index,
      });
  });

  it('in the length of a record names entry and round', async () => {
    const at = (entries[0] as TranscriptEntry).record.bytes.length + 36;
    for (const offset of [0, 1, 2, 3])
      expect((await verify(flipped(transcript, at + offset))).culprit).toMatchObject({
        attempt: 1,
        entry: 1,
      });
  });
});

describe('a coordinator that signs something else', () => {
  const expectNamed = async (
    forged: Uint8Array,
    attempt: number,
    record: RecordType,
    reason: RegExp,
    withLedger = true,
  ): Promise<void> => {
    const { ok, culprit } = await verify(forged, withLedger);
    expect(ok).toBe(false);
    expect(culprit).toMatchObject({ attempt, record, author: coordinatorAddress() });
    expect(culprit?.reason).toMatch(reason);
  };

  const otherSurvivors = (
    attempt: number,
    change: (
      body: Body<'survivors'>,
    ) => Pick<Body<'survivors'>, 'members' | 'uploads' | 'rejected'>,
  ): Uint8Array =>
    forge(attempt, 'survivors', (body) => {
      const { members, uploads, rejected } = change(body);
      const hash = survivorsHash({ ...body, members, uploads });
      return { ...body, members, uploads, rejected, hash };
    });

  it('a survivor less', async () => {
    const less = (code: string | undefined) =>
      otherSurvivors(LAST, ({ members, uploads }) => ({
        members: members.slice(1),
        uploads: uploads.slice(1),
        rejected: code === undefined ? [] : [{ member: members[0] as Uint8Array, code }],
      }));
    await expectNamed(less(undefined), LAST, 'survivors', /at least 4 survivors/);
    await expectNamed(less('upload_mismatch'), LAST, 'survivors', /at least 4 survivors/);
  });

  it('a survivor more', async () => {
    const sharers = recordOf(1, 'sharers').body.members;
    await expectNamed(
      otherSurvivors(1, ({ uploads }) => ({
        members: sharers,
        uploads: [...uploads, uploads[0] as Uint8Array],
        rejected: [],
      })),
      1,
      'survivors',
      /names other uploads/,
    );
  });

  it.each([
    ['survivor set', 'hash'],
    ['data commitment', 'dataCommitment'],
  ] as const)('another %s than the ledger froze, where it is sound in itself', async (what, of) => {
    const ledger = journalLedger(journal);
    const readSurvivors: Ledger['readSurvivors'] = async (id, attempt) => {
      const frozen = await ledger.readSurvivors(id, attempt);
      return frozen && { ...frozen, [of]: new Uint8Array(32) };
    };
    const result = await verifyRun({
      spec,
      transcript,
      store,
      gate: sealedBoxGate(auditor),
      ledger: { ...ledger, readSurvivors },
    });
    expect(result.culprit).toMatchObject({
      attempt: 1,
      record: 'survivors',
      reason: `the ledger holds another ${what} (survivors-ledger)`,
    });
  });

  const commits: [string, (body: Body<'commit'>) => Body<'commit'>, RegExp][] = [
    [
      'another sum',
      (body) => ({ ...body, aggregate: { ...body.aggregate, chunkRoot: new Uint8Array(32) } }),
      /sum differs/,
    ],
    ['another weight', (body) => ({ ...body, weight: body.weight + 1 }), /weight/],
    [
      'other metrics',
      (body) => ({
        ...body,
        metrics: body.metrics.map(({ name, sum }) => ({ name, sum: sum + 1 })),
      }),
      /metrics/,
    ],
    [
      'the hash of another model',
      (body) => ({
        ...body,
        step: { ...body.step, after: new Uint8Array(32) },
        model: { ...body.model, hash: new Uint8Array(32) },
      }),
      /model differs/,
    ],
    [
      'other parameters of the strategy',
      (body) => ({ ...body, step: { ...body.step, parameters: new Uint8Array(32) } }),
      /commit-strategy/,
    ],
    [
      'an envelope that is none',
      (body) => ({ ...body, bundle: { ...body.bundle, envelope: new Uint8Array(5) } }),
      /bundle.*commit-readers/,
    ],
  ];
  it.each(commits)('%s in a commit', async (_, change, reason) => {
    const forged = forge(LAST, 'commit', change);
    // The ledger's root covers the commit, so it tells too; without it the recomputation does.
    await expectNamed(forged, LAST, 'commit', /ledger|commit-strategy|commit-readers/);
    await expectNamed(forged, LAST, 'commit', reason, false);
  });

  /** Seals other content as the coordinator would, readable for the auditor. */
  const seal = async (plain: Uint8Array, role: 'model' | 'bundle') => {
    const purpose = { run, attempt: LAST, role } as const;
    const key = new Uint8Array(32).fill(5);
    const { id, sha256, size } = await store.put(await encryptBlob(key, purpose, plain));
    const { members } = recordOf(LAST, 'cohort').body;
    const readers = [coordinator.publicKey, auditor.publicKey, ...members];
    const envelope = await sealedBoxGate(coordinator).wrap(key, purpose, readers);
    return { blob: { id, sha256, size }, envelope };
  };
  const unseal = async (
    { blob, envelope }: Pick<Body<'commit'>['model'], 'blob' | 'envelope'>,
    role: 'model' | 'bundle',
  ): Promise<Uint8Array> => {
    const purpose = { run, attempt: LAST, role } as const;
    const key = await sealedBoxGate(auditor).unwrap(envelope, purpose);
    return decryptBlob(key, purpose, await store.get(blob));
  };

  it('another model, published in full', async () => {
    const { model } = recordOf(LAST, 'commit').body;
    const file = decodeSafetensors(await unseal(model, 'model'));
    const flat = file.flat.map((value, i) => (i === 0 ? value + 0.5 : value));
    const hash = hashModel(spec.model, flat);
    const sealed = await seal(encodeSafetensors(file.manifest, flat), 'model');
    const all = (after: Uint8Array) =>
      forge(LAST, 'commit', (body) => ({
        ...body,
        step: { ...body.step, after },
        model: { ...body.model, ...sealed, hash: after },
      }));
    await expectNamed(all(hash), LAST, 'commit', /recomputed model differs/, false);
    // The right hash over the wrong blob.
    await expectNamed(all(model.hash), LAST, 'commit', /key of the model after/, false);
  });

  it('a bundle with another secret, without one, and one that is none', async () => {
    const { bundle: sealed } = recordOf(LAST, 'commit').body;
    const bundle = decodeBundle(await unseal(sealed, 'bundle'));
    // One self mask for each survivor, and the pair secrets of the one who is gone.
    expect(bundle.secrets.map(({ kind }) => kind).toSorted()).toEqual([
      'key',
      'self',
      'self',
      'self',
      'self',
    ]);
    // The one who is gone, with each survivor.
    expect(bundle.pairs).toHaveLength(4);
    const { secrets, pairs, keys } = bundle;
    const [one, two] = pairs;
    const others = [
      ...secrets.map((_, at) =>
        encodeBundle({
          ...bundle,
          secrets: secrets.map((item, i) =>
            i === at ? { ...item, secret: flipped(item.secret, 3) } : item,
          ),
        }),
      ),
      encodeBundle({ ...bundle, secrets: secrets.slice(1) }),
      encodeBundle({ ...bundle, pairs: pairs.slice(1) }),
      encodeBundle({ ...bundle, pairs: [] }),
      encodeBundle({ ...bundle, pairs: pairs.with(0, { ...one!, path: new Uint8Array() }) }),
      encodeBundle({ ...bundle, pairs: pairs.with(0, { ...one!, entry: two!.entry }) }),
      encodeBundle({
        ...bundle,
        pairs: pairs.with(0, { ...one!, author: one!.recipient, recipient: one!.author }),
      }),
      encodeBundle({ ...bundle, sum: flipped(bundle.sum, 5) }),
      encodeBundle({ ...bundle, sum: new Uint8Array() }),
      encodeBundle({ ...bundle, uploads: bundle.uploads.toReversed() }),
      encodeBundle({ ...bundle, uploads: bundle.uploads.slice(1) }),
      encodeBundle({
        ...bundle,
        uploads: bundle.uploads.map((upload) => ({ ...upload, extras: flipped(upload.extras, 0) })),
      }),
      encodeBundle({ ...bundle, keys: { ...keys, before: flipped(keys.before, 0) } }),
      encodeBundle({ ...bundle, keys: { ...keys, before: new Uint8Array() } }),
      encodeBundle({ ...bundle, keys: { ...keys, after: flipped(keys.after, 0) } }),
      encodeBundle({
        ...bundle,
        pairs: pairs.with(0, { ...one!, entry: flipped(one!.entry, 9) }),
      }),
      new Uint8Array(40).fill(1),
    ];
    for (const plain of others) {
      const replaced = await seal(plain, 'bundle');
      const forged = forge(LAST, 'commit', (body) => ({ ...body, bundle: replaced }));
      await expectNamed(forged, LAST, 'commit', /bundle/, false);
    }
  });

  it('another cohort, other sharers, another model to start from', async () => {
    const cases: [Uint8Array, number, RecordType][] = [
      [forge(1, 'cohort', (body) => ({ ...body, threshold: body.threshold - 1 })), 1, 'cohort'],
      [
        forge(1, 'cohort', (body) => ({ ...body, members: body.members.toReversed() })),
        1,
        'cohort',
      ],
      [forge(1, 'sharers', (body) => ({ ...body, shares: body.shares.slice(1) })), 1, 'sharers'],
      [
        forge(LAST, 'open', (body) => ({ ...body, model: recordOf(1, 'open').body.model })),
        LAST,
        'open',
      ],
    ];
    for (const [forged, attempt, record] of cases) {
      const { ok, culprit } = await verify(forged);
      expect(ok).toBe(false);
      expect(culprit).toMatchObject({ attempt, record });
    }
  });
});

// Lanes of weight and metrics stand last, and the padding behind them stays zero; the lanes of the
// update stand first.
it.each([
  [
    'of weights',
    'weight_sum_out_of_range',
    (i: number, length: number) => i >= length - 20 && i < length - 2,
  ],
  ['whose mean nobody can have clipped', 'mean_out_of_range', (i: number) => i < 15],
])(
  'a sum %s that no honest cohort can have is laid at its commit, where everybody signed for it',
  async (_, code, isChanged) => {
    // One participant puts anything into the sum, and the others and the coordinator go along with
    // it.
    const people = new Map<string, Identity>();
    for (let i = 0; i < 6; i += 1) {
      const { identity } = await memoryKeystore(deriveSeed(masterSeed(SEED), 'participant', i));
      people.set(toHex(identity.publicKey), identity);
    }
    const as = (key: Uint8Array): Identity => people.get(toHex(key)) as Identity;
    const uploads = allOf(LAST, 'upload');
    const liar = uploads[0] as SignedRecord<'upload'>;
    const bytes = (await store.get(liar.body.blob)).map((byte, i, all) =>
      isChanged(i, all.length) ? byte ^ 0xa5 : byte,
    );
    const { id, sha256, size } = await store.put(bytes);
    const lie = signRecord(as(liar.author), 'upload', run, LAST, {
      ...liar.body,
      blob: { id, sha256, size },
      chunkRoot: chunkRoot(
        layoutOf(
          spec,
          recordOf(LAST, 'cohort').body.members.length,
          recordOf(LAST, 'open').body.meanExamples,
        ),
        bytes,
      ),
    });
    const { body } = recordOf(LAST, 'survivors');
    const named = body.uploads.map((hash) => (equalBytes(hash, liar.hash) ? lie.hash : hash));
    const hash = survivorsHash({ ...body, uploads: named });
    const rewritten = entries.map(({ record }): SignedRecord => {
      if (record.attempt !== LAST) return record;
      if (record === liar) return lie;
      if (record.type === 'survivors')
        return signRecord(coordinator, 'survivors', run, LAST, { ...body, uploads: named, hash });
      const { author, type } = record;
      if (type === 'consistent')
        return signRecord(as(author), type, run, LAST, { ...record.body, survivors: hash });
      if (type === 'unmask')
        return signRecord(as(author), type, run, LAST, { ...record.body, survivors: hash });
      if (record.type === 'commit')
        return signRecord(coordinator, 'commit', run, LAST, { ...record.body, survivors: hash });
      return record;
    });
    const { ok, culprit } = await verify(chain(rewritten), false);
    expect(ok).toBe(false);
    expect(culprit).toMatchObject({
      attempt: LAST,
      record: 'commit',
      author: coordinatorAddress(),
    });
    expect(culprit?.reason).toContain(code);
  },
);

it('a store that is away is nobody: verification fails, the run does not', async () => {
  const away: BlobStore = {
    ...store,
    get: async () => {
      throw new FloeError('store_unavailable', 'not now');
    },
  };
  const verification = verifyRun({ spec, transcript, store: away, gate: sealedBoxGate(auditor) });
  await expect(verification).rejects.toMatchObject({ code: 'store_unavailable' });
});
