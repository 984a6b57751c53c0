/**
 * @module The bytes of the blobs of one process: those used last in memory, the others in a
 * temporary file. A run stores blobs in every round, and the memory of a devnet must not grow with
 * them. The file has no name where the system allows that, so nothing stays after a crash; on
 * Windows it is removed when the shelf is closed. It is appended to only: the space of a blob that
 * is dropped is free again when the shelf is closed.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DevnetError } from '../errors.ts';

/** Bytes of blobs in memory. */
const MEMORY_LIMIT = 16 * 1024 * 1024;

/** A blob on the shelf. */
export interface Shelved {
  readonly length: number;
  /** The bytes, which nobody may change. @throws Error of the file system */
  read(): Uint8Array;
}

interface Item {
  readonly length: number;
  /** While it is in memory. */
  bytes: Uint8Array | undefined;
  /** Position in the file, once it is there. */
  at: number | undefined;
}

/** A new empty file. On Windows an open file keeps its name. */
const openTemporary = (): { readonly descriptor: number; readonly remove: () => void } => {
  const folder = mkdtempSync(join(tmpdir(), `floe-devnet-${process.pid}-`));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const descriptor = openSync(join(folder, 'blobs'), 'wx+', 0o600);
  if (process.platform === 'win32') return { descriptor, remove };
  remove();
  return { descriptor, remove: () => undefined };
};

export class BlobShelf {
  readonly #limit: number;
  /** In memory, in the order of the last use. */
  readonly #recent = new Set<Item>();
  #memory = 0;
  #file: ReturnType<typeof openTemporary> | undefined;
  #end = 0;
  #isClosed = false;

  /** @param limit bytes in memory; the blob used last stays there whatever its size is */
  constructor(limit = MEMORY_LIMIT) {
    this.#limit = limit;
  }

  /** Bytes of blobs in memory. */
  get memory(): number {
    return this.#memory;
  }

  /** Keeps bytes, which nobody may change afterwards. @throws Error of the file system */
  keep(bytes: Uint8Array): Shelved {
    const item: Item = { length: bytes.length, bytes: undefined, at: undefined };
    this.#requireOpen();
    this.#use(item, bytes);
    return {
      length: item.length,
      read: () => {
        this.#requireOpen();
        return this.#use(item, item.bytes ?? this.#load(item));
      },
    };
  }

  /** Removes the file. Nothing can be read or kept afterwards. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#recent.clear();
    this.#memory = 0;
    if (this.#file === undefined) return;
    closeSync(this.#file.descriptor);
    this.#file.remove();
    this.#file = undefined;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new DevnetError('internal', 'the shelf of blobs is closed');
  }

  #use(item: Item, bytes: Uint8Array): Uint8Array {
    this.#memory += item.bytes === undefined ? item.length : 0;
    item.bytes = bytes;
    this.#recent.delete(item);
    this.#recent.add(item);
    for (const oldest of this.#recent) {
      if (this.#memory <= this.#limit || oldest === item) break;
      this.#putAway(oldest);
    }
    return bytes;
  }

  #putAway(item: Item): void {
    if (item.bytes !== undefined && item.at === undefined) {
      this.#write(item.bytes, this.#end);
      item.at = this.#end;
      this.#end += item.length;
    }
    item.bytes = undefined;
    this.#recent.delete(item);
    this.#memory -= item.length;
  }

  #write(bytes: Uint8Array, start: number): void {
    this.#file ??= openTemporary();
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#file.descriptor, bytes, done, bytes.length - done, start + done);
  }

  #load({ length, at }: Item): Uint8Array {
    if (this.#file === undefined || at === undefined)
      throw new DevnetError('internal', 'a blob is neither in memory nor in the file');
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const read = readSync(this.#file.descriptor, bytes, done, length - done, at + done);
      if (read === 0) throw new DevnetError('internal', 'the file of blobs is too short');
      done += read;
    }
    return bytes;
  }
}
