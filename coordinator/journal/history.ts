/**
 * @module The run in the journal: the state at the last snapshot, the events since, and the
 * transcript. One step of the machine is one batch. The history writes a snapshot and removes the
 * events that it covers whenever an attempt ends, and after many events: a restart after round
 * 10,000 then costs as much as one after round 1.
 */
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { joinBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { decodeRecord, type SignedRecord } from '../../protocol/records/records.ts';
import {
  ENTRY_PREFIX,
  genesis,
  nextEntry,
  attemptRoot,
  type TranscriptEntry,
} from '../../protocol/records/transcript.ts';
import { bundlePlaces } from '../../protocol/verify/lasting-ref.ts';
import {
  decodeEntries,
  decodeEvent,
  encodeEntries,
  encodeEvent,
  ROUND_MACHINE,
  attemptOf,
  type Event,
  type Machine,
  type MachineConfig,
  type State,
} from '../machine/index.ts';
import type {
  Journal,
  JournalBatch,
  Loaded,
  NewRecord,
  SealedEntries,
  StoredEvent,
  StoredRecord,
} from './port.ts';

/**
 * Events after which a snapshot is taken within an attempt: as many are replayed at most, and those
 * of one attempt.
 */
export const EVENTS_PER_SNAPSHOT = 1000;
/**
 * While no attempt is in progress: a snapshot is small then, and what comes is logins, of which
 * there may be many.
 */
export const EVENTS_WHILE_WAITING = 200;

export interface JournalStep {
  readonly event: Event;
  /** Records that the event caused to be accepted, in order. */
  readonly records: readonly SignedRecord[];
}

export interface Restored {
  readonly state: State;
  /** The run clock at the last event; 0 before the first one. */
  readonly time: number;
  /** Events that were replayed. */
  readonly replayed: number;
}

export interface History {
  /**
   * The state after all events in the journal.
   * @throws FloeError `journal_corrupt` naming the fault
   */
  restore(config: MachineConfig): Promise<Restored>;
  /**
   * Keeps the steps, which led to `after`; once it resolves they survive a crash. Calls must not
   * overlap.
   */
  append(steps: readonly JournalStep[], after: State): Promise<void>;
  /** Bytes of the encoded transcript. */
  readonly size: number;
  /** Events so far, those in the snapshot too. */
  readonly events: number;
  /** Merkle root over the attempt's records with one more, which is not in the journal yet. */
  rootWith(attempt: number, record: SignedRecord): Promise<Uint8Array>;
}

/** The blobs that a record names. */
const blobsOf = (record: SignedRecord): readonly BlobRef[] => {
  switch (record.type) {
    case 'open':
      return [record.body.model.blob];
    case 'upload':
      return [record.body.blob];
    case 'commit':
      return [record.body.model.blob, ...bundlePlaces(record)];
    default:
      return [];
  }
};

/** The end of the transcript. */
interface End {
  readonly at: number;
  readonly index: number;
  readonly link: Uint8Array;
}

const endAfter = (run: Uint8Array, last: StoredRecord | undefined): End =>
  last === undefined
    ? { at: 0, index: 0, link: genesis(run) }
    : {
        at: last.at + ENTRY_PREFIX + last.bytes.length,
        index: last.index + 1,
        link: last.link,
      };

const newRecord = ({ at, index, link }: End, record: SignedRecord): NewRecord => {
  const entry = nextEntry(link, index, record);
  return {
    at,
    index,
    attempt: record.attempt,
    hash: record.hash,
    link: entry.hash,
    bytes: record.bytes,
    blobs: blobsOf(record),
    loose: record.type === 'upload',
  };
};

/** One attempt of the transcript. @throws FloeError `journal_corrupt` */
export const attemptEntries = async (
  journal: Journal,
  attempt: number,
): Promise<readonly TranscriptEntry[]> =>
  (await journal.attempt(attempt)).map(({ index, link, bytes }) => {
    try {
      return { index, record: decodeRecord(bytes), hash: link };
    } catch (cause) {
      throw new FloeError(
        'journal_corrupt',
        `transcript entry ${index}: ${(cause as Error).message}`,
        {},
        { cause },
      );
    }
  });

/** The whole transcript, in memory. */
export const wholeTranscript = async (
  journal: Pick<Journal, 'transcript'>,
): Promise<Uint8Array> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of journal.transcript()) pieces.push(piece);
  return joinBytes(pieces);
};

/** Whether an attempt ended with these records. */
const endsAttempt = (records: readonly NewRecord[], steps: readonly JournalStep[]): boolean =>
  records.length > 0 &&
  steps.some((each) => each.records.some(({ type }) => type === 'commit' || type === 'abort'));

/** Rows of a batch of steps. */
const rowsOf = (
  steps: readonly JournalStep[],
  seq: number,
  end: End,
): Omit<JournalBatch, 'snapshot'> & { readonly end: End } => {
  let last = end;
  const events: StoredEvent[] = [];
  const records: NewRecord[] = [];
  const sealed: SealedEntries[] = [];
  for (const { event, records: accepted } of steps) {
    let brought: number | undefined;
    for (const record of accepted) {
      const row = newRecord(last, record);
      records.push(row);
      last = {
        at: row.at + ENTRY_PREFIX + row.bytes.length,
        index: row.index + 1,
        link: row.link,
      };
      if (event.type !== 'record' || toHex(event.record.hash) !== toHex(record.hash)) continue;
      brought = row.at;
      if (event.entries.length > 0)
        sealed.push({
          share: record.hash,
          attempt: record.attempt,
          bytes: encodeEntries(event.entries),
        });
    }
    events.push({
      seq: seq + events.length + 1,
      time: event.time,
      type: event.type,
      body: encodeEvent(event, brought !== undefined),
      record: brought,
    });
  }
  return { events, records, sealed, end: last };
};

const entriesByShare = (sealed: Loaded['sealed']): ReadonlyMap<string, readonly Uint8Array[]> =>
  new Map(sealed.map(({ share, bytes }) => [toHex(share), decodeEntries(bytes)]));

/** Plays the events after a snapshot; each is checked. */
const replay = (
  machine: Machine,
  config: MachineConfig,
  from: State,
  seq: number,
  loaded: Loaded,
): Restored => {
  const entries = entriesByShare(loaded.sealed);
  let [state, time, expected] = [from, loaded.snapshot?.time ?? 0, seq];
  for (const { seq: number, type, time: at, body, record } of loaded.events) {
    expected += 1;
    if (number !== expected) throw new FloeError('journal_corrupt', `event ${expected} is missing`);
    try {
      const beside = record && {
        record: record.bytes,
        entries: entries.get(toHex(record.hash)) ?? [],
      };
      const event = decodeEvent(body, at, beside);
      if (event.type !== type)
        throw new FloeError('journal_corrupt', `expected ${type}, got ${event.type}`);
      const next = machine.step(config, state, event).state;
      // Only events that change the state are stored: an event that this one depends on is missing.
      if (next === state) throw new FloeError('journal_corrupt', 'it changes nothing');
      state = next;
      time = at;
    } catch (cause) {
      throw new FloeError(
        'journal_corrupt',
        `event ${number}, of type ${type}, cannot be replayed: ${(cause as Error).message}`,
        {},
        { cause },
      );
    }
  }
  return { state, time, replayed: loaded.events.length };
};

/**
 * Opens the run that the journal belongs to.
 * @param every maximum number of events between two snapshots within an attempt
 * @param machine defines the events and states that are stored
 * @throws FloeError `spec_mismatch`, and the errors of the journal
 */
export const openHistory = async (
  journal: Journal,
  run: Uint8Array,
  every = EVENTS_PER_SNAPSHOT,
  machine = ROUND_MACHINE,
): Promise<History> => {
  await journal.bind(run);
  let end = endAfter(run, await journal.last());
  let seq = 0;
  /** The last event in the snapshot. */
  let snapped = 0;
  return {
    restore: async (config) => {
      const loaded = await journal.load();
      const { snapshot } = loaded;
      snapped = snapshot?.seq ?? 0;
      const from =
        snapshot === undefined
          ? machine.initial
          : await machine.decodeSnapshot(snapshot.body, {
              records: (hashes) => journal.records(hashes),
              entries: entriesByShare(loaded.sealed),
            });
      const restored = replay(machine, config, from, snapped, loaded);
      seq = snapped + restored.replayed;
      return restored;
    },
    append: async (steps, after) => {
      const { end: next, ...rows } = rowsOf(steps, seq, end);
      const last = seq + steps.length;
      const most = attemptOf(after) === undefined ? Math.min(every, EVENTS_WHILE_WAITING) : every;
      const due = endsAttempt(rows.records, steps) || last - snapped >= most;
      const snapshot = due
        ? {
            seq: last,
            time: steps.at(-1)?.event.time ?? 0,
            body: machine.encodeSnapshot(after),
            attempt: attemptOf(after)?.attempt,
          }
        : undefined;
      await journal.write({ ...rows, ...(snapshot === undefined ? {} : { snapshot }) });
      end = next;
      seq = last;
      if (due) snapped = last;
    },
    get size() {
      return end.at;
    },
    get events() {
      return seq;
    },
    rootWith: async (attempt, record) => {
      const entries = await attemptEntries(journal, attempt);
      return attemptRoot([...entries, nextEntry(end.link, end.index, record)], attempt);
    },
  };
};

/** The state of the snapshot alone; undefined without one. */
const snapshotIn = async (journal: Journal): Promise<State | undefined> => {
  const { snapshot, sealed } = await journal.load();
  if (snapshot === undefined) return undefined;
  const source = {
    records: (hashes: readonly Uint8Array[]) => journal.records(hashes),
    entries: entriesByShare(sealed),
  };
  return ROUND_MACHINE.decodeSnapshot(snapshot.body, source);
};

/** How many rounds are committed, read from the snapshot alone. */
export const committedIn = async (journal: Journal): Promise<number> =>
  (await snapshotIn(journal))?.committed ?? 0;

/** The last registration of each participant, by its key in hex, read from the snapshot alone. */
export const registeredIn = async (journal: Journal): Promise<State['registered']> =>
  (await snapshotIn(journal))?.registered ?? new Map();
