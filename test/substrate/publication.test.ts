/**
 * @module What makes a run stand by itself: published once, the same whenever it is asked for, in
 * as many blobs as the store needs; read back it is the run to its last commit, and anything else
 * is refused.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobRef, BlobStore } from '../../protocol/ports/blob-store.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { concatBytes } from '../../protocol/bytes.ts';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { FloeError } from '../../protocol/errors.ts';
import { findPublished } from '../../protocol/net/sui/publication.ts';
import {
  publishRun,
  readPublication,
  type PublicationLedger,
} from '../../protocol/records/publication.ts';
import { encodeRunSpec, hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { decodeTranscript, encodeEntry } from '../../protocol/records/transcript.ts';
import type { Devnet } from 'floe-devnet';
import { connect as join, createStage, testSpec } from '../support/run.ts';
import { connect, fund, keyOf, packageOf, specFor, startNetwork } from './support.ts';

let spec: RunSpec;
let transcript: Uint8Array;
beforeAll(async () => {
  spec = await testSpec({ rounds: 2 });
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
    join(coordinator, await stage.participant(name));
  await coordinator.finished;
  transcript = await coordinator.transcript.whole();
  await coordinator.stop();
});

const memoryLedger = (): PublicationLedger & { readonly said: Map<number, BlobRef> } => {
  const said = new Map<number, BlobRef>();
  return {
    said,
    readPublication: async (attempt) => said.get(attempt),
    recordPublication: async ({ attempt, blob }) => void said.set(attempt, blob),
  };
};

/** Counts, and holds no blob above `most` bytes. */
const counting = (most = Number.POSITIVE_INFINITY) => {
  const inner = memoryStore();
  let puts = 0;
  const store: BlobStore = {
    ...inner,
    put: async (bytes, options) => {
      if (bytes.length > most) throw new FloeError('blob_too_large', `${bytes.length} bytes`);
      puts += 1;
      return inner.put(bytes, options);
    },
  };
  return { store, puts: () => puts };
};

const toLastCommit = (): Uint8Array => {
  const { entries } = decodeTranscript(hashRunSpec(spec), transcript);
  const last = entries.findLastIndex(({ record }) => record.type === 'commit');
  return concatBytes(...entries.slice(0, last + 1).map(encodeEntry));
};

describe('publishRun', () => {
  it('stores the run to its last commit, once', async () => {
    const { store, puts } = counting();
    const ledger = memoryLedger();
    const first = await publishRun({ spec, transcript, store, ledger });
    expect(first).toEqual({ attempt: 2, blob: ledger.said.get(2) });
    expect(await publishRun({ spec, transcript, store, ledger })).toEqual(first);
    expect(puts()).toBe(1);
    const read = await readPublication(first?.blob as BlobRef, hashRunSpec(spec), store);
    expect(encodeRunSpec(read.spec)).toEqual(encodeRunSpec(spec));
    expect(read.transcript).toEqual(toLastCommit());
  });

  it('cuts it as small as the store wants, and after a crash in between continues with the same blobs', async () => {
    const { store, puts } = counting(70_000);
    const half = memoryLedger();
    const crash = (): Promise<void> => Promise.reject(new Error('killed'));
    const dying = { ...half, recordPublication: crash };
    const init = { spec, transcript, store, partBytes: 4_096 };
    await expect(publishRun({ ...init, ledger: dying })).rejects.toThrow('killed');
    const before = puts();
    expect(before).toBeGreaterThan(3);
    const published = await publishRun({ ...init, ledger: half });
    const { transcript: whole } = await readPublication(
      published?.blob as BlobRef,
      hashRunSpec(spec),
      store,
    );
    expect(whole).toEqual(toLastCommit());
    const refusing = counting(300);
    const tiny = publishRun({ ...init, store: refusing.store, ledger: memoryLedger() });
    await expect(tiny).rejects.toMatchObject({ code: 'blob_too_large' });
  });

  it('publishes nothing before the first commit', async () => {
    const { entries } = decodeTranscript(hashRunSpec(spec), transcript);
    const early = concatBytes(...entries.slice(0, 5).map(encodeEntry));
    const { store } = counting();
    const ledger = memoryLedger();
    expect(await publishRun({ spec, transcript: early, store, ledger })).toBeUndefined();
    expect(ledger.said.size).toBe(0);
  });
});

describe('readPublication', () => {
  const parts: readonly (readonly [string, (own: RunSpec) => unknown, string])[] = [
    [
      'of another run',
      () => ({ v: 1, spec: encodeRunSpec(specFor(keyOf(9))), transcript: new Uint8Array(1) }),
      'spec_mismatch',
    ],
    ['without a specification', () => ({ v: 1, transcript: new Uint8Array(1) }), 'data_malformed'],
    [
      'of no transcript',
      (own) => ({ v: 1, spec: encodeRunSpec(own), transcript: new Uint8Array() }),
      'data_malformed',
    ],
    [
      'with something else in it',
      (own) => ({ v: 1, spec: encodeRunSpec(own), transcript: new Uint8Array(1), more: 1 }),
      'data_malformed',
    ],
    ['of another version', () => ({ v: 3 }), 'data_malformed'],
  ];
  it.each(parts)('refuses one %s', async (_, content, code) => {
    const store = memoryStore();
    const ref = await store.put(encodeCbor(content(spec)));
    await expect(readPublication(ref, hashRunSpec(spec), store)).rejects.toMatchObject({ code });
    const large = { ...ref, size: 1 << 30 };
    await expect(readPublication(large, hashRunSpec(spec), store)).rejects.toMatchObject({
      code: 'data_malformed',
    });
  });
});

describe('on Sui', () => {
  let devnet: Devnet;
  const owner = keyOf(71);
  beforeAll(async () => {
    devnet = await startNetwork({ nodes: 4, shardsPerNode: 1, sealServers: 1, sealThreshold: 1 });
    await fund(devnet, owner);
  });
  afterAll(async () => {
    await devnet.stop();
  });

  it('a round is published once, by its owner, and found from the run', async () => {
    const own = specFor(owner);
    const { ledger, publications, client, close } = await connect(devnet, owner, own);
    const run = hashRunSpec(own);
    const members = [own.coordinator];
    const hash = new Uint8Array(32).fill(1);
    const blob = (fill: number): BlobRef => ({
      id: Buffer.alloc(32, fill).toString('base64url'),
      sha256: new Uint8Array(32).fill(fill),
      size: 1_000 + fill,
    });
    for (const attempt of [1, 2]) {
      await ledger.freezeCohort({ run, attempt, root: hash, members, entropy: hash });
      await ledger.freezeSurvivors({ run, attempt, hash, members, dataCommitment: hash });
    }
    expect(await publications.readPublication(1)).toBeUndefined();
    await publications.recordPublication({ attempt: 1, blob: blob(5) });
    await publications.recordPublication({ attempt: 1, blob: blob(5) });
    expect(await publications.readPublication(1)).toEqual(blob(5));
    const other = publications.recordPublication({ attempt: 1, blob: blob(6) });
    await expect(other).rejects.toMatchObject({ code: 'already_frozen' });
    await publications.recordPublication({ attempt: 2, blob: blob(7) });

    const registry = { client, packageId: packageOf(devnet) };
    const found = await findPublished(registry, await ledger.runObject(run));
    expect(found).toMatchObject({ specHash: run, publication: { attempt: 2, blob: blob(7) } });
    const early = publications.recordPublication({ attempt: 3, blob: blob(8) });
    await expect(early).rejects.toMatchObject({ code: 'transaction_failed', abortCode: 71 });
    await close();
  });
});
