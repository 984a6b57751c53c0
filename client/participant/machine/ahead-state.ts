/**
 * @module The update of a participant in a buffered run, as its state has it: see `ahead.ts`.
 */
import * as memories from './run-memory.ts';

/** The model that an update is trained on. */
export interface Base {
  /** The attempt in which the training began. */
  readonly attempt: number;
  readonly version: number;
  readonly hash: Uint8Array;
  /** Commits up to this model. */
  readonly committed: number;
}

export type Ahead =
  | { readonly type: 'none' }
  | { readonly type: 'training'; readonly base: Base }
  /** The host has the update. `used`: the model that it was encoded for, and the commits to it. */
  | {
      readonly type: 'ready';
      readonly base: Base;
      readonly used?: { readonly model: Uint8Array; readonly committed: number };
    };

/**
 * What was saved, after a restart: the update was in the memory of the process, so an attempt in
 * which it is not encoded yet is left.
 */
export const withoutLostUpdate = (
  { spec }: { readonly spec: { readonly buffer?: unknown } },
  memory: memories.Memory,
): memories.Memory =>
  spec.buffer === undefined || memory.attempt === undefined || memory.attempt.vector !== undefined
    ? memory
    : memories.end(memory, 'update_lost');
