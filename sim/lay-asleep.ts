/**
 * @module Logs participants in that are made when they are first invited.
 */
import { memoryKeystore } from '../client/keystore/index.ts';
import { FloeError } from '../protocol/errors.ts';
import { eventLoopTurn } from '../protocol/secagg/event-loop-turn.ts';
import type { Setup } from './setup.ts';
import type { Switchboard } from './switchboard.ts';

/** Logins between two turns of the event loop. */
const AT_ONCE = 32;

/** Logs these in, in their order; the first invitation makes a participant. */
export const layAsleep = async (
  indices: readonly number[],
  members: Setup['members'],
  switchboard: Switchboard,
  wake: (index: number) => void,
): Promise<void> => {
  for (const [i, index] of indices.entries()) {
    const member = members[index];
    if (member === undefined) throw new FloeError('internal', `no participant ${index}`);
    const { identity } = await memoryKeystore(member.keystoreSeed);
    switchboard.sleep(index, identity, () => wake(index));
    if (i % AT_ONCE === 0) await eventLoopTurn();
  }
};
