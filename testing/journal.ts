/**
 * @module What every journal must do: a batch is whole or not there, a snapshot takes the place of
 * the events in it, the transcript is served as it is stored, what is erased is gone.
 */
import type { TestApi } from './api.ts';
import { withFixtures } from './fixture.ts';
import { concatBytes, equalBytes, sha256, utf8 } from '../protocol/bytes.ts';
import { recordHash } from '../protocol/records/records.ts';
import { encodeStored, ENTRY_PREFIX } from '../protocol/records/transcript.ts';
import type { Journal, JournalBatch, NewRecord, StoredEvent } from '../coordinator/journal/port.ts';

export interface JournalFixture {
  readonly journal: Journal;
  /** The journal as another process finds it. */
  reopen(): Promise<Journal>;
  close(): Promise<void>;
}

const h = (text: string): Uint8Array => sha256(utf8(text));
const EMPTY: JournalBatch = { events: [], records: [], sealed: [] };

/** Records one behind the other, of these sizes. */
const chain = (
  sizes: readonly number[],
  attemptOf: (i: number) => number = () => 1,
): NewRecord[] => {
  let at = 0;
  return sizes.map((size, index) => {
    const bytes = new Uint8Array(size).fill(index + 1);
    const record = {
      at,
      index,
      attempt: attemptOf(index),
      hash: recordHash(bytes),
      link: h(`link ${index}`),
      bytes,
      blobs: [{ id: `blob ${index}`, sha256: h(`blob ${index}`), size }],
      loose: false,
    };
    at += ENTRY_PREFIX + size;
    return record;
  });
};

const event = (seq: number, record?: number): StoredEvent => ({
  seq,
  time: 1000 + seq,
  type: 'tick',
  body: utf8(`event ${seq}`),
  record,
});

export const readAll = async (pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return concatBytes(...all);
};

/** Holds a journal to it as it is, then as another process finds it. */
const both = async (
  journal: Journal,
  reopen: () => Promise<Journal>,
  check: (journal: Journal) => Promise<void>,
): Promise<void> => {
  await check(journal);
  await check(await reopen());
};

export const journalSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<JournalFixture>,
): void => {
  const withFixture = withFixtures(open);

  describe(`Journal: ${name}`, () => {
    it(
      'holds nothing at first',
      withFixture(async ({ journal }) => {
        expect(await journal.load()).toEqual({ snapshot: undefined, events: [], sealed: [] });
        expect(await journal.last()).toBeUndefined();
        expect(await journal.attempt(1)).toEqual([]);
        expect(await readAll(journal.transcript())).toEqual(new Uint8Array());
        expect(await journal.blobRef('none')).toBeUndefined();
      }),
    );

    it(
      'belongs to one run',
      withFixture(async ({ journal, reopen }) => {
        await journal.bind(h('run'));
        await journal.bind(h('run'));
        const wrong = { code: 'spec_mismatch' };
        await expect(journal.bind(h('other'))).rejects.toMatchObject(wrong);
        await expect((await reopen()).bind(h('other'))).rejects.toMatchObject(wrong);
      }),
    );

    it(
      'keeps events with the records that they brought, in order, and finds them again',
      withFixture(async ({ journal, reopen }) => {
        const records = chain([10, 20]);
        const entries = { share: records[1]!.hash, attempt: 1, bytes: utf8('sealed') };
        await journal.write({ ...EMPTY, events: [event(1)] });
        await journal.write({
          events: [event(2, 0), event(3, records[1]!.at)],
          records,
          sealed: [entries],
        });
        await both(journal, reopen, async (each) => {
          const loaded = await each.load();
          expect(loaded.snapshot).toBeUndefined();
          expect(loaded.events.map(({ seq, time, type }) => ({ seq, time, type }))).toEqual(
            [1, 2, 3].map((seq) => ({ seq, time: 1000 + seq, type: 'tick' })),
          );
          expect(loaded.events[2]!.body).toEqual(utf8('event 3'));
          expect(loaded.events.map(({ record }) => record?.bytes)).toEqual([
            undefined,
            records[0]!.bytes,
            records[1]!.bytes,
          ]);
          expect(loaded.events[2]!.record?.hash).toEqual(records[1]!.hash);
          expect(loaded.sealed).toEqual([entries]);
          expect(await each.last()).toMatchObject({ at: records[1]!.at, index: 1 });
          expect(await each.counts()).toEqual({
            events: 3,
            records: 2,
            sealed: 1,
            blobs: 2,
            secrets: 0,
          });
        });
      }),
    );

    it(
      'writes a batch whole or not at all',
      withFixture(async ({ journal, reopen }) => {
        const [first, second] = chain([10, 20]) as [NewRecord, NewRecord];
        await journal.write({ ...EMPTY, events: [event(1, 0)], records: [first] });
        const before = await journal.load();
        const broken: JournalBatch[] = [
          { ...EMPTY, events: [event(2), event(1)] },
          { ...EMPTY, events: [event(2)], records: [second, first] },
          { ...EMPTY, records: [second, { ...second, at: 500 }] },
          { ...EMPTY, events: [event(2), { ...event(3), time: 'never' as unknown as number }] },
        ];
        for (const batch of broken) {
          // One after the other, as the port asks.
          await expect(journal.write(batch)).rejects.toThrow();
        }
        await both(journal, reopen, async (each) => {
          expect(await each.load()).toEqual(before);
          expect(await each.counts()).toMatchObject({ events: 1, records: 1, blobs: 1 });
        });
      }),
    );

    it(
      'puts a snapshot in the place of the events in it; the transcript stays',
      withFixture(async ({ journal, reopen }) => {
        const records = chain([10, 20, 30], (i) => i + 1);
        const sealed = [1, 2].map((attempt) => ({
          share: records[attempt]!.hash,
          attempt,
          bytes: utf8(`sealed ${attempt}`),
        }));
        await journal.write({ events: [event(1), event(2), event(3)], records, sealed });
        await journal.write({
          ...EMPTY,
          snapshot: { seq: 2, time: 9, body: utf8('two'), attempt: 2 },
        });
        await both(journal, reopen, async (each) => {
          const loaded = await each.load();
          expect(loaded.snapshot).toEqual({ seq: 2, time: 9, body: utf8('two') });
          expect(loaded.events.map(({ seq }) => seq)).toEqual([3]);
          expect(loaded.sealed).toEqual([sealed[1]]);
        });
        const again = await reopen();
        const snapshot = { seq: 4, time: 10, body: utf8('four'), attempt: undefined };
        await again.write({ ...EMPTY, events: [event(4)], snapshot });
        expect(await again.load()).toEqual({
          snapshot: { seq: 4, time: 10, body: utf8('four') },
          events: [],
          sealed: [],
        });
        expect(await again.counts()).toMatchObject({ events: 0, records: 3, sealed: 0 });
        expect((await again.attempt(2)).map(({ hash }) => hash)).toEqual([records[1]!.hash]);
      }),
    );

    it(
      'finds records by their hashes, and says which is missing',
      withFixture(async ({ journal }) => {
        const records = chain([10, 20, 30]);
        await journal.write({ ...EMPTY, records });
        const asked = [records[2]!, records[0]!, records[2]!];
        expect(await journal.records(asked.map(({ hash }) => hash))).toEqual(
          asked.map(({ bytes }) => bytes),
        );
        await expect(journal.records([records[0]!.hash, h('none')])).rejects.toMatchObject({
          code: 'journal_corrupt',
        });
        expect(await journal.blobRef('blob 1')).toEqual({
          id: 'blob 1',
          sha256: h('blob 1'),
          size: 20,
        });
      }),
    );

    it(
      'serves any range of the transcript as it is stored, while it is written to',
      withFixture(async ({ journal }) => {
        // More than one piece, and a record that is larger than a piece.
        const records = chain([1, 100_000, 500_000, 3, 200_000, 7]);
        await journal.write({ ...EMPTY, records: records.slice(0, 5) });
        const written = concatBytes(...records.slice(0, 5).map(encodeStored));
        expect(await readAll(journal.transcript())).toEqual(written);
        const size = written.length;
        for (const [start, end] of [
          [0, 1],
          [1, 2],
          [36, 38],
          [37, 300_000],
          [99_999, size - 1],
          [records[3]!.at, records[4]!.at],
          [size - 1, size + 10],
          [5, 5],
          [size, size + 1],
          [size + 5, size + 9],
        ] as const)
          expect(await readAll(journal.transcript(start, end))).toEqual(written.slice(start, end));
        const reading = journal.transcript(0, size)[Symbol.asyncIterator]();
        const first = await reading.next();
        await journal.write({
          ...EMPTY,
          events: [event(1)],
          records: records.slice(5),
          snapshot: { seq: 1, time: 1, body: utf8('s'), attempt: undefined },
        });
        await journal.secrets.keepOnly(undefined);
        const rest = await readAll({ [Symbol.asyncIterator]: () => reading });
        expect(concatBytes(first.value as Uint8Array, rest)).toEqual(written);
      }),
    );

    it(
      'gives the records of attempts that are over as it gives those of the one in progress',
      withFixture(async ({ journal, reopen }) => {
        const records = chain([40, 70_000, 9, 100, 2_000, 5], (i) => (i < 2 ? 1 : i < 4 ? 2 : 3));
        const rows = records.map(({ blobs: _blobs, loose: _loose, ...row }) => row);
        await journal.write({ ...EMPTY, records: records.slice(0, 5) });
        const snapshot = { seq: 0, time: 1, body: utf8('s') };
        await journal.write({ ...EMPTY, snapshot: { ...snapshot, attempt: 3 } });
        await journal.write({ ...EMPTY, records: records.slice(5) });
        const written = concatBytes(...records.map(encodeStored));
        const check = async (each: Journal): Promise<void> => {
          expect(equalBytes(await readAll(each.transcript()), written)).toBe(true);
          for (const start of [0, 1, 50, 70_000, ...records.map(({ at }) => at)])
            for (const end of [start, start + 1, records[2]!.at, written.length])
              expect(
                equalBytes(await readAll(each.transcript(start, end)), written.slice(start, end)),
              ).toBe(true);
          expect(await each.last()).toEqual(rows[5]);
          for (const attempt of [1, 2, 3])
            expect(await each.attempt(attempt)).toEqual(
              rows.filter((row) => row.attempt === attempt),
            );
          const asked = [5, 0, 3, 1, 0].map((i) => records[i]!);
          expect(await each.records(asked.map(({ hash }) => hash))).toEqual(
            asked.map(({ bytes }) => bytes),
          );
          expect(await each.startOf(2)).toBe(records[2]!.at);
          expect(await each.startOf(3)).toBe(records[4]!.at);
          expect(await each.counts()).toMatchObject({ records: 6, blobs: 6 });
        };
        await both(journal, reopen, check);
        const again = await reopen();
        await again.write({ ...EMPTY, snapshot: { ...snapshot, attempt: undefined } });
        await both(again, reopen, check);
      }),
    );

    it(
      'knows which uploads are not settled: another record that names one settles it',
      withFixture(async ({ journal, reopen }) => {
        const records = chain([1, 2, 3, 4, 5], (i) => (i < 3 ? 1 : 2));
        const [first] = records[0]!.blobs;
        const named = records.map((record, i) => ({
          ...record,
          loose: i !== 4,
          // The last one names the first one's blob, and is no upload.
          ...(i === 4 ? { blobs: [first!] } : {}),
        }));
        await journal.write({ ...EMPTY, records: named.slice(0, 4) });
        const idsBefore = async (each: Journal, attempt: number) =>
          [...(await each.loose.before(attempt))].map(([own, refs]) => [
            own,
            refs.map(({ id }) => id).toSorted(),
          ]);
        expect(await idsBefore(journal, 2)).toEqual([[1, ['blob 0', 'blob 1', 'blob 2']]]);
        await journal.write({ ...EMPTY, records: named.slice(4) });
        expect(await idsBefore(journal, 3)).toEqual([
          [1, ['blob 1', 'blob 2']],
          [2, ['blob 3']],
        ]);
        const outdated = async (attempt: number): Promise<readonly string[]> =>
          (await journal.blobsBefore(attempt)).map(({ id }) => id).toSorted();
        // The first one's is named again in the second round.
        expect(await outdated(2)).toEqual(['blob 1', 'blob 2']);
        expect(await outdated(3)).toEqual(['blob 0', 'blob 1', 'blob 2', 'blob 3']);
        await journal.loose.settle(['blob 1'], ['blob 2']);
        expect(await outdated(2)).toEqual(['blob 2']);
        const again = await reopen();
        expect(await idsBefore(again, 3)).toEqual([[2, ['blob 3']]]);
        expect(await again.blobRef('blob 1')).toBeUndefined();
        expect(await again.blobRef('blob 2')).toMatchObject({ size: 3 });
        expect(await again.startOf(2)).toBe(records[3]!.at);
        expect(await again.startOf(0)).toBe(0);
        expect(await again.startOf(3)).toBeUndefined();
      }),
    );

    it(
      'freezes a value once, by kind, run and round',
      withFixture(async ({ journal, reopen }) => {
        const { frozen } = journal;
        expect(await frozen.freeze('cohort', h('run'), 3, utf8('a'))).toEqual(utf8('a'));
        expect(await frozen.freeze('cohort', h('run'), 3, utf8('b'))).toEqual(utf8('a'));
        expect(await frozen.freeze('model', h('run'), 3, utf8('c'))).toEqual(utf8('c'));
        for (const attempt of [1, 7, 5])
          await frozen.freeze('cohort', h('run'), attempt, utf8('x'));
        await frozen.freeze('cohort', h('other'), 4, utf8('y'));
        await both(journal, reopen, async ({ frozen: each }) => {
          expect(await each.read('cohort', h('run'), 3)).toEqual(utf8('a'));
          expect(await each.read('cohort', h('run'), 4)).toBeUndefined();
          expect(await each.attempts('cohort', h('run'))).toEqual([1, 3, 5, 7]);
          expect(await each.attempts('cohort', h('run'), 3, 7)).toEqual([3, 5]);
        });
      }),
    );

    it(
      'keeps the secret of one attempt and no other',
      withFixture(async ({ journal, reopen }) => {
        await journal.secrets.write(1, h('one'));
        await journal.secrets.write(2, h('two'));
        await expect(journal.secrets.write(2, h('other'))).rejects.toThrow();
        await journal.secrets.keepOnly(2);
        const { secrets } = await reopen();
        expect(await secrets.read(1)).toBeUndefined();
        expect(await secrets.read(2)).toEqual(h('two'));
        await secrets.keepOnly(undefined);
        expect(await secrets.read(2)).toBeUndefined();
      }),
    );
  });
};
