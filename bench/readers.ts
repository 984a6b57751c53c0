/**
 * @module The reader of text tables: `npx node bench/readers.ts [rows] [columns]`, by default a
 * million rows of 8 numbers and 20 rows of 100,000 columns. CPU time and the largest resident set,
 * each in a process of its own; the ratios are to Node's `readFile` and `split` of the same file.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTable } from '../client/data/load-node.ts';
import { report } from './table.ts';

const MIB = 2 ** 20;
const [rows = 1_000_000, wide = 100_000] = process.argv.slice(2).map(Number);

interface Measured {
  readonly cpuS: number;
  readonly rssMiB: number;
  readonly values: number;
}

/** In a process of its own: reads the file and sends what it took. */
const measure = async (way: string, path: string): Promise<void> => {
  const before = process.cpuUsage();
  let values = 0;
  if (way === 'table') {
    const table = await readTable(path);
    values = table.rows * table.columns.length;
  } else
    for (const line of (await readFile(path, 'utf8')).split('\n')) values += line.split(',').length;
  const { user, system } = process.cpuUsage(before);
  const measured: Measured = {
    cpuS: (user + system) / 1e6,
    rssMiB: process.resourceUsage().maxRSS / 1024,
    values,
  };
  process.send?.(measured);
};

const inProcess = async (way: string, path: string): Promise<Measured> => {
  const child = fork(new URL(import.meta.url), ['measure', way, path]);
  const [measured] = (await once(child, 'message')) as [Measured];
  await once(child, 'close');
  return measured;
};

/** A table of numbers with two decimals, the same each time. */
const write = async (path: string, height: number, width: number): Promise<void> => {
  const file = createWriteStream(path);
  file.write(`${Array.from({ length: width }, (_, i) => `n${i}`).join(',')}\n`);
  let seed = 1;
  for (let row = 0; row < height; row += 1) {
    const cells: string[] = [];
    for (let i = 0; i < width; i += 1) {
      seed = (seed * 48_271) % 2_147_483_647;
      cells.push(((seed % 20_000) / 100 - 100).toFixed(2));
    }
    if (!file.write(`${cells.join(',')}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
};

const main = async (): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-bench-readers-'));
  for (const [height, width] of [
    [rows, 8],
    [20, wide],
  ] as const) {
    const path = join(folder, 'table.csv');
    await write(path, height, width);
    const what = `${height} rows x ${width} columns`;
    report({ what: `${what}: file`, value: (await stat(path)).size / MIB, unit: 'MiB' });
    const split = await inProcess('split', path);
    const table = await inProcess('table', path);
    const to = 'read + split';
    report({
      what: `${what}: CPU`,
      value: table.cpuS,
      unit: 's',
      ratio: { value: table.cpuS / split.cpuS, to },
    });
    report({
      what: `${what}: largest resident set`,
      value: table.rssMiB,
      unit: 'MiB',
      ratio: { value: table.rssMiB / split.rssMiB, to },
    });
  }
  await rm(folder, { recursive: true });
};

const [, , mode, way = '', path = ''] = process.argv;
await (mode === 'measure' ? measure(way, path) : main());
