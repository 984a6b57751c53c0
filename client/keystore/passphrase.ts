/**
 * @module A keystore's passphrase from a file or an open file descriptor. It is never printed. Node
 * only.
 */
import { closeSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { FloeError } from '../../protocol/errors.ts';
import { sleep, systemClock } from '../../protocol/ports/clock.ts';
import { readInput } from '../../protocol/ports/input-file.ts';

export const MAX_PASSPHRASE_BYTES = 4096;

export const passphraseTooLong = (source: string): FloeError =>
  new FloeError(
    'usage',
    `${source}: expected a passphrase of at most ${MAX_PASSPHRASE_BYTES} bytes`,
  );

/** @param source named in the error @throws FloeError `passphrase_missing` */
export const notEmpty = (text: string, source: string): string => {
  if (text !== '') return text;
  throw new FloeError('passphrase_missing', `${source} is empty`);
};

/**
 * All of a file but its last line break. @throws FloeError `file_not_found`, `usage`,
 * `passphrase_missing`
 */
export const passphraseOfFile = async (path: string): Promise<string> => {
  const bytes = await readInput('--passphrase-file', path, MAX_PASSPHRASE_BYTES);
  return notEmpty(new TextDecoder().decode(bytes).replace(/\r?\n$/u, ''), path);
};

const firstLine = (bytes: Uint8Array): string =>
  new TextDecoder().decode(bytes).split(/\r?\n/u, 1)[0] as string;

const PATIENCE_MS = 20;

/** One read, and no further one ahead, for that would wait for a writer that keeps its end open. */
const readSome = async (fd: number, into: Uint8Array): Promise<number> => {
  for (;;) {
    try {
      return (await promisify(read)(fd, into, 0, into.length, null)).bytesRead;
    } catch (cause) {
      // Nobody has written yet, and the descriptor does not wait.
      if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') throw cause;
      await sleep(systemClock, PATIENCE_MS);
    }
  }
};

/**
 * Up to the first line break or the end; the descriptor is closed. @throws FloeError `usage`,
 * `passphrase_missing`
 */
export const passphraseOfDescriptor = async (fd: number): Promise<string> => {
  const bytes = new Uint8Array(MAX_PASSPHRASE_BYTES + 1);
  let size = 0;
  try {
    while (size < bytes.length && !bytes.subarray(0, size).includes(0x0a)) {
      const more = await readSome(fd, bytes.subarray(size));
      if (more === 0) break;
      size += more;
    }
    closeSync(fd);
  } catch (cause) {
    throw new FloeError(
      'usage',
      `--passphrase-fd: cannot read descriptor ${fd}: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
  const line = firstLine(bytes.subarray(0, size));
  bytes.fill(0);
  if (size > MAX_PASSPHRASE_BYTES) throw passphraseTooLong('--passphrase-fd');
  return notEmpty(line, `descriptor ${fd}`);
};
