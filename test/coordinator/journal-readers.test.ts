/**
 * @module Who reads a journal: several at once, without write access; not while a run is played,
 * and again once it is over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, describe, expect, it } from 'vitest';
import { openJournal, openJournalToRead } from '../../coordinator/index.ts';

const places: string[] = [];
afterAll(() => Promise.all(places.map((place) => rm(place, { recursive: true, force: true }))));

const RUN = new Uint8Array(32).fill(7);

const place = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-readers-'));
  places.push(folder);
  return join(folder, 'journal.sqlite');
};

const READER = `
  const { openJournalToRead } = await import(${JSON.stringify(
    new URL('../../coordinator/index.ts', import.meta.url).href,
  )});
  const journal = await openJournalToRead(process.argv[2]).then(
    async (it) => {
      const counts = await it.counts();
      await it.close();
      return counts.records;
    },
    (error) => error.code,
  );
  process.send(journal);
`;

/** What another process reads: the number of records, or the code of its error. */
const elsewhere = async (path: string): Promise<unknown> => {
  const child = fork('-', [path], {
    execArgv: ['--input-type=module', '-e', READER, '--'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [message] = (await once(child, 'message')) as [unknown];
  child.kill();
  return message;
};

describe('a journal for readers', () => {
  it('is read by several at once, and takes no write', async () => {
    const path = await place();
    const writer = await openJournal(path);
    await writer.bind(RUN);
    await writer.close();
    const readers = [await openJournalToRead(path), await openJournalToRead(path)];
    for (const reader of readers) expect((await reader.counts()).records).toBe(0);
    await expect(readers[0]!.secrets.write(1, new Uint8Array(32))).rejects.toMatchObject({
      code: 'storage_read_only',
    });
    for (const reader of readers) await reader.close();
  });

  it('that does not exist is not made', async () => {
    await expect(openJournalToRead(await place())).rejects.toMatchObject({
      code: 'file_not_found',
    });
  });

  it('is locked while the run is played, for a second coordinator too; shared once it is over', async () => {
    const path = await place();
    const writer = await openJournal(path);
    await writer.bind(RUN);
    expect(await elsewhere(path)).toBe('journal_locked');
    await writer.share?.();
    expect(await elsewhere(path)).toBe(0);
    // What comes at the very end is still written.
    await writer.secrets.write(1, new Uint8Array(32));
    expect(await elsewhere(path)).toBe(0);
    await writer.close();
  });
});
