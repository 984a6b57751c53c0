/**
 * @module The body of an HTTP message, read up to a limit: what is longer is cut off, not buffered.
 */
import { joinBytes } from '../bytes.ts';

type Body = ReadableStream<Uint8Array> | null;

const chunksOf = (body: Body): AsyncIterable<Uint8Array> | readonly Uint8Array[] =>
  body === null ? [] : body;

/**
 * A body of unknown length, at most `most` bytes.
 * @param excess what is thrown when more comes
 */
export const readAtMost = async (
  body: Body,
  most: number,
  excess: () => Error,
): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(body)) {
    size += chunk.length;
    if (size > most) throw excess();
    chunks.push(chunk);
  }
  return joinBytes(chunks);
};

/**
 * A body that should have `size` bytes, into one buffer.
 * @returns fewer where the body ends before
 * @param excess what is thrown when more comes
 */
export const readSized = async (
  body: Body,
  size: number,
  excess: () => Error,
): Promise<Uint8Array> => {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const chunk of chunksOf(body)) {
    if (at + chunk.length > size) throw excess();
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return at === size ? bytes : bytes.subarray(0, at);
};
