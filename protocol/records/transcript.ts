/**
 * @module The transcript: every accepted record of a run, hash-chained in the order of acceptance,
 * with a Merkle root per attempt. On disk and on the wire it is a sequence of length-prefixed
 * records: changing, dropping or reordering one breaks every later link and the root that the
 * ledger holds.
 */
import { concatBytes, equalBytes, ownBytes, sha256, utf8 } from '../bytes.ts';
import { encodeCbor } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import { merkleRoot } from './merkle.ts';
import { bodySchemas, decodeRecord, MAX_RECORD_BYTES, type SignedRecord } from './records.ts';

/** The link before the first entry: bound to the run. */
export const genesis = (run: Uint8Array): Uint8Array => sha256(utf8('floe/transcript/v1'), run);

/** Entry hash = SHA-256(type || previous hash || canonical record). */
export const linkHash = (previous: Uint8Array, record: SignedRecord): Uint8Array =>
  sha256(utf8(`floe/transcript-entry/${record.type}/v1`), previous, record.bytes);

export interface TranscriptEntry {
  readonly index: number;
  readonly record: SignedRecord;
  readonly hash: Uint8Array;
}

/** A transcript as a value: `append` returns the new one. */
export interface Transcript {
  readonly run: Uint8Array;
  readonly head: Uint8Array;
  readonly entries: readonly TranscriptEntry[];
}

export const emptyTranscript = (run: Uint8Array): Transcript => ({
  run,
  head: genesis(run),
  entries: [],
});

/** The entry that comes next. */
export const nextEntry = (
  head: Uint8Array,
  index: number,
  record: SignedRecord,
): TranscriptEntry => ({
  index,
  record,
  hash: linkHash(head, record),
});

/** Merkle root over the entry hashes of one attempt. */
export const attemptRoot = (entries: readonly TranscriptEntry[], attempt: number): Uint8Array =>
  merkleRoot(
    entries.filter((entry) => entry.record.attempt === attempt).map((entry) => entry.hash),
  );

/** Bytes of an entry before its record. */
export const ENTRY_PREFIX = 4 + 32;

/** One entry on disk: u32 little-endian length of the record, the link, the record. */
export const encodeStored = ({
  link,
  bytes,
}: {
  readonly link: Uint8Array;
  readonly bytes: Uint8Array;
}): Uint8Array => {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length, true);
  return concatBytes(length, link, bytes);
};

/** One entry on disk, written into `into` from byte `at` on. */
export const writeStored = (
  into: Uint8Array,
  at: number,
  link: Uint8Array,
  bytes: Uint8Array,
): void => {
  new DataView(into.buffer, into.byteOffset).setUint32(at, bytes.length, true);
  into.set(link, at + 4);
  into.set(bytes, at + ENTRY_PREFIX);
};

export const encodeEntry = ({ hash, record }: TranscriptEntry): Uint8Array =>
  encodeStored({ link: hash, bytes: record.bytes });

/**
 * Reads a transcript and checks every signature and every link.
 *
 * @throws FloeError `transcript_broken` naming the entry, its attempt and its type
 */
export const decodeTranscript = (run: Uint8Array, bytes: Uint8Array): Transcript => {
  const entries: TranscriptEntry[] = [];
  let head = genesis(run);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const index = entries.length;
    const length = at + ENTRY_PREFIX <= bytes.length ? view.getUint32(at, true) : 0;
    if (length === 0 || length > MAX_RECORD_BYTES || at + ENTRY_PREFIX + length > bytes.length)
      throw new FloeError('transcript_broken', `entry ${index} is truncated`, {
        entry: index,
        attempt: attemptAfter(entries.at(-1)),
      });
    const record = readRecord(
      ownBytes(bytes.subarray(at + ENTRY_PREFIX, at + ENTRY_PREFIX + length)),
      index,
      attemptAfter(entries.at(-1)),
    );
    const entry = nextEntry(head, index, record);
    const where = { entry: index, attempt: record.attempt, record: record.type };
    if (!equalBytes(entry.hash, bytes.subarray(at + 4, at + ENTRY_PREFIX)))
      throw new FloeError(
        'transcript_broken',
        `the link of entry ${index} (${record.type}) does not hold`,
        where,
      );
    if (!equalBytes(record.run, run))
      throw new FloeError(
        'transcript_broken',
        `entry ${index} (${record.type}) belongs to another run`,
        where,
      );
    entries.push(entry);
    head = entry.hash;
    at += ENTRY_PREFIX + length;
  }
  return { run, head, entries };
};

/** The attempt that the entry after this one belongs to: attempts are numbered without gaps. */
const attemptAfter = (last: TranscriptEntry | undefined): number => {
  if (last === undefined) return 1;
  const { attempt, type } = last.record;
  return type === 'commit' || type === 'abort' ? attempt + 1 : attempt;
};

/** Whether `pattern` stands in `bytes` at `at`, but for at most `errors` bytes. */
const standsAt = (bytes: Uint8Array, at: number, pattern: Uint8Array, errors: number): boolean => {
  let left = errors;
  for (let i = 0; i < pattern.length; i += 1)
    if (bytes[at + i] !== pattern[i]) {
      left -= 1;
      if (left < 0) return false;
    }
  return true;
};

/**
 * What a record that no longer decodes says it is: its field `type` as CBOR writes it, whole or
 * with one byte changed.
 */
const claimedType = (bytes: Uint8Array): string | undefined => {
  for (const errors of [0, 1])
    for (const type of Object.keys(bodySchemas)) {
      // Without the first byte, the head of the map.
      const pattern = encodeCbor({ type }).subarray(1);
      for (let at = 0; at + pattern.length <= bytes.length; at += 1)
        if (standsAt(bytes, at, pattern, errors)) return type;
    }
  return undefined;
};

const readRecord = (bytes: Uint8Array, index: number, attempt: number): SignedRecord => {
  try {
    return decodeRecord(bytes);
  } catch (cause) {
    const record = claimedType(bytes);
    throw new FloeError(
      'transcript_broken',
      `entry ${index}: ${(cause as Error).message}`,
      { entry: index, attempt, ...(record === undefined ? {} : { record }) },
      { cause },
    );
  }
};
