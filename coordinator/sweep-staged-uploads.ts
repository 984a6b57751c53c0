/**
 * @module Removes the staged uploads of finished attempts. Uploads of failed attempts are removed
 * when the attempt ends. Committed uploads move to permanent storage, and their staged copies are
 * removed once a later attempt is committed; until then the next cohort reads them. The number of
 * files therefore does not grow with failed attempts, and on a network not with rounds. A removal
 * interrupted by a crash is completed when the next attempt ends.
 */
import type { BlobRef } from '../protocol/ports/blob-store.ts';
import type { BlobRemoval } from '../protocol/ports/upload-staging.ts';
import { toHex } from '../protocol/bytes.ts';
import { attemptEntries } from './journal/history.ts';
import type { Journal } from './journal/port.ts';
import { attemptOf, type State } from './machine/index.ts';

/**
 * What becomes of the uploads of one attempt that is over; undefined while it may still change.
 */
const keptOf = async (
  journal: Journal,
  attempt: number,
  newest: number,
): Promise<ReadonlySet<string> | undefined> => {
  const records = (await attemptEntries(journal, attempt)).map(({ record }) => record);
  const commit = records.find(({ type }) => type === 'commit');
  if (commit?.type !== 'commit') return new Set();
  if (commit.body.archive !== undefined) return attempt < newest ? new Set() : undefined;
  const counted = new Set(
    records.flatMap((record) =>
      record.type === 'survivors' ? record.body.uploads.map(toHex) : [],
    ),
  );
  return new Set(
    records.flatMap((record) =>
      record.type === 'upload' && counted.has(toHex(record.hash)) ? [record.body.blob.id] : [],
    ),
  );
};

/**
 * Removes the uploads that no committed round uses.
 * @throws FloeError of store and journal: the next call tries again
 */
export const sweepUploads = async (
  journal: Journal,
  removal: BlobRemoval | undefined,
  state: State,
): Promise<void> => {
  if (removal === undefined) return;
  const { attempt, model } = state;
  const loose = await journal.loose.before(attemptOf(state)?.attempt ?? attempt + 1);
  for (const [own, blobs] of loose) {
    // One attempt after the other: they are few.
    const kept = await keptOf(journal, own, model?.version ?? 0);
    if (kept === undefined) continue;
    const isKept = ({ id }: BlobRef): boolean => kept.has(id);
    const dropped = blobs.filter((ref) => !isKept(ref));
    await removal.discard(dropped);
    await journal.loose.settle(
      dropped.map(({ id }) => id),
      blobs.filter(isKept).map(({ id }) => id),
    );
  }
};
