/**
 * @module A damaged file of any kind ends in values or in `data_malformed`, and soon: the readers
 * run in a thread, which is ended when one file takes longer than any may.
 */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { type DamagedFile, casesOf } from './damage.ts';
import { FILES } from './right-files.ts';

/** Milliseconds for one small file, on a machine with much else to do. */
const LONGEST = 20_000;

/** Each fault with its case; the case that does not end is the last. */
const readAll = (cases: readonly DamagedFile[]): Promise<readonly unknown[]> =>
  new Promise((resolve, reject) => {
    const progress = new Int32Array(new SharedArrayBuffer(4));
    const faults: unknown[] = [];
    const worker = new Worker(new URL('damage-worker.ts', import.meta.url), {
      workerData: { cases, progress },
    });
    let [last, since] = [-1, Date.now()];
    const watch = setInterval(() => {
      const at = progress[0] as number;
      if (at !== last) [last, since] = [at, Date.now()];
      else if (Date.now() - since > LONGEST) {
        faults.push(['does not end', cases[at]]);
        void worker.terminate();
      }
    }, 200);
    worker.on('message', ([at, fault]: [number, string]) => faults.push([fault, cases[at]]));
    worker.once('error', (error) => {
      clearInterval(watch);
      reject(error);
    });
    worker.once('exit', () => {
      clearInterval(watch);
      resolve(faults);
    });
  });

it('damaged files of every kind end soon, in values or as data_malformed', async () => {
  const cases = Object.entries(FILES).flatMap(([name, { length }]) => {
    // Where the library has loops of its own, more.
    const changes = name.endsWith('.parquet') ? 250 : 30;
    return casesOf(length, { cuts: 20, bits: 40, changes }).map((damage) => ({ name, damage }));
  });
  expect(await readAll(cases)).toEqual([]);
}, 120_000);
