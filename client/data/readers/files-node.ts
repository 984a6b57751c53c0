/** @module Bytes of files in chunks, unpacked where they are gzip, within a limit. Node only. */
import { createReadStream } from 'node:fs';
import { open as openFile, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { FloeError } from '../../../protocol/errors.ts';
import type { Open } from './encoding.ts';
import { MAX_BYTES, inFile, malformed } from './limits.ts';

const CHUNK = 2 ** 20;

export const isMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && (thrown as Error & { readonly code?: unknown }).code === 'ENOENT';

/**
 * Size and kind of what is at a path.
 * @throws FloeError `file_not_found`; `data_malformed` where it cannot be read
 */
export const statOf = async (path: string): Promise<{ size: number; isFolder: boolean }> => {
  try {
    const found = await stat(path);
    if (!found.isDirectory() && !found.isFile()) throw malformed('expected a file or a folder');
    return { size: found.size, isFolder: found.isDirectory() };
  } catch (thrown) {
    if (!isMissing(thrown)) throw inFile(path, thrown);
    throw new FloeError('file_not_found', `no file or folder ${path}`, {}, { cause: thrown });
  }
};

const isGzip = async (path: string): Promise<boolean> => {
  const file = await openFile(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
};

async function* unpacked(path: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: CHUNK });
  const packed = await isGzip(path);
  let total = 0;
  // A fault of the file must reach whoever reads the unpacked bytes.
  const bytes = packed ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file;
  if (packed) file.once('error', (error) => bytes.destroy(error));
  try {
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
      total += chunk.length;
      if (total > maxBytes)
        throw malformed(`more than ${maxBytes} bytes${packed ? ' unpacked' : ''}: split the file`);
      yield chunk;
    }
  } finally {
    file.destroy();
    bytes.destroy();
  }
}

/** A file that is read from its start each time it is opened. */
export const openOf =
  (path: string, maxBytes = MAX_BYTES): Open =>
  () =>
    unpacked(path, maxBytes);

/** All bytes of a file, unpacked where it is gzip. @throws FloeError `data_malformed` */
export const bytesOf = async (path: string, maxBytes = MAX_BYTES): Promise<Uint8Array> => {
  const { size } = await statOf(path);
  if (size > maxBytes)
    throw inFile(path, malformed(`${size} bytes, the limit is ${maxBytes}: split the file`));
  try {
    const parts: Uint8Array[] = [];
    for await (const part of unpacked(path, maxBytes)) parts.push(part);
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  } catch (thrown) {
    throw inFile(path, thrown);
  }
};
