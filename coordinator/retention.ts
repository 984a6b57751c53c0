/**
 * @module Removes the blobs of old rounds, if the specification limits the number of kept rounds.
 * Once a later attempt is committed, this machine deletes the uploads, bundles and models that only
 * older rounds name. The records of all rounds are kept. A removal interrupted by a crash is
 * completed when the next attempt ends.
 */
import { toHex } from '../protocol/bytes.ts';
import type { BlobRemoval } from '../protocol/ports/upload-staging.ts';
import type { Journal } from './journal/port.ts';
import type { State } from './machine/index.ts';
import { commitBefore } from './past-commits.ts';

export interface Retention {
  /** @throws FloeError of store and journal: done again the next time */
  sweep(state: State): Promise<void>;
}

/**
 * @param keep rounds whose blobs stay; undefined for all of them
 * @param removal of the store that holds them by SHA-256
 */
export const createRetention = (
  journal: Journal,
  removal: BlobRemoval | undefined,
  keep: number | undefined,
): Retention => {
  /** The newest commits, the newest first: found again from the records after a restart. */
  let commits: readonly number[] = [];

  const newest = async (version: number): Promise<readonly number[]> => {
    const found: number[] = [];
    for (let attempt = version; attempt > 0 && found.length < (keep ?? 0);) {
      const at = commits.indexOf(attempt);
      if (at >= 0) return [...found, ...commits.slice(at)].slice(0, keep);
      found.push(attempt);
      // Each names the one before it.
      attempt = await commitBefore(journal, attempt);
    }
    return found;
  };

  return {
    sweep: async ({ model }) => {
      if (keep === undefined || removal === undefined || model === undefined) return;
      commits = await newest(model.version);
      const oldest = commits.at(-1);
      if (oldest === undefined || commits.length < keep) return;
      const outdated = await journal.blobsBefore(oldest);
      if (outdated.length === 0) return;
      // Local copies are stored under their hash, not under the id that a network assigned.
      await removal.discard(outdated.map((ref) => ({ ...ref, id: toHex(ref.sha256) })));
      await journal.loose.settle(
        outdated.map(({ id }) => id),
        [],
      );
    },
  };
};
