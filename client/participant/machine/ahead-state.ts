/**
 * @module The update of a participant in a buffered run, as its state has it: see `ahead.ts`.
 */
import { decodeRecordOf } from '../../../protocol/records/records.ts';
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

/** The update after a restart: the host has it where the memory names it. */
export const aheadAfterRestart = ({ ahead: base }: memories.Memory): Ahead =>
  base === undefined ? { type: 'none' } : { type: 'ready', base };

/**
 * What was saved, after a restart: an attempt whose update is not encoded yet is left where that is
 * not on disk.
 */
export const withoutLostUpdate = (
  { spec }: { readonly spec: { readonly buffer?: unknown } },
  memory: memories.Memory,
): memories.Memory => {
  const { attempt, ahead } = memory;
  if (spec.buffer === undefined || attempt === undefined || attempt.vector !== undefined)
    return memory;
  const { base } = decodeRecordOf('register', attempt.register).body;
  const isHere = ahead !== undefined && ahead.version === base?.version;
  return isHere ? memory : memories.end(memory, 'update_lost');
};
