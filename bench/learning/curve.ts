/**
 * @module Learning curves: one simulated run on local ports, without a baseline, in a folder that
 * is removed afterwards; what remains is the test accuracy of each model.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulate, type SimulateOptions } from '../../sim/index.ts';

export interface Curve {
  /** Test accuracy of the model after each round, from the first one, in [0, 1]. */
  readonly accuracies: readonly number[];
  /** Whether the run ended because it reached `targetAccuracy`. */
  readonly reached: boolean;
  /** Updates that were cut to the clip norm, in all rounds. */
  readonly clipped: number;
}

/** Rounds between two lines of progress. */
const EVERY = 10;

/**
 * Runs a simulation and prints its progress.
 *
 * @param label names the run in the lines of progress
 * @param read is given the run's folder before it is removed
 */
export const curveOf = async (
  label: string,
  options: SimulateOptions,
  read?: (folder: string) => Promise<void>,
): Promise<Curve> => {
  const outDir = await mkdtemp(join(tmpdir(), 'floe-bench-'));
  const accuracies: number[] = [];
  let clipped = 0;
  try {
    const { summary, folder } = await simulate({
      baseline: false,
      substrate: 'local',
      outDir,
      onEvent: (event) => {
        if (event.type === 'round') clipped += event.round.clipped;
        if (event.type !== 'scored' || event.version === 0) return;
        const accuracy = event.testAccuracy ?? 0;
        accuracies[event.version - 1] = accuracy;
        if (event.version % EVERY === 0)
          console.log(`  ${label}: round ${event.version}, ${(100 * accuracy).toFixed(2)} %`);
      },
      ...options,
    });
    await read?.(folder);
    return {
      accuracies: accuracies.slice(0, summary.rounds),
      reached: summary.status === 'target',
      clipped,
    };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
};

export const bestOf = ({ accuracies }: Curve): number => Math.max(0, ...accuracies);

export const lastOf = ({ accuracies }: Curve): number => accuracies.at(-1) ?? 0;

/** The first round at or above the target; infinity where there is none. */
export const roundsTo = ({ accuracies }: Curve, target: number): number => {
  const at = accuracies.findIndex((accuracy) => accuracy >= target);
  return at < 0 ? Infinity : at + 1;
};

/** Mean accuracy of the last `rounds` models. */
export const meanOfLast = ({ accuracies }: Curve, rounds: number): number => {
  const last = accuracies.slice(-rounds);
  return last.reduce((a, b) => a + b, 0) / last.length;
};
