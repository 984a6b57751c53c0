/**
 * @module How an attempt ends: a commit, which names the next model, or an abort, which says whether the sum may be known.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { decodeRecord, type SignedRecord } from '../../protocol/records.ts';
import { withRecord } from '../../protocol/rules/index.ts';
import * as checks from './checks.ts';
import type { Progress } from './progress.ts';
import * as spending from './spending.ts';

/** Remembers the new model. @throws FloeError `record_replayed`; those of the rules of Commit */
export const onCommit = async (
  progress: Progress,
  commit: SignedRecord<'commit'>,
): Promise<void> => {
  const known = progress.memory.commit;
  if (known !== undefined && equalBytes(known.hash, commit.hash)) return;
  if (known !== undefined && commit.round <= known.round)
    throw new FloeError(
      'record_replayed',
      `a commit of round ${commit.round} came after that of round ${known.round}`,
    );
  const live = progress.live?.open.round === commit.round ? progress.live : undefined;
  checks.checkCommit(progress.ports.view, commit, live?.view);
  await progress.memory.commitTo(commit);
  if (progress.memory.run.round === undefined) progress.stop();
  const { weight, metrics, model } = commit.body;
  progress.ports.emit({ type: 'committed', round: commit.round, weight, metrics, model });
};

/** Forgets the attempt; remembers culprits whose breach it has proven. @throws FloeError as `checkAbort` */
export const onAbort = async (progress: Progress, record: SignedRecord<'abort'>): Promise<void> => {
  const { live } = progress;
  if (live?.open.round !== record.round) return;
  const { unmask, upload } = progress.round();
  const own = progress.masked ? unmask : upload;
  const view = own === undefined ? live.view : withRecord(live.view, decodeRecord(own));
  const { code, reason, answered } = record.body;
  const proven = await checks.checkAbort(view, record);
  progress.stop();
  if (proven.length > 0)
    await progress.memory.add({}, spending.withCulprits(progress.memory.run, proven));
  await progress.memory.end(undefined);
  progress.ports.emit({ type: 'aborted', round: record.round, code, reason, answered });
};
