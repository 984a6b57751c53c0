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
const LOCAL_BYTES = 30;
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

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly start: number;
}

const unpack = (
  bytes: Uint8Array,
  { name, method, crc, packed, size, start }: Entry,
): Uint8Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start + LOCAL_BYTES > bytes.length || view.getUint32(start, true) !== LOCAL)
    throw malformed(`${name}: no file where the archive says`);
  const from =
    start + LOCAL_BYTES + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
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

/**
 * The files of an archive; each is unpacked when it is read.
 * @param maxBytes of all of them, unpacked
 * @throws FloeError `data_malformed` for what is no archive, or unpacks beyond the limit
 */
export const filesOfZip = (bytes: Uint8Array, maxBytes: number): readonly ZipFile[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOf(view);
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count > MAX_ENTRIES || at === 0xffffffff)
    throw malformed('an archive of more than 4 GiB or 10,000 files: split it');
  const files: ZipFile[] = [];
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY)
      throw malformed('the list of files in the archive is broken');
    const nameBytes = view.getUint16(at + 28, true);
    const entry: Entry = {
      name: new TextDecoder().decode(
        bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes),
      ),
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
    files.push({ name: entry.name, size: entry.size, read: () => unpack(bytes, entry) });
    at += ENTRY_BYTES + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return files;
};
