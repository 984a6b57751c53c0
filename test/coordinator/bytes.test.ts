/**
 * @module How often the bytes of an upload and of a model are hashed, written and read on their
 * way: real participants, the blobs over HTTP, every disk counted.
 */
import { beforeEach, expect, it, vi } from 'vitest';
import { openKeystore } from '../../client/keystore/index.ts';
import { serve } from '../../coordinator/index.ts';
import { FIRST_MEAN_EXAMPLES } from '../../protocol/encoding/index.ts';
import { leafHashes } from '../../protocol/encoding/leaves.ts';
import { layoutOf } from '../../protocol/algorithm/round.ts';
import type * as Bytes from '../../protocol/bytes.ts';
import { sha256, toHex } from '../../protocol/bytes.ts';
import type * as Flat from '../../protocol/model/flat.ts';
import type * as Hash from '../../protocol/model/hash.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import type { Disk } from '../../protocol/ports/disk.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { memoryDisk } from '../../protocol/ports/memory-disk.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { guest } from '../support/meeting.ts';
import { createStage, silent, testSpec } from '../support/run.ts';

/** How often each digest was computed. */
const { digests } = vi.hoisted(() => ({ digests: new Map<string, number>() }));

vi.mock('../../protocol/bytes.ts', async (original) => {
  const bytes = await original<typeof Bytes>();
  return {
    ...bytes,
    sha256: (...chunks: readonly Uint8Array[]) => {
      const digest = bytes.sha256(...chunks);
      const name = bytes.toHex(digest);
      digests.set(name, (digests.get(name) ?? 0) + 1);
      return digest;
    },
  };
});

const rounding = vi.hoisted(() => ({ calls: 0, hashes: 0 }));
vi.mock('../../protocol/model/flat.ts', async (original) => {
  const flat = await original<typeof Flat>();
  return {
    ...flat,
    roundToTypes: (...args: Parameters<typeof flat.roundToTypes>) => {
      rounding.calls += 1;
      return flat.roundToTypes(...args);
    },
  };
});
vi.mock('../../protocol/model/hash.ts', async (original) => {
  const hash = await original<typeof Hash>();
  return {
    ...hash,
    hashModel: (...args: Parameters<typeof hash.hashModel>) => {
      rounding.hashes += 1;
      return hash.hashModel(...args);
    },
  };
});

beforeEach(() => digests.clear());

/** Counts writes and reads by the end of the path. */
const counted = () => {
  const disk = memoryDisk();
  const writes = new Map<string, number>();
  const reads = new Map<string, number>();
  const note = (counts: Map<string, number>, path: string): void => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };
  const counting: Disk = {
    ...disk,
    read: (path) => {
      note(reads, path);
      return disk.read(path);
    },
    readRange: (path, start, end) => {
      note(reads, path);
      return disk.readRange(path, start, end);
    },
    write: (path, bytes, mode) => {
      note(writes, path);
      return disk.write(path, bytes, mode);
    },
  };
  return { disk: counting, files: disk.files, writes, reads };
};

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

it('an upload is hashed, written and read no more often than it must be', async () => {
  const spec = await testSpec({
    model: {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [5000], dtype: 'float32' }],
    },
  });
  const run = hashRunSpec(spec);
  const stage = await createStage(spec);
  const blobs = counted();
  const store = directoryStore('/blobs', { disk: blobs.disk });
  const coordinator = stage.create({ store, removal: store });
  await coordinator.start();
  Object.assign(rounding, { calls: 0, hashes: 0 });
  const served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store,
    ownsUploads: true,
    log: silent,
  });
  const people = [];
  const own = counted();
  for (const name of NAMES) {
    const keystore = await openKeystore(`/${name}`, 'words', {
      random: systemRandom,
      disk: own.disk,
      kdf: { memory: 64, passes: 1 },
    });
    const theirs = httpBlobStore({ url: served.url, identity: keystore.identity, run });
    people.push(
      await guest(stage, coordinator, name, {
        keystore,
        store: theirs,
        gate: sealedBoxGate(keystore.identity),
      }),
    );
  }
  await coordinator.finished;
  await Promise.all(people.map(({ participant }) => participant.stop()));
  await served.close();
  await coordinator.stop();

  const { entries } = decodeTranscript(run, await coordinator.transcript.whole());
  const uploads = entries.flatMap(({ record }) => (record.type === 'upload' ? [record] : []));
  expect(uploads).toHaveLength(NAMES.length);
  const before = new Map(digests);
  const layout = layoutOf(spec, NAMES.length, FIRST_MEAN_EXAMPLES);
  const counts = uploads.map(({ body: { blob } }) => {
    const bytes = blobs.files.get(`/blobs/${blob.id.slice(0, 2)}/${blob.id}`) as Uint8Array;
    expect(toHex(sha256(bytes))).toBe(blob.id);
    const [leaf] = leafHashes(layout, bytes) as [Uint8Array];
    return {
      whole: before.get(blob.id),
      leaves: before.get(toHex(leaf)),
      writes: blobs.writes.get(blob.id),
      reads: blobs.reads.get(blob.id) ?? 0,
    };
  });
  const vectors = (of: Map<string, number>): number => of.get(`${toHex(run)}.vector`) ?? 0;
  for (const each of counts) expect(each).toEqual({ whole: 2, leaves: 2, writes: 1, reads: 1 });
  expect([vectors(own.writes), vectors(own.reads)]).toEqual([NAMES.length, 0]);
  // Participants and the coordinator open the first model; the step makes the second.
  expect(rounding).toEqual({ calls: 2, hashes: 6 });
});
