/**
 * Bombs in files of data: a Parquet footer of empty structures, each one byte of the file and some
 * two hundred of memory, of which 30 MB would end the process; a few bytes of LZ4 that declare more
 * than they can unpack to.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lz4Block, lz4Frame } from '../../client/data/readers/lz4.ts';
import { readParquet } from '../../client/data/readers/parquet-node.ts';
import { readThrift } from '../../client/data/readers/thrift.ts';

/** Field 15, a list of this many structures; then its bytes. */
const listOf = (length: number): readonly number[] => {
  const varint: number[] = [];
  let rest = length;
  for (; rest > 127; rest = Math.floor(rest / 128)) varint.push((rest % 128) | 128);
  return [0xf9, 0xfc, ...varint, rest];
};

const bomb = (length: number): Uint8Array => {
  const head = listOf(length);
  const bytes = new Uint8Array(head.length + length + 1);
  bytes.set(head);
  return bytes;
};

it('a file of five million empty structures is refused before they are made', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-bomb-'));
  try {
    const footer = bomb(5_000_000);
    const tail = Buffer.alloc(8);
    tail.writeUInt32LE(footer.length, 0);
    tail.write('PAR1', 4, 'latin1');
    const path = join(folder, 'bomb.parquet');
    await writeFile(path, Buffer.concat([Buffer.from('PAR1'), footer, tail]));
    await expect(readParquet(path)).rejects.toThrow('more than 4194304 values');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it('many short lists and fields count as one long list does', () => {
  // Structures in a list, each with one field that is true.
  const fields = Uint8Array.from([0xf9, 0x3c, 0x11, 0, 0x11, 0, 0x11, 0, 0]);
  expect(readThrift(fields, 0, 7).end).toBe(fields.length);
  expect(() => readThrift(fields, 0, 6)).toThrow('more than 6 values');
  // Lists of one list each, down to an empty one.
  const lists = Uint8Array.from([0xf9, 0x19, 0x19, 0x19, 0x09, 0]);
  expect(readThrift(lists, 0, 4).end).toBe(lists.length);
  expect(() => readThrift(lists, 0, 3)).toThrow('more than 3 values');
});

it('LZ4 that declares more than it can unpack to is refused before the memory is taken', () => {
  expect(() => lz4Block(new Uint8Array(20), 2 ** 40)).toThrow('broken LZ4 data');
  const frame = new Uint8Array(32);
  new DataView(frame.buffer).setUint32(0, 0x184d2204, true);
  expect(() => lz4Frame(frame, 2 ** 40)).toThrow('broken LZ4 data');
});
