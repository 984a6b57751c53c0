/**
 * @module The journal: both implementations held to one suite; durable, exclusive, strict. What a
 * restart costs does not depend on how many rounds were before.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FIRST_MEAN_EXAMPLES } from '../../protocol/encoding/index.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { uploadBytesOf } from '../../protocol/rules/index.ts';
import { decodeTranscript, attemptRoot } from '../../protocol/records/transcript.ts';
import {
  committedIn,
  journalLedger,
  memoryJournal,
  openJournal,
  attemptEntries,
  wholeTranscript,
} from '../../coordinator/index.ts';
import { EVENTS_WHILE_WAITING, openHistory } from '../../coordinator/journal/history.ts';
import type { Journal } from '../../coordinator/journal/port.ts';
import { openJournalToRead } from '../../coordinator/journal/sqlite-reader.ts';
import { encodeSnapshot } from '../../coordinator/machine/index.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { attempt, keepAll } from '../support/history.ts';
import { testSpec } from '../support/run.ts';
import { journalSuite, ledgerSuite } from '../../testing/index.ts';

let folder = '';
let count = 0;
let path = '';
const nextPath = (): string => {
  count += 1;
  return join(folder, `${count}.db`);
};
beforeAll(async () => {
  await cryptoReady;
  folder = await mkdtemp(join(tmpdir(), 'floe-journal-'));
});
beforeEach(() => {
  path = nextPath();
});
afterAll(() => rm(folder, { recursive: true }));

/** A journal in a file, and as another process finds it. */
const onDisk = async () => {
  const file = nextPath();
  let journal = await openJournal(file);
  return {
    journal,
    reopen: async () => {
      await journal.close();
      journal = await openJournal(file);
      return journal;
    },
    close: () => journal.close(),
  };
};

journalSuite({ describe, expect, it }, 'memory', async () => {
  const journal = memoryJournal();
  return { journal, reopen: async () => journal, close: () => journal.close() };
});
journalSuite({ describe, expect, it }, 'SQLite', onDisk);

ledgerSuite({ describe, expect, it }, 'journal in memory', async () => {
  const journal = memoryJournal();
  return {
    ledger: journalLedger(journal),
    reopen: async () => journalLedger(journal),
    close: () => journal.close(),
  };
});
ledgerSuite({ describe, expect, it }, 'journal on disk', async () => {
  const { journal, reopen, close } = await onDisk();
  return {
    ledger: journalLedger(journal),
    reopen: async () => journalLedger(await reopen()),
    close,
  };
});

const playOne = async (rounds = 1): Promise<Player> => {
  const player = await createPlayer(await testSpec({ rounds }), 4);
  attempt(player, [0, 1, 2, 3]);
  return player;
};

describe('a run in a journal', () => {
  it('survives closing, and the transcript holds with one root for each attempt', async () => {
    const player = await createPlayer(await testSpec(), 5);
    reach(player, 'upload', [0, 1, 2, 3]);
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: 'x', culprits: [] });
    player.join(4);
    player.wait(1000);
    attempt(player, [0, 1, 2, 3]);
    expect(player.state.phase.type).toBe('finished');
    const first = await openJournal(path);
    await keepAll(first, player);
    await first.close();
    const second = await openJournal(path);
    const history = await openHistory(second, player.config.run);
    expect((await history.restore(player.config)).state).toEqual(player.state);
    const bytes = await wholeTranscript(second);
    expect(history.size).toBe(bytes.length);
    const transcript = decodeTranscript(player.config.run, bytes);
    expect((await second.last())?.link).toEqual(transcript.head);
    expect(attemptRoot(await attemptEntries(second, 2), 2)).toEqual(
      attemptRoot(transcript.entries, 2),
    );
    expect(await second.blobRef('u0')).toMatchObject({
      id: 'u0',
      size: uploadBytesOf(player.config, 4, FIRST_MEAN_EXAMPLES),
    });
    expect(await committedIn(second)).toBe(1);
    await second.close();
  });

  it.each(['memory', 'SQLite'] as const)(
    'a restart reads as much after twelve rounds as after two (%s)',
    async (kind) => {
      const player = await createPlayer(await testSpec({ rounds: 13 }), 4);
      const journal: Journal = kind === 'memory' ? memoryJournal() : await openJournal(path);
      const sizes: { events: number; sealed: number; snapshot: number; records: number }[] = [];
      for (let number = 1; number <= 12; number += 1) {
        const kept = player.events.length;
        attempt(player, [0, 1, 2, 3]);
        await keepAll(journal, player, kept);
        const asked: number[] = [];
        const counting: Journal = {
          ...journal,
          records: (hashes) => {
            asked.push(hashes.length);
            return journal.records(hashes);
          },
        };
        const history = await openHistory(counting, player.config.run);
        const { state, replayed } = await history.restore(player.config);
        expect(state).toEqual(player.state);
        const { snapshot, sealed } = await journal.load();
        sizes.push({
          events: replayed,
          sealed: sealed.length,
          snapshot: snapshot!.body.length,
          records: asked[0]!,
        });
      }
      expect(sizes[11]!.events).toBeLessThanOrEqual(sizes[1]!.events);
      expect(sizes[11]!.sealed).toBe(sizes[1]!.sealed);
      expect(sizes[11]!.records).toBe(sizes[1]!.records);
      // Numbers grow by a byte here and there; each of ten earlier models is 40, and 256 are kept.
      expect(sizes[11]!.snapshot).toBeLessThan(sizes[1]!.snapshot + 100 + 10 * 40);
      await journal.close();
    },
  );

  it('the state does not grow with the rounds of a model that has stopped moving', async () => {
    const player = await createPlayer(await testSpec({ rounds: 9 }), 4);
    const sizes: number[] = [];
    for (let number = 1; number <= 8; number += 1) {
      attempt(player, [0, 1, 2, 3], { moves: false });
      sizes.push(encodeSnapshot(player.state).length);
    }
    expect(player.state.tried).toHaveLength(1);
    expect(sizes[7]! - sizes[1]!).toBeLessThan(100);
  });

  it('thousands of logins between two rounds are not replayed one by one', async () => {
    const player = await playOne(2);
    const journal = memoryJournal();
    await keepAll(journal, player);
    const history = await openHistory(journal, player.config.run);
    await history.restore(player.config);
    for (let i = 0; i < 10 * EVENTS_WHILE_WAITING + 3; i += 1) {
      const kept = player.events.length;
      if (i % 2 === 0) player.leave(0);
      else player.join(0);
      const steps = player.events.slice(kept).map((event) => ({ event, records: [] }));
      await history.append(steps, player.state);
    }
    const again = await openHistory(journal, player.config.run);
    const { state, replayed } = await again.restore(player.config);
    expect(state).toEqual(player.state);
    expect(replayed).toBeLessThan(EVENTS_WHILE_WAITING);
  });

  it('stores a record once', async () => {
    const player = await createPlayer(await testSpec(), 4);
    reach(player, 'unmask', [0, 1, 2, 3]);
    const journal = memoryJournal();
    await keepAll(journal, player);
    const { events, snapshot } = await journal.load();
    expect(snapshot).toBeUndefined();
    const brought = events.filter(({ record }) => record !== undefined);
    expect(brought.length).toBeGreaterThan(12);
    for (const { type, body, record } of brought) {
      expect(type).toBe('record');
      expect(Buffer.from(body).indexOf(record!.bytes.subarray(-64))).toBe(-1);
      expect(body.length).toBeLessThan(100);
    }
  });
});

describe('a journal file', () => {
  it('is one coordinator at a time', async () => {
    const first = await openJournal(path);
    await expect(openJournal(path)).rejects.toMatchObject({
      code: 'journal_locked',
      retryable: true,
    });
    await first.close();
    await (await openJournal(path)).close();
  });

  it('refuses a file that is none, and another version', async () => {
    const corrupt = { code: 'journal_corrupt' };
    const path2 = nextPath();
    await writeFile(path, 'not a database, however long it may be '.repeat(200));
    await expect(openJournal(path)).rejects.toMatchObject(corrupt);
    const other = join(folder, 'version.db');
    const database = new DatabaseSync(other);
    database.exec('PRAGMA user_version = 99; CREATE TABLE t (x)');
    database.close();
    await expect(openJournal(other)).rejects.toMatchObject(corrupt);
    await (await openJournal(path2)).close();
    for (const [version, whose] of [
      [2, 'an older'],
      [99, 'a newer'],
    ] as const) {
      const file = new DatabaseSync(path2);
      file.exec(`PRAGMA user_version = ${version}`);
      file.close();
      const outdated = {
        code: 'run_outdated',
        message: expect.stringMatching(
          `version ${version}, .* version 4: .*${whose} Floe`,
        ) as string,
      };
      await expect(openJournal(path2)).rejects.toMatchObject(outdated);
      await expect(openJournalToRead(path2)).rejects.toMatchObject(outdated);
    }
  });

  it.each([
    ['a changed byte', "UPDATE events SET body = CAST('garbage' AS BLOB) WHERE seq = 2", '2'],
    ['a lost event', 'DELETE FROM events WHERE seq = 2', '2'],
    ['another type', "UPDATE events SET type = 'tick' WHERE seq = 2", '2'],
    ['a lost record', 'DELETE FROM transcript WHERE at > 0', 'record'],
    ['lost sealed entries', 'DELETE FROM sealed', 'record'],
  ])('names %s among the events', async (_what, sql, named) => {
    const player = await createPlayer(await testSpec(), 4);
    reach(player, 'upload', [0, 1, 2, 3]);
    const journal = await openJournal(path);
    await keepAll(journal, player);
    await journal.close();
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
    await expectCorrupt(player, named);
  });

  it.each([
    ['a changed byte', 'UPDATE snapshot SET body = zeroblob(length(body))', ''],
    [
      'a flipped bit',
      "UPDATE snapshot SET body = CAST(substr(body, 1, length(body) - 40) || x'00' || substr(body, length(body) - 38) AS BLOB)",
      'checksum',
    ],
    ['a lost chapter', 'DELETE FROM chapters WHERE attempt = 1', 'missing'],
    ['a lost name', 'DELETE FROM names', 'missing'],
    ['a changed chapter', 'UPDATE chapters SET bytes = zeroblob(length(bytes))', 'attempt 1'],
    [
      'a cut chapter',
      'UPDATE chapters SET bytes = substr(bytes, 1, length(bytes) - 9)',
      'attempt 1',
    ],
    ['a lost end', 'UPDATE snapshot SET seq = seq - 1', 'missing'],
  ])('names %s in or after the snapshot', async (_what, sql, named) => {
    const player = await playOne(2);
    player.leave(3);
    const journal = await openJournal(path);
    await keepAll(journal, player);
    await journal.close();
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
    await expectCorrupt(player, named);
  });

  const expectCorrupt = async ({ config }: Player, named: string): Promise<void> => {
    const journal = await openJournal(path);
    try {
      const history = await openHistory(journal, config.run);
      await expect(history.restore(config)).rejects.toMatchObject({
        code: 'journal_corrupt',
        message: expect.stringContaining(named) as string,
      });
    } finally {
      await journal.close();
    }
  };
});
