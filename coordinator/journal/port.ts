/**
 * @module The Journal port: the data that a coordinator needs after a crash. An implementation
 * stores rows and bytes and knows nothing of rounds; `history.ts` converts them to events, records
 * and states. All calls are asynchronous, because an implementation may be a database server.
 * `write` is atomic and durable.
 */
import type { BlobRef } from '../../protocol/ports/blob-store.ts';

/** A record of the transcript. */
export interface StoredRecord {
  /** Where its entry begins in the encoded transcript, bytes; names the record in the journal. */
  readonly at: number;
  /** Its number in the transcript, from 0. */
  readonly index: number;
  readonly attempt: number;
  /** `recordHash` of the bytes, which names it in snapshots. */
  readonly hash: Uint8Array;
  /** The link of the hash chain. */
  readonly link: Uint8Array;
  /** The signed bytes, kept here and nowhere else in the journal. */
  readonly bytes: Uint8Array;
}

export interface NewRecord extends StoredRecord {
  /** The blobs that it names, which may be served from now on. */
  readonly blobs: readonly BlobRef[];
  /** They are uploads: of use only while the attempt lasts, unless it commits with them. */
  readonly loose: boolean;
}

/**
 * The uploads of attempts whose outcome is not settled yet, without blobs that any other record
 * names.
 */
export interface LooseBlobs {
  /** Those that were first named in attempts before this one, by attempt, ascending. */
  before(attempt: number): Promise<ReadonlyMap<number, readonly BlobRef[]>>;
  /** Removes the dropped uploads, and marks the kept ones as permanent. */
  settle(dropped: readonly string[], kept: readonly string[]): Promise<void>;
}

export interface StoredEvent {
  /** From 1, without gaps. */
  readonly seq: number;
  /** Milliseconds of the run clock. */
  readonly time: number;
  readonly type: string;
  readonly body: Uint8Array;
  /** `at` of the record that the event brought into the transcript. */
  readonly record: number | undefined;
}

/** The sealed entries of a share or an unmask record: needed until its attempt ends. */
export interface SealedEntries {
  /** The hash of the record. */
  readonly share: Uint8Array;
  readonly attempt: number;
  readonly bytes: Uint8Array;
}

export interface StoredSnapshot {
  /** The last event that is in it, and its time. */
  readonly seq: number;
  readonly time: number;
  readonly body: Uint8Array;
}

export interface JournalBatch {
  readonly events: readonly StoredEvent[];
  readonly records: readonly NewRecord[];
  readonly sealed: readonly SealedEntries[];
  /**
   * Takes the place of the one before. The events in it are removed, and the sealed entries of
   * every attempt but `attempt`; the records of earlier attempts may be packed, since none is added
   * to them.
   */
  readonly snapshot?: StoredSnapshot & { readonly attempt: number | undefined };
}

/** The data that a restart reads. Its size does not depend on the number of earlier rounds. */
export interface Loaded {
  readonly snapshot: StoredSnapshot | undefined;
  /** The events after the snapshot; a record is the bytes that the event brought. */
  readonly events: readonly (Omit<StoredEvent, 'record'> & {
    readonly record: { readonly hash: Uint8Array; readonly bytes: Uint8Array } | undefined;
  })[];
  readonly sealed: readonly SealedEntries[];
}

/** The values that the local ledger has frozen: each is written once. */
export interface FrozenTable {
  /** Stores the value unless one exists. @returns the stored value */
  freeze(kind: string, run: Uint8Array, attempt: number, value: Uint8Array): Promise<Uint8Array>;
  read(kind: string, run: Uint8Array, attempt: number): Promise<Uint8Array | undefined>;
  /** The rounds with a value, ascending, from `first` to before `end`. */
  attempts(kind: string, run: Uint8Array, first?: number, end?: number): Promise<readonly number[]>;
}

/** Secrets of attempts: in no event, record or snapshot, and overwritten when they are erased. */
export interface SecretTable {
  read(attempt: number): Promise<Uint8Array | undefined>;
  write(attempt: number, secret: Uint8Array): Promise<void>;
  /** Erases every secret except that of `attempt`; undefined erases all. */
  keepOnly(attempt: number | undefined): Promise<void>;
}

export interface JournalCounts {
  readonly events: number;
  readonly records: number;
  readonly sealed: number;
  readonly blobs: number;
  readonly secrets: number;
}

/**
 * Every method may reject with FloeError `storage_full`, `storage_read_only`, `storage_failed` or
 * `journal_locked`: nothing was written then, and the same call may succeed later; or
 * `journal_corrupt`, after which nothing may be trusted.
 */
export interface Journal {
  /** `sqlite`, `memory`... */
  readonly kind: string;
  /**
   * Binds the journal to a run, on first use permanently.
   * @throws FloeError `spec_mismatch` when it belongs to another run
   */
  bind(run: Uint8Array): Promise<void>;
  /**
   * One step of the run, whole or not at all; once it resolves it survives a crash. Calls must not
   * overlap.
   */
  write(batch: JournalBatch): Promise<void>;
  load(): Promise<Loaded>;
  /** The last record of the transcript. */
  last(): Promise<StoredRecord | undefined>;
  /**
   * Records by their hashes, in the order asked for. @throws FloeError `journal_corrupt` for one
   * that is not there
   */
  records(hashes: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
  /**
   * Byte offset of the first entry of this attempt or a later one; undefined without such an entry.
   */
  startOf(attempt: number): Promise<number | undefined>;
  /** The records of one attempt, in order. */
  attempt(attempt: number): Promise<readonly StoredRecord[]>;
  /**
   * Bytes [start, end) of the encoded transcript, in pieces, without decoding. A range may begin
   * and end anywhere; bytes beyond the end are omitted.
   */
  transcript(start?: number, end?: number): AsyncIterable<Uint8Array>;
  /** A blob that a record of the transcript names, unless it was dropped. */
  blobRef(id: string): Promise<BlobRef | undefined>;
  /**
   * Blobs that records of rounds before this one name, and no later record: neither by id nor by
   * content.
   */
  blobsBefore(attempt: number): Promise<readonly BlobRef[]>;
  readonly frozen: FrozenTable;
  readonly secrets: SecretTable;
  readonly loose: LooseBlobs;
  counts(): Promise<JournalCounts>;
  /** The run is over: others may read it from now on, where they could not before. */
  share?(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}
