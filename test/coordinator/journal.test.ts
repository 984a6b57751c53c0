/**
 * @module The journal: durable, exclusive, strict; replayed after every prefix of a run it gives the same state as playing on.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cryptoReady } from '../../protocol/identity.ts';
import { uploadBytesOf } from '../../protocol/rules/index.ts';
import { decodeTranscript, roundRoot } from '../../protocol/transcript.ts';
import { openJournal, journalLedger, type Journal } from '../../coordinator/index.ts';
import { initialState, step, type Event, type State } from '../../coordinator/machine/index.ts';
import { createPlayer, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { ledgerSuite } from '../suites/ledger.ts';

let folder = '';
let count = 0;
let path = '';
beforeAll(async () => {
  await cryptoReady;
  folder = await mkdtemp(join(tmpdir(), 'floe-journal-'));
});
beforeEach(() => {
  count += 1;
  path = join(folder, `${count}.db`);
});
afterAll(() => rm(folder, { recursive: true }));

ledgerSuite('journal in memory', async () => {
  const journal = openJournal(':memory:');
  return {
    ledger: journalLedger(journal),
    reopen: async () => journalLedger(journal),
    close: async () => journal.close(),
  };
});

ledgerSuite('journal on disk', async () => {
  const file = join(folder, `ledger-${Math.random()}.db`);
  let journal = openJournal(file);
  return {
    ledger: journalLedger(journal),
    reopen: async () => {
      journal.close();
      journal = openJournal(file);
      return journalLedger(journal);
    },
    close: async () => journal.close(),
  };
});

/** Two attempts, the second of which commits, with a departure, a late joiner and a restart. */
const play = async (): Promise<Player> => {
  const player = await createPlayer(await testSpec(), 5);
  reach(player, 'upload', [0, 1, 2, 3]);
  player.apply({ type: 'work-failed', round: 1, code: 'internal', reason: 'x', culprits: [] });
  player.join(4);
  player.leave(0);
  player.apply({ type: 'resumed', startWith: 4 });
  player.join(0, 1, 2, 3);
  player.wait(1000);
  for (const phase of ['register', 'share', 'upload', 'consistent', 'unmask'] as const) {
    // One pass over the pending work between the phases is enough for each.
    for (let seen = 0; seen < player.effects.length; seen += 1) player.work(player.effects[seen]!);
    for (const i of [0, 1, 2, 3, 4])
      if (phase === 'register' || player.members().includes(i)) player.say(i, phase);
  }
  for (let seen = 0; seen < player.effects.length; seen += 1) player.work(player.effects[seen]!);
  expect(player.state.phase.type).toBe('finished');
  return player;
};

/** Writes a player's events as the host does. */
const record = (journal: Journal, player: Player, events: readonly Event[]): State => {
  journal.bind(player.config.run);
  let state = initialState;
  for (const event of events) {
    const result = step(player.config, state, event);
    state = result.state;
    const records = result.effects.flatMap((effect) =>
      effect.type === 'append' ? [effect.record] : [],
    );
    journal.append([{ event, records }]);
  }
  return state;
};

const replay = (journal: Journal, player: Player): State =>
  [...journal.events()].reduce(
    (state, event) => step(player.config, state, event).state,
    initialState,
  );

describe('replay', () => {
  it('after every prefix gives the state that was left, and playing on ends the same', async () => {
    const player = await play();
    expect(player.events.length).toBeGreaterThan(40);
    for (let k = 0; k <= player.events.length; k += 1) {
      const journal = openJournal(':memory:');
      const left = record(journal, player, player.events.slice(0, k));
      let state = replay(journal, player);
      expect(state).toEqual(left);
      for (const event of player.events.slice(k)) state = step(player.config, state, event).state;
      expect(state).toEqual(player.state);
      journal.close();
    }
  });

  it('survives closing, and the transcript holds with one root for each round', async () => {
    const player = await play();
    const first = openJournal(path);
    const state = record(first, player, player.events);
    const { head } = first;
    first.close();
    const second = openJournal(path);
    second.bind(player.config.run);
    expect(replay(second, player)).toEqual(state);
    expect(second.head).toEqual(head);
    const transcript = decodeTranscript(player.config.run, second.transcript());
    expect(transcript.head).toEqual(head);
    expect(roundRoot(second.roundEntries(2), 2)).toEqual(roundRoot(transcript.entries, 2));
    expect(second.blobRef('u0')).toMatchObject({ id: 'u0', size: uploadBytesOf(player.config, 4) });
    expect(second.blobRef('nobody')).toBeUndefined();
    second.close();
  });
});

describe('a journal', () => {
  it('is one coordinator at a time', () => {
    const first = openJournal(path);
    expect(() => openJournal(path)).toThrowError(
      expect.objectContaining({ code: 'journal_locked', retryable: true }),
    );
    first.close();
    openJournal(path).close();
  });

  it('belongs to one run', () => {
    const journal = openJournal(path);
    journal.bind(new Uint8Array(32));
    expect(() => journal.bind(new Uint8Array(32).fill(1))).toThrowError(
      expect.objectContaining({ code: 'spec_mismatch' }),
    );
    journal.close();
  });

  it('refuses a file that is none, and another version', async () => {
    const corrupt = expect.objectContaining({ code: 'journal_corrupt' });
    await writeFile(path, 'not a database, however long it may be '.repeat(200));
    expect(() => openJournal(path)).toThrowError(corrupt);
    const other = join(folder, 'version.db');
    const database = new DatabaseSync(other);
    database.exec('PRAGMA user_version = 99; CREATE TABLE t (x)');
    database.close();
    expect(() => openJournal(other)).toThrowError(corrupt);
  });

  it.each([
    ['a changed byte', "UPDATE events SET body = CAST('garbage' AS BLOB) WHERE seq = 2"],
    ['a lost event', 'DELETE FROM events WHERE seq = 2'],
    ['another type', "UPDATE events SET type = 'tick' WHERE seq = 2"],
  ])('names %s', async (_what, sql) => {
    const player = await play();
    const journal = openJournal(path);
    record(journal, player, player.events.slice(0, 5));
    journal.database.exec(sql);
    expect(() => replay(journal, player)).toThrowError(
      expect.objectContaining({ code: 'journal_corrupt', message: expect.stringContaining('2') }),
    );
    journal.close();
  });

  it('writes a batch whole or not at all', async () => {
    const player = await play();
    const journal = openJournal(path);
    journal.bind(player.config.run);
    const [first, second] = player.events as [Event, Event];
    const broken = { event: { ...second, time: 'never' as unknown as number }, records: [] };
    expect(() => journal.append([{ event: first, records: [] }, broken])).toThrowError();
    expect(journal.eventCount).toBe(0);
    expect([...journal.events()]).toEqual([]);
    journal.append([{ event: first, records: [] }]);
    expect([...journal.events()]).toEqual([first]);
    journal.close();
  });
});
