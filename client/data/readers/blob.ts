/**
 * @module A CSV or JSON table out of a `Blob`, such as the `File` that a page's file picker or a
 * drop gives. It is read as a file is read in Node: streamed, with the same checks.
 */
import type { Table } from '../table.ts';
import { type CsvOptions, readCsv } from './csv.ts';
import { readJson } from './json.ts';
import { MAX_BYTES, inFile, malformed } from './limits.ts';

const JSON_NAME = /\.(?:json|jsonl|ndjson)$/iu;

/** Not every browser can iterate over a stream itself. */
async function* chunksOf(blob: Blob): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

/**
 * @param blob a `File` says by its name whether it is JSON (`.json`, `.jsonl`, `.ndjson`); all else
 *   is read as CSV
 * @param options as of a CSV file; JSON takes `text`, `drop` and `maxValues` of them
 * @throws FloeError `data_malformed`, which names the file, row and column
 */
export const readTableOfBlob = async (blob: Blob, options: CsvOptions = {}): Promise<Table> => {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'table.csv';
  if (blob.size > MAX_BYTES)
    throw inFile(name, malformed(`${blob.size} bytes, the limit is ${MAX_BYTES}`));
  const open = () => chunksOf(blob);
  return JSON_NAME.test(name) ? readJson(open, name, options) : readCsv(open, name, options);
};
