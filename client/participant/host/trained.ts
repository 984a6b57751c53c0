/**
 * @module What a training gave, until it is encoded.
 */
import type { TrainResult } from '../../trainer.ts';
import type { MemberRound } from './encode-trained.ts';

export interface Trained {
  /** Flat weights before training. */
  readonly before: Float32Array;
  readonly result: TrainResult;
  /** What the strategy's part started from. */
  readonly member: MemberRound;
  readonly milliseconds: number;
}
