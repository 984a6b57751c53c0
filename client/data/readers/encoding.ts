/**
 * @module Which encoding a text file has, and its bytes as UTF-8. UTF-16 is recognised by its
 * byte-order mark or its zero bytes; all that is not UTF-8 is taken for Windows-1252, of which
 * Latin-1 is a part (WHATWG Encoding Standard).
 */
import { FloeError } from '../../../protocol/errors.ts';
import { malformed } from './limits.ts';

/** Gives the bytes of a file from their start; each call reads it again. */
export type Open = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface Encoding {
  /** A label of the WHATWG Encoding Standard. */
  readonly name: string;
  /** The user, a byte-order mark, or the look of the first bytes. */
  readonly from: 'user' | 'mark' | 'bytes';
}

/** Share of zero bytes on one side of the pairs from which a text is UTF-16. */
const ZEROS = 0.4;

const zeroShare = (bytes: Uint8Array, from: number): number => {
  let zeros = 0;
  for (let i = from; i < bytes.length; i += 2) if (bytes[i] === 0) zeros += 1;
  return (2 * zeros) / Math.max(1, bytes.length);
};

/** Whether the encoding of a user's name is one that Node and browsers read. */
const decoderOf = (name: string): TextDecoder => {
  try {
    return new TextDecoder(name, { fatal: true });
  } catch (thrown) {
    throw new FloeError(
      'usage',
      `--encoding: expected a name such as utf-8, windows-1252, utf-16le or shift_jis, got "${name}"`,
      {},
      { cause: thrown },
    );
  }
};

/**
 * The encoding of a file by its first bytes; UTF-8 holds until a byte says otherwise.
 * @throws FloeError `usage` for an encoding that does not exist
 */
export const encodingOf = (start: Uint8Array, given?: string): Encoding => {
  if (given !== undefined) return { name: decoderOf(given).encoding, from: 'user' };
  const [a, b, c] = start;
  if (a === 0xff && b === 0xfe) return { name: 'utf-16le', from: 'mark' };
  if (a === 0xfe && b === 0xff) return { name: 'utf-16be', from: 'mark' };
  if (a === 0xef && b === 0xbb && c === 0xbf) return { name: 'utf-8', from: 'mark' };
  const head = start.subarray(0, 4096);
  const [even, odd] = [zeroShare(head, 0), zeroShare(head, 1)];
  if (odd > ZEROS && even < ZEROS / 4) return { name: 'utf-16le', from: 'bytes' };
  if (even > ZEROS && odd < ZEROS / 4) return { name: 'utf-16be', from: 'bytes' };
  return { name: 'utf-8', from: 'bytes' };
};

/** Thrown inside of the reader: the file is not UTF-8 after all, and is read again. */
export class NotUtf8 extends Error {
  override readonly name = 'NotUtf8';
}

const isAscii = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; i += 1) if ((bytes[i] as number) > 0x7f) return false;
  return true;
};

/**
 * The bytes as UTF-8, without a byte-order mark.
 * @throws NotUtf8 where UTF-8 was only assumed
 * @throws FloeError `data_malformed` where the bytes are not of the encoding
 */
export async function* asUtf8(open: Open, encoding: Encoding): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding.name, { fatal: true });
  const encoder = new TextEncoder();
  const isUtf8 = encoding.name === 'utf-8';
  let pending = false;
  let first = true;
  const decode = (bytes: Uint8Array | undefined): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (thrown) {
      if (isUtf8 && encoding.from === 'bytes') throw new NotUtf8();
      const { code, message, details } = malformed(
        `the bytes are not ${encoding.name}: name the encoding with --encoding`,
      );
      throw new FloeError(code, message, details, { cause: thrown });
    }
  };
  for await (const chunk of open()) {
    // ASCII is the common case, and is the same in UTF-8: nothing is decoded.
    if (isUtf8 && !pending && isAscii(chunk)) {
      first = false;
      yield chunk;
      continue;
    }
    const text = decode(chunk);
    if (!isUtf8) {
      yield encoder.encode(text);
      continue;
    }
    // A character may be cut by the end of the chunk: the decoder remembers, so all after it pass.
    pending = true;
    const mark = first && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
    first = false;
    yield mark ? chunk.subarray(3) : chunk;
  }
  decode(undefined);
}
