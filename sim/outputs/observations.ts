/**
 * @module What the simulator sees of single participants, and nobody in a real run: their local
 * loss, the norm of their update, how long they trained, and which of them were lost. It is
 * collected only where an export asks for it, and goes nowhere else.
 */
import type { Trainer, TrainResult } from '../../client/trainer.ts';

/** One training of one participant. Plain data: it crosses threads. */
export interface TrainingSeen {
  /** As the trainer counts: from 1, the same in a repeated attempt. */
  readonly round: number;
  readonly examples: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** Euclidean norm of the update before it is clipped, over all parameters. */
  readonly norm: number;
  /** On the wall clock of this machine. */
  readonly trainSeconds: number;
}

export interface Observation extends Partial<TrainingSeen> {
  readonly attempt: number;
  readonly participant: number;
  /** The phase after which it was lost. */
  readonly dropped?: string;
  /** As `--attack` is written, of an attacker. */
  readonly attack?: string;
  /**
   * In virtual time: seconds from the opening of the attempt to the arrival of each of its answers.
   */
  readonly registerAfter?: number;
  readonly shareAfter?: number;
  readonly uploadAfter?: number;
  readonly consistentAfter?: number;
  readonly unmaskAfter?: number;
}

/** The column of an answer, by its record. */
export const ARRIVALS = {
  register: 'registerAfter',
  share: 'shareAfter',
  upload: 'uploadAfter',
  consistent: 'consistentAfter',
  unmask: 'unmaskAfter',
} as const satisfies Readonly<Record<string, keyof Observation>>;
export type Answer = keyof typeof ARRIVALS;
export const isAnswer = (type: string): type is Answer => Object.hasOwn(ARRIVALS, type);

const normOf = (before: Float32Array, { weights }: TrainResult): number => {
  let sum = 0;
  for (let i = 0; i < weights.length; i += 1) sum += (weights[i]! - before[i]!) ** 2;
  return Math.sqrt(sum);
};

/** @param now seconds of a steady clock */
export const watchedTrainer = (
  trainer: Trainer,
  now: () => number,
  tell: (seen: TrainingSeen) => void,
): Trainer => ({
  ...trainer,
  train: async (request) => {
    const since = now();
    const result = await trainer.train(request);
    const { examples, lossSum, correct } = result;
    tell({
      round: request.round,
      examples,
      trainLoss: lossSum / Math.max(1, examples),
      trainAccuracy: correct / Math.max(1, examples),
      norm: normOf(request.weights, result),
      trainSeconds: now() - since,
    });
    return result;
  },
});
