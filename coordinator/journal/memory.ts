/**
 * @module The journal in memory: for simulations and tests, and as a second implementation of the
 * port in its compliance suite. A batch is checked before any part of it is stored, because a batch
 * must be stored whole or not at all.
 */
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { equalBytes, ownBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { encodeStored } from '../../protocol/records/transcript.ts';
import type {
  FrozenTable,
  Journal,
  LooseBlobs,
  SealedEntries,
  SecretTable,
  StoredEvent,
  StoredRecord,
  StoredSnapshot,
} from './port.ts';

const refuse = (message: string): never => {
  throw new FloeError('internal', message);
};

const prefix = (kind: string, run: Uint8Array): string => `${kind}/${toHex(run)}/`;

const memoryFrozen = (): FrozenTable => {
  const values = new Map<string, { readonly attempt: number; readonly value: Uint8Array }>();
  return {
    freeze: async (kind, run, attempt, value) => {
      const name = `${prefix(kind, run)}${attempt}`;
      const standing = values.get(name);
      if (standing !== undefined) return ownBytes(standing.value);
      values.set(name, { attempt, value: ownBytes(value) });
      return value;
    },
    read: async (kind, run, attempt) => values.get(`${prefix(kind, run)}${attempt}`)?.value,
    attempts: async (kind, run, first = 0, end = Number.MAX_SAFE_INTEGER) =>
      [...values]
        .filter(([name]) => name.startsWith(prefix(kind, run)))
        .map(([, { attempt }]) => attempt)
        .filter((attempt) => attempt >= first && attempt < end)
        .toSorted((a, b) => a - b),
  };
};

const memorySecrets = (kept: Map<number, Uint8Array>): SecretTable => ({
  read: async (attempt) => kept.get(attempt)?.slice(),
  write: async (attempt, secret) => {
    if (kept.has(attempt)) refuse(`attempt ${attempt} has a secret`);
    kept.set(attempt, ownBytes(secret));
  },
  keepOnly: async (attempt) => {
    for (const [each, secret] of kept)
      if (each !== attempt) {
        secret.fill(0);
        kept.delete(each);
      }
  },
});

/** The blobs that records name. */
const memoryBlobs = () => {
  const blobs = new Map<
    string,
    { readonly ref: BlobRef; loose: number | undefined; last: number }
  >();
  return {
    name: (refs: readonly BlobRef[], loose: boolean, attempt: number): void => {
      for (const { id, sha256, size } of refs) {
        const known = blobs.get(id);
        if (known === undefined)
          blobs.set(id, {
            ref: { id, sha256, size },
            loose: loose ? attempt : undefined,
            last: attempt,
          });
        else {
          if (!loose) known.loose = undefined;
          known.last = Math.max(known.last, attempt);
        }
      }
    },
    count: (): number => blobs.size,
    ref: (id: string): BlobRef | undefined => blobs.get(id)?.ref,
    before: (attempt: number): readonly BlobRef[] => {
      const all = [...blobs.values()];
      const kept = new Set(
        all.filter(({ last }) => last >= attempt).map(({ ref }) => toHex(ref.sha256)),
      );
      return all
        .filter(({ ref, last }) => last < attempt && !kept.has(toHex(ref.sha256)))
        .map(({ ref }) => ref);
    },
    loose: {
      before: async (attempt) => {
        const found = new Map<number, BlobRef[]>();
        for (const { ref, loose } of blobs.values())
          if (loose !== undefined && loose < attempt)
            found.set(loose, [...(found.get(loose) ?? []), ref]);
        return new Map([...found].toSorted(([a], [b]) => a - b));
      },
      settle: async (dropped, kept) => {
        for (const id of dropped) blobs.delete(id);
        for (const id of kept) {
          const known = blobs.get(id);
          if (known !== undefined) known.loose = undefined;
        }
      },
    } satisfies LooseBlobs,
  };
};

export const memoryJournal = (): Journal => {
  let run: Uint8Array | undefined;
  let events: StoredEvent[] = [];
  let snapshot: StoredSnapshot | undefined;
  let sealed = new Map<string, SealedEntries>();
  const transcript: StoredRecord[] = [];
  const byHash = new Map<string, StoredRecord>();
  const byPlace = new Map<number, StoredRecord>();
  const blobs = memoryBlobs();
  const secrets = new Map<number, Uint8Array>();

  return {
    kind: 'memory',
    bind: async (hash) => {
      if (run !== undefined && !equalBytes(run, hash))
        throw new FloeError('spec_mismatch', 'the journal belongs to another run');
      run = ownBytes(hash);
    },
    write: async (batch) => {
      const names = batch.records.map(({ hash }) => toHex(hash));
      const shares = batch.sealed.map(({ share }) => toHex(share));
      const places = batch.records.map(({ at }) => at);
      const numbers = new Set(events.map(({ seq }) => seq));
      if (new Set(names).size < names.length || names.some((name) => byHash.has(name)))
        refuse('a record is in the transcript');
      if (new Set(places).size < places.length || places.some((at) => byPlace.has(at)))
        refuse('a record is at this place');
      if (shares.some((name) => sealed.has(name))) refuse('the entries are kept');
      for (const { seq, time } of batch.events) {
        if (numbers.has(seq)) refuse(`event ${seq} is in the journal`);
        if (!Number.isSafeInteger(time)) refuse(`expected a time, got ${String(time)}`);
        numbers.add(seq);
      }
      // Everything is there in one turn of the event loop.
      for (const { blobs: named, loose, ...record } of batch.records) {
        transcript.push(record);
        byHash.set(toHex(record.hash), record);
        byPlace.set(record.at, record);
        blobs.name(named, loose, record.attempt);
      }
      events.push(...batch.events);
      for (const each of batch.sealed) sealed.set(toHex(each.share), each);
      if (batch.snapshot === undefined) return;
      const { seq, time: at, body, attempt } = batch.snapshot;
      snapshot = { seq, time: at, body: ownBytes(body) };
      events = events.filter((event) => event.seq > seq);
      sealed = new Map([...sealed].filter(([, each]) => each.attempt === attempt));
    },
    load: async () => ({
      snapshot,
      events: events
        .toSorted((a, b) => a.seq - b.seq)
        .map(({ record, ...event }) => ({
          ...event,
          record: record === undefined ? undefined : byPlace.get(record),
        })),
      sealed: [...sealed.values()],
    }),
    last: async () => transcript.at(-1),
    records: async (hashes) =>
      hashes.map((hash) => {
        const record = byHash.get(toHex(hash));
        if (record === undefined)
          throw new FloeError('journal_corrupt', `record ${toHex(hash)} is missing`);
        return record.bytes;
      }),
    startOf: async (attempt) => transcript.find((record) => record.attempt >= attempt)?.at,
    attempt: async (attempt) => transcript.filter((record) => record.attempt === attempt),
    transcript: async function* read(start = 0, end = Number.MAX_SAFE_INTEGER) {
      for (const record of transcript) {
        const entry = encodeStored(record);
        const piece = entry.subarray(Math.max(0, start - record.at), Math.max(0, end - record.at));
        if (piece.length > 0) yield piece;
      }
    },
    blobRef: async (id) => blobs.ref(id),
    blobsBefore: async (attempt) => blobs.before(attempt),
    frozen: memoryFrozen(),
    secrets: memorySecrets(secrets),
    loose: blobs.loose,
    counts: async () => ({
      events: events.length,
      records: transcript.length,
      sealed: sealed.size,
      blobs: blobs.count(),
      secrets: secrets.size,
    }),
    close: async () => undefined,
  };
};
