/**
 * @module Files in a zip archive, as `numpy.savez` writes it (PKWARE APPNOTE 6.3.10): stored or
 * deflated, each checked against its size and CRC-32. Sizes are checked before anything is
 * unpacked. Node only.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { malformed } from './limits.ts';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
export const LOCAL_BYTES = 30;
const MAX_ENTRIES = 10_000;

export interface ZipFile {
  readonly name: string;
  /** Unpacked. */
  readonly size: number;
  readonly read: () => Uint8Array;
}

const endOf = (view: DataView): number => {
  const first = Math.max(0, view.byteLength - END_BYTES - 0xffff);
  for (let at = view.byteLength - END_BYTES; at >= first; at -= 1)
    if (view.getUint32(at, true) === END) return at;
  throw malformed('expected a zip archive, found no end of one (cut off?)');
};

/** A file as the list at the end of an archive names it. */
export interface ZipEntry {
  readonly name: string;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  /** CRC-32 of the unpacked bytes. */
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where its own header begins in the archive. */
  readonly start: number;
}

/**
 * Bytes from an entry's `start` to those that are packed.
 * @param header the first {@link LOCAL_BYTES} bytes at `start`, or more
 * @throws FloeError `data_malformed`
 */
export const headerBytes = (name: string, header: Uint8Array): number => {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (view.byteLength < LOCAL_BYTES || view.getUint32(0, true) !== LOCAL)
    throw malformed(`${name}: no file where the archive says`);
  return LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
};

const unpack = (
  bytes: Uint8Array,
  { name, method, crc, packed, size, start }: ZipEntry,
): Uint8Array => {
  const from = start + headerBytes(name, bytes.subarray(start, start + LOCAL_BYTES));
  const body = bytes.subarray(from, from + packed);
  if (body.length !== packed) throw malformed(`${name}: cut off`);
  let unpacked: Uint8Array;
  try {
    unpacked = method === 0 ? body : inflateRawSync(body, { maxOutputLength: Math.max(1, size) });
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw malformed(`${name}: cannot be unpacked (${reason})`);
  }
  if (unpacked.length !== size || crc32(unpacked) !== crc)
    throw malformed(`${name}: other bytes than were packed (wrong size or CRC-32)`);
  return unpacked;
};

export interface ZipLimits {
  /** Of all files, unpacked. */
  readonly maxBytes: number;
  /** Default 10,000. */
  readonly maxEntries?: number;
}

/**
 * The list of files of an archive.
 * @param tail the end of the archive, with the whole list
 * @param before bytes of the archive before `tail`
 * @throws FloeError `data_malformed` for what is no archive, or unpacks beyond the limits
 */
export const entriesOfZip = (
  tail: Uint8Array,
  { maxBytes, maxEntries = MAX_ENTRIES }: ZipLimits,
  before = 0,
): readonly ZipEntry[] => {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const end = endOf(view);
  const count = view.getUint16(end + 10, true);
  const list = view.getUint32(end + 16, true);
  if (count > maxEntries || list === 0xffffffff)
    throw malformed(`an archive of more than 4 GiB or ${maxEntries} files: split it`);
  let at = list - before;
  const entries: ZipEntry[] = [];
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    if (at < 0 || at + ENTRY_BYTES > tail.length || view.getUint32(at, true) !== ENTRY)
      throw malformed('the list of files in the archive is broken');
    const nameBytes = view.getUint16(at + 28, true);
    const entry: ZipEntry = {
      name: new TextDecoder().decode(tail.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      start: view.getUint32(at + 42, true),
    };
    total += entry.size;
    if (total > maxBytes)
      throw malformed(`unpacks to more than ${maxBytes} bytes: split the archive`);
    if (entry.method !== 0 && entry.method !== 8)
      throw malformed(`${entry.name}: packed with method ${entry.method}; use np.savez_compressed`);
    entries.push(entry);
    at += ENTRY_BYTES + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
};

/**
 * The files of an archive; each is unpacked when it is read.
 * @param maxBytes of all of them, unpacked
 * @throws FloeError `data_malformed` for what is no archive, or unpacks beyond the limit
 */
export const filesOfZip = (bytes: Uint8Array, maxBytes: number): readonly ZipFile[] =>
  entriesOfZip(bytes, { maxBytes }).map((entry) => ({
    name: entry.name,
    size: entry.size,
    read: () => unpack(bytes, entry),
  }));
