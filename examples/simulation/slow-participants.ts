/**
 * @module Does it pay not to wait? The same twenty participants, four of them ten times slower, in
 * virtual time: rounds that wait for their cohort, and buffered rounds, which take the first five
 * updates that are ready (FedBuff: Nguyen et al. 2022). Prints when each has reached an accuracy:
 *
 *   npx node examples/simulation/slow-participants.ts
 *
 * No round lasts as long as it says: the clock is virtual, and a run takes seconds.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulate, type SimulateOptions } from '../../sim/index.ts';
import { data, name, trainer } from './task.ts';

const TARGET = 0.93;
const K = 5;

const WAYS = {
  'cohorts of five': { cohort: K },
  'cohorts of five of eight invited': { cohort: K, overSelect: 1.6 },
  'buffers of five': { buffer: K, maxStaleness: 20 },
} satisfies Record<string, SimulateOptions>;

export interface Reached {
  readonly way: string;
  /** Virtual; undefined where the accuracy was not reached. */
  readonly seconds: number | undefined;
  readonly rounds: number;
  /** Mean over all updates, in commits: 0 where no update is older than its round. */
  readonly staleness: number;
}

const play = async (way: string, options: SimulateOptions): Promise<Reached> => {
  const outDir = join(tmpdir(), `floe-slow-${process.pid}`);
  try {
    const { summary } = await simulate({
      data,
      name,
      trainer,
      participants: 20,
      minimum: 3,
      rounds: 100,
      learningRate: 0.15,
      speed: { type: 'stragglers', median: 10, fraction: 0.2, factor: 10 },
      targetAccuracy: TARGET,
      baseline: false,
      workers: 1,
      substrate: 'local',
      outDir,
      ...options,
    });
    const { history, status, virtualSeconds } = summary;
    const ages = history.flatMap(({ staleness = [] }) => staleness);
    return {
      way,
      seconds: status === 'target' ? virtualSeconds : undefined,
      rounds: history.length,
      staleness: ages.reduce((sum, age) => sum + age, 0) / Math.max(1, ages.length),
    };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
};

type Way = keyof typeof WAYS;

/** One after the other: each has all cores. */
export const compareWays = async (
  ways = Object.keys(WAYS) as readonly Way[],
): Promise<readonly Reached[]> => {
  const found: Reached[] = [];
  // oxlint-disable-next-line no-await-in-loop
  for (const way of ways) found.push(await play(way, WAYS[way]));
  return found;
};

if (import.meta.main)
  for (const { way, seconds, rounds, staleness } of await compareWays()) {
    const when = seconds === undefined ? 'not reached' : `${seconds.toFixed(0)} virtual s`;
    console.log(
      `${way.padEnd(34)} ${(100 * TARGET).toFixed(0)} %: ${when.padEnd(16)} ${rounds} rounds, mean staleness ${staleness.toFixed(1)}`,
    );
  }
