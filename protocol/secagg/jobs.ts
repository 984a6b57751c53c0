/**
 * @module The pair masks of one participant as a list of jobs: for a participant before it uploads,
 * and for whoever reconstructed the secret of one that dropped.
 */
import { FloeError } from '../errors.ts';
import { indexOf, memberOf } from './cohort.ts';
import type { Cohort, Id } from './cohort.ts';
import type { RoundKeys } from './keys.ts';
import type { MaskJob } from './masks.ts';
import { pairMask } from './pairs.ts';
import { parseEntry } from './shares.ts';
import { eventLoopTurn } from './turn.ts';

export interface PairMasksInit {
  readonly keys: RoundKeys;
  readonly context: Uint8Array;
  readonly cohort: Cohort;
  readonly self: Id;
  /** The entry for `self` from each peer to mask with; `self` is not among the authors. */
  readonly inbox: readonly { readonly author: Id; readonly entry: Uint8Array }[];
  /**
   * The entries that `self` published, in cohort order; where given, they are checked against its
   * keys.
   */
  readonly published?: readonly Uint8Array[];
  readonly signal?: AbortSignal | undefined;
}

/** After this many pairs (about 1 ms each) the event loop gets a turn. */
const PAIRS_PER_TURN = 16;

/**
 * The masks that `self` adds, one for each author of `inbox`, in that order.
 * @throws FloeError `not_in_cohort`, `share_invalid`, `context_mismatch`, `aborted`;
 *   `commitment_mismatch` if `published` holds an encapsulation that the keys do not yield.
 */
export const pairMasks = async (init: PairMasksInit): Promise<MaskJob[]> => {
  const { keys, context, cohort, self, inbox, published, signal } = init;
  const jobs: MaskJob[] = [];
  for (const [count, { author, entry }] of inbox.entries()) {
    if (signal?.aborted)
      throw new FloeError('aborted', 'Masking was cancelled.', {}, { cause: signal.reason });
    const peer = memberOf(cohort, author);
    const fromPeer = parseEntry(author, self, entry).kem;
    const toPeer = published?.[indexOf(cohort, author)];
    jobs.push(
      pairMask({
        keys,
        context,
        self,
        peer,
        fromPeer,
        ...(toPeer === undefined ? {} : { toPeer: parseEntry(self, author, toPeer).kem }),
      }),
    );
    if (count % PAIRS_PER_TURN === PAIRS_PER_TURN - 1) await eventLoopTurn();
  }
  return jobs;
};
