/**
 * @module A chapter: the records of one finished attempt, as one piece of the encoded transcript,
 * compressed with Brotli (RFC 7932). The records of an attempt repeat the run, the context, field
 * names and members' keys; compression removes the repetition. Keys and signatures remain, because
 * they are random. A chapter is written once and never changed.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { joinBytes } from '../../protocol/bytes.ts';
import { recordHash } from '../../protocol/records/records.ts';
import { encodeStored, ENTRY_PREFIX } from '../../protocol/records/transcript.ts';
import type { StoredRecord } from './port.ts';

/** Half of Brotli's time at its default quality is for the last percent. */
const QUALITY = 4;
/** Bytes, as a power of two, over which repeats are found: the records of a cohort of 255. */
const WINDOW_BITS = 22;
/** The first bytes of a record's hash: by these a chapter is found. */
export const NAME_BYTES = 8;
/**
 * Records of an attempt, unpacked, at most: several times those of a cohort of 255. A run folder
 * may come from elsewhere, and a few KiB of Brotli unpack to all memory there is.
 */
export const MAX_CHAPTER_BYTES = 256 << 20;

export interface Chapter {
  /** Where its first entry begins in the encoded transcript, and where its last one ends. */
  readonly at: number;
  readonly end: number;
  /** The number of its first record in the transcript. */
  readonly index: number;
  readonly attempt: number;
  readonly bytes: Uint8Array;
}

/** @param records of one attempt, in order, at least one */
export const packChapter = (
  records: readonly Pick<StoredRecord, 'at' | 'index' | 'attempt' | 'link' | 'bytes'>[],
): Chapter => {
  const [first] = records;
  if (first === undefined) throw new RangeError('a chapter holds at least one record');
  const entries = joinBytes(records.map(encodeStored));
  const bytes = brotliCompressSync(entries, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: entries.length,
    },
  });
  const { at, index, attempt } = first;
  return { at, end: at + entries.length, index, attempt, bytes };
};

/**
 * The entries of a chapter as the transcript has them. @throws RangeError when they are not as many
 * bytes as the chapter says, or too many; what zlib throws at other bytes than it wrote
 */
export const entriesOf = ({ at, end, bytes }: Chapter): Uint8Array => {
  if (end - at > MAX_CHAPTER_BYTES)
    throw new RangeError(`expected at most ${MAX_CHAPTER_BYTES} bytes of records, got ${end - at}`);
  const entries = brotliDecompressSync(bytes, { maxOutputLength: Math.max(1, end - at) });
  if (entries.length !== end - at)
    throw new RangeError(`expected ${end - at} bytes of records, got ${entries.length}`);
  return entries;
};

/** The records of a chapter. @throws as `entriesOf`, and RangeError where an entry is cut */
export const recordsOf = (chapter: Chapter): readonly StoredRecord[] => {
  const entries = entriesOf(chapter);
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
  const records: StoredRecord[] = [];
  for (let from = 0; from < entries.length;) {
    const begin = from + ENTRY_PREFIX;
    const to = begin <= entries.length ? begin + view.getUint32(from, true) : Infinity;
    if (to > entries.length) throw new RangeError(`record ${records.length} is cut`);
    const bytes = new Uint8Array(entries.subarray(begin, to));
    records.push({
      at: chapter.at + from,
      index: chapter.index + records.length,
      attempt: chapter.attempt,
      hash: recordHash(bytes),
      link: new Uint8Array(entries.subarray(from + 4, begin)),
      bytes,
    });
    from = to;
  }
  return records;
};
