/**
 * @module Bytes that a round adds to the coordinator's journal: `npx node bench/journal.ts
 * [cohort...]`, by default 5, 10, 20 and 40. Masked rounds of participants that do not train; bytes
 * of the journal's files, without the first round, because later rounds reuse space that earlier
 * ones free. The ratios are to the size of such a round in a journal of version 1, with the current
 * specification, and to the smallest measured round.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '../protocol/ports/memory-store.ts';
import { cryptoReady } from '../protocol/ports/identity.ts';
import { connectionPair } from '../test/support/connection.ts';
import { benchCoordinator, benchParticipant, benchSpec } from './run.ts';
import { report } from './table.ts';

const COHORTS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [5, 10, 20, 40];
const DIMENSION = 16;
const ROUNDS = 6;
const KIB = 1024;
/**
 * KiB a round in version 1, measured with this program: every record twice, every sealed entry,
 * nothing ever removed.
 */
const BEFORE: Readonly<Record<number, number>> = { 5: 147, 10: 383, 20: 1142, 40: 4097 };
/** KiB a round in version 1, the least that was measured: without post-quantum keys. */
const LEAST_BEFORE: Readonly<Record<number, number>> = { 5: 47, 10: 160, 20: 584, 40: 2231 };

/** At once: a moment later the next round has begun to write. */
const bytesIn = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

/** Bytes of the journal's files after each round. */
const play = async (n: number): Promise<number[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'floe-bench-journal-'));
  const store = memoryStore();
  const sizes: number[] = [];
  const spec = await benchSpec(n, DIMENSION, ROUNDS);
  const coordinator = await benchCoordinator(spec, store, join(folder, 'journal'), ({ type }) => {
    if (type === 'committed') sizes.push(bytesIn(folder));
  });
  await coordinator.start();
  const participants = await Promise.all(
    Array.from({ length: n }, (_, i) =>
      benchParticipant(i, DIMENSION, store, async () => {
        const [server, client] = connectionPair(`${i}`);
        coordinator.accept(server);
        return client;
      }),
    ),
  );
  await coordinator.finished;
  await Promise.all(participants.map((one) => one.finished));
  await coordinator.stop();
  rmSync(folder, { recursive: true });
  return sizes;
};

await cryptoReady;
for (const n of COHORTS) {
  // One after the other: they would disturb each other.
  const sizes = await play(n);
  const first = sizes[0] ?? 0;
  const last = sizes.at(-1) ?? 0;
  const value = (last - first) / (sizes.length - 1) / KIB;
  const journals = [
    ['version 1', BEFORE[n]],
    ['the least of version 1', LEAST_BEFORE[n]],
  ] as const;
  for (const [to, before] of journals)
    report({
      what: `journal of a round, n = ${n}`,
      value,
      unit: 'KiB',
      ...(before === undefined ? {} : { ratio: { value: value / before, to } }),
    });
}
