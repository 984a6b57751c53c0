/**
 * @module Blobs of old rounds are removed where the specification says so, a crash in between
 * included; what is kept verifies and opens, and what is removed is no forgery.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRun } from '../../client/reader/index.ts';
import { wholeTranscript, type Coordinator } from '../../coordinator/index.ts';
import { openJournal } from '../../coordinator/journal/sqlite.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import type { BlobRemoval } from '../../protocol/ports/upload-staging.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { encodeRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { connect, createStage, testSpec, until, type Stage } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar'];
const ROUNDS = 5;

let folder = '';
beforeAll(async () => {
  await cryptoReady;
  folder = await mkdtemp(join(tmpdir(), 'floe-retention-'));
});
afterAll(() => rm(folder, { recursive: true }));

const blobsIn = async (path: string): Promise<string[]> =>
  (await readdir(join(path, RUN_FILES.blobs), { recursive: true })).filter((name) =>
    /[0-9a-f]{64}$/u.test(name),
  );

/** A run in a folder, whose blobs a crash may leave half removed. */
const createFolder = async (name: string, keep?: number) => {
  const path = await mkdtemp(join(folder, name));
  const spec = await testSpec({
    rounds: ROUNDS,
    cohort: { size: 3, minimum: 3 },
    ...(keep === undefined ? {} : { retention: { rounds: keep } }),
  });
  const store = directoryStore(join(path, RUN_FILES.blobs));
  const people = new Map<string, Awaited<ReturnType<Stage['participant']>>>();
  const start = async (removal: BlobRemoval = store) => {
    const journal = await openJournal(join(path, RUN_FILES.journal), { synced: false });
    const stage = await createStage(spec, { journal });
    const coordinator = stage.create({ store, removal });
    await coordinator.start();
    for (const each of NAMES) {
      // They keep what they know while the coordinator is away.
      const one = people.get(each) ?? (await stage.participant(each, { store }));
      people.set(each, one);
      connect(coordinator, one);
    }
    const end = async (): Promise<void> => {
      await coordinator.stop();
      await writeFile(join(path, RUN_FILES.transcript), await wholeTranscript(journal));
      await journal.close();
    };
    return { coordinator, stage, end };
  };
  await writeFile(join(path, RUN_FILES.spec), encodeRunSpec(spec));
  return { path, spec, store, start };
};

const readIt = async (path: string, stage: Stage) =>
  openRun(path, { identity: stage.coordinatorIdentity });

const committed = (coordinator: Coordinator, rounds: number): Promise<void> =>
  until(() => coordinator.status().committed >= rounds, `attempt ${rounds} is committed`);

/** The first model of what is kept, and for each round the uploads, the bundle, the model. */
const blobsOf = (rounds: number): number => 1 + rounds * (NAMES.length + 2);

describe('the blobs of old rounds', () => {
  it('are removed; what is kept verifies and opens, what is not is named and no forgery', async () => {
    const run = await createFolder('kept', 2);
    const { coordinator, stage, end } = await run.start();
    await coordinator.finished;
    await end();
    expect(await blobsIn(run.path)).toHaveLength(blobsOf(2));
    await using reader = await readIt(run.path, stage);
    const found = await reader.verify();
    expect(found).toMatchObject({ ok: true, level: 'L0' });
    expect(found.attempts.map(({ level, removed = false }) => [level, removed])).toEqual([
      ['L0', true],
      ['L0', true],
      ['L0', true],
      ['L1', false],
      ['L1', false],
    ]);
    expect(reader.models().map(({ version }) => version)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const attempt of [3, 4, 5])
      expect((await reader.pull({ attempt })).model.version).toBe(attempt);
    await expect(reader.pull({ attempt: 2 })).rejects.toMatchObject({ code: 'round_removed' });
    expect((await reader.pull()).model.version).toBe(5);
  });

  it('are all kept unless the specification says otherwise, and one that is missing is named', async () => {
    const run = await createFolder('all');
    const { coordinator, stage, end } = await run.start();
    await coordinator.finished;
    await end();
    const blobs = await blobsIn(run.path);
    expect(blobs).toHaveLength(blobsOf(ROUNDS));
    await using reader = await readIt(run.path, stage);
    expect(await reader.verify()).toMatchObject({ ok: true, level: 'L1' });
    await rm(join(run.path, RUN_FILES.blobs, blobs[0] as string));
    expect(await reader.verify()).toMatchObject({ ok: false });
  });

  it('are removed after a crash in the middle of it, by the next process; a kept one is not', async () => {
    const run = await createFolder('crash', 1);
    let left = 2;
    const dying: BlobRemoval = {
      discard: async (refs) => {
        for (const ref of refs) {
          if (left === 0) throw new Error('killed');
          left -= 1;
          await run.store.discard([ref]);
        }
      },
    };
    const first = await run.start(dying);
    await committed(first.coordinator, 3);
    await first.end();
    const half = await blobsIn(run.path);
    expect(half.length).toBeGreaterThan(blobsOf(2));
    {
      await using reader = await readIt(run.path, first.stage);
      expect(await reader.verify()).toMatchObject({ ok: true, level: 'L0' });
    }
    const second = await run.start();
    await second.coordinator.finished;
    await second.end();
    const kept = await blobsIn(run.path);
    expect(kept).toHaveLength(blobsOf(1));
    await using reader = await readIt(run.path, second.stage);
    const found = await reader.verify();
    expect(found.ok).toBe(true);
    expect(found.attempts.flatMap((each) => (each.removed === true ? [each.attempt] : []))).toEqual(
      [1, 2, 3, 4],
    );
    // Of a round that is kept, nothing may be missing.
    const newest = await newestUpload(run.spec, reader.transcript);
    await rm(join(run.path, RUN_FILES.blobs, newest.slice(0, 2), newest));
    expect(await reader.verify()).toMatchObject({
      ok: false,
      culprit: { attempt: ROUNDS, record: 'upload' },
    });
  });
});

const newestUpload = async (spec: RunSpec, transcript: Uint8Array): Promise<string> => {
  const { decodeTranscript } = await import('../../protocol/records/transcript.ts');
  const { hashRunSpec } = await import('../../protocol/spec/run-spec.ts');
  const { entries } = decodeTranscript(hashRunSpec(spec), transcript);
  const record = entries.findLast((each) => each.record.type === 'upload')?.record;
  return record?.type === 'upload' ? record.body.blob.id : '';
};
