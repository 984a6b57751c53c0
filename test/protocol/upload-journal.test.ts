/**
 * @module The journal of uploads over many rounds: what was certified is forgotten but for the
 * latest, what is to be extended and what is not certified yet stay.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { toHex, sha256, utf8 } from '../../protocol/bytes.ts';
import { folderUploadJournal } from '../../protocol/ports/upload-journal-folder.ts';
import {
  memoryUploadJournal,
  MOST_UPLOADS,
  type UploadJournal,
  type UploadState,
} from '../../protocol/ports/upload-journal.ts';

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

const common = { blobId: 'b', size: 1, deletable: false, epochs: 3, quilt: false };
const CERTIFIED: UploadState = { step: 'certified', ...common, objectId: '0x1', endEpoch: 9 };
const PLANNED: UploadState = { step: 'planned', ...common, rootHash: '' };
const ROUNDS = 50;

const keyOf = (name: string): string => toHex(sha256(utf8(name)));

const inFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-uploads-'));
  folders.push(folder);
  return {
    journal: folderUploadJournal(folder),
    count: async () => (await readdir(folder)).length,
  };
};

const inMemory = async () => {
  const journal = memoryUploadJournal();
  const known = new Set<string>();
  const save: UploadJournal['save'] = async (key, state) => {
    known.add(key);
    await journal.save(key, state);
  };
  const count = async (): Promise<number> => {
    const states = await Promise.all([...known].map((key) => journal.load(key)));
    return states.filter((state) => state !== undefined).length;
  };
  return { journal: { ...journal, save }, count };
};

describe.each([
  ['a folder', inFolder],
  ['memory', inMemory],
] as const)('the journal of uploads in %s', (_, create) => {
  it(`is as large after ${ROUNDS} rounds of three uploads as after twenty`, async () => {
    const { journal, count } = await create();
    const counts: number[] = [];
    await journal.save(keyOf('pending'), PLANNED);
    await journal.save(keyOf('first'), CERTIFIED);
    for (let attempt = 1; attempt <= ROUNDS; attempt += 1) {
      for (const name of ['model', 'bundle', 'archive'])
        await journal.save(keyOf(`${name} ${attempt}`), CERTIFIED);
      // The blob of the first model is still needed, though many came since.
      await journal.forget(new Set([keyOf('first'), keyOf(`model ${attempt}`)]));
      counts.push(await count());
    }
    expect(Math.max(...counts.slice(20))).toBeLessThanOrEqual(Math.max(...counts.slice(0, 20)));
    expect(counts.at(-1)).toBeLessThanOrEqual(MOST_UPLOADS + 3);
    expect(await journal.load(keyOf('first'))).toEqual(CERTIFIED);
    expect(await journal.load(keyOf(`archive ${ROUNDS}`))).toEqual(CERTIFIED);
    expect(await journal.load(keyOf('model 1'))).toBeUndefined();
    expect((await journal.pending()).map(({ key }) => key)).toEqual([keyOf('pending')]);
  });
});
