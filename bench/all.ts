/**
 * @module `npm run bench`: runs every benchmark in a separate process, and prints one table of
 * their results. Nothing is asserted: the ratios compare machines and versions.
 */
import { fork } from 'node:child_process';
import { cpus } from 'node:os';
import { formatRow, type Row } from './table.ts';

const BENCHES = [
  'encoding',
  'secagg',
  'overhead',
  'memory',
  'journal',
  'readers',
  'round-bytes',
  'training',
  'input-product',
  'zoo',
  'substrate',
] as const;

/** @throws Error when the benchmark fails */
const rowsOf = async (name: string): Promise<Row[]> => {
  const rows: Row[] = [];
  const child = fork(new URL(`${name}.ts`, import.meta.url), { stdio: 'inherit' });
  child.on('message', (row) => rows.push(row as Row));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`bench/${name}.ts ended with ${String(code)}`);
  return rows;
};

const table: (readonly [string, readonly Row[]])[] = [];
for (const [i, name] of BENCHES.entries()) {
  const start = performance.now();
  console.log(`\n[${i + 1}/${BENCHES.length}] ${name}`);
  // One after the other: they would disturb each other.
  table.push([name, await rowsOf(name)]);
  console.log(
    `[${i + 1}/${BENCHES.length}] ${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`,
  );
}

const [cpu] = cpus();
console.log(
  `\nNode ${process.versions.node}, ${cpus().length} x ${cpu?.model ?? 'unknown processor'}`,
);
const width = Math.max(...table.flatMap(([, rows]) => rows.map(({ what }) => what.length)));
for (const [name, rows] of table) {
  console.log(`\n${name}`);
  for (const row of rows) console.log(`  ${formatRow(row, width)}`);
}
