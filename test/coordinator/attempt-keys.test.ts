/**
 * @module The key of an attempt: the same after a crash, gone from every file of the journal once
 * the attempt is over.
 */
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemRandom } from '../../protocol/ports/random.ts';
import { createAttemptKeys } from '../../coordinator/attempt-keys.ts';
import { openJournal } from '../../coordinator/index.ts';

const filesWith = async (folder: string, needle: Uint8Array): Promise<string[]> => {
  const found: string[] = [];
  for (const name of await readdir(folder))
    if ((await readFile(join(folder, name))).includes(Buffer.from(needle))) found.push(name);
  return found;
};

it('outlives the process, and is overwritten in every file afterwards', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-keys-'));
  const path = join(folder, 'journal.sqlite');
  const drawn: Uint8Array[] = [];
  const random = (length: number): Uint8Array => {
    const bytes = systemRandom(length);
    drawn.push(bytes);
    return bytes;
  };
  const first = await openJournal(path);
  const published = await createAttemptKeys(first.secrets, random).create(1);
  // The test sees what it looks for.
  expect(await filesWith(folder, drawn[0]!)).not.toEqual([]);
  await first.close();
  const second = await openJournal(path);
  const keys = createAttemptKeys(second.secrets, random);
  expect((await keys.get(1)).public).toEqual(published);
  expect(await keys.create(1)).toEqual(published);
  expect(drawn).toHaveLength(1);
  await keys.keepOnly(1);
  expect((await keys.get(1)).public).toEqual(published);
  await keys.create(2);
  await keys.keepOnly(2);
  await expect(keys.get(1)).rejects.toThrow('is not in the journal');
  expect(await filesWith(folder, drawn[0]!)).toEqual([]);
  expect(await filesWith(folder, drawn[1]!)).not.toEqual([]);
  await keys.keepOnly(undefined);
  expect(await filesWith(folder, drawn[1]!)).toEqual([]);
  await second.close();
});
