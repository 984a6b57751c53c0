/**
 * @module How an attempt ends: a commit, which names the next model, or an abort, which says
 * whether the sum may be known.
 */
import { reportMetrics } from '../../protocol/algorithm/metrics.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { decodeRecord, type SignedRecord } from '../../protocol/records/records.ts';
import { emptyView, withRecord } from '../../protocol/rules/index.ts';
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
  if (live !== undefined) progress.ownFaults.forget();
  const { weight, clipped, model } = commit.body;
  const metrics = reportMetrics(progress.ports.view.spec.metrics, commit.body.metrics, weight);
  progress.ports.emit({ type: 'committed', round: commit.round, weight, clipped, metrics, model });
};

/**
 * Forgets the attempt; remembers culprits whose breach it has proven. Of an attempt whose end it
 * has missed, too: it may have answered, and answers for that set without them only if it knows.
 * @throws FloeError as `checkAbort`
 */
export const onAbort = async (progress: Progress, record: SignedRecord<'abort'>): Promise<void> => {
  const { live } = progress;
  if (live?.open.round !== record.round) return learnCulprits(progress, record);
  const { unmask, upload } = progress.round();
  const own = progress.masked ? unmask : upload;
  const view = own === undefined ? live.view : withRecord(live.view, decodeRecord(own));
  const { code, reason, answered } = record.body;
  const proven = await checks.checkAbort(view, record);
  progress.stop();
  await remember(progress, proven);
  await progress.memory.end(undefined);
  progress.ports.emit({ type: 'aborted', round: record.round, code, reason, answered });
};

/**
 * The coordinator sends the proof again at each login, for as long as the model stands. @throws
 * FloeError as `checkAbort`
 */
const learnCulprits = async (progress: Progress, record: SignedRecord<'abort'>): Promise<void> => {
  const { ports, memory } = progress;
  const known = new Set(memory.run.culprits);
  if (record.body.lies === undefined) return;
  if (record.body.culprits.every((key) => known.has(addressOf(key)))) return;
  const { spec, run, beacon } = ports.view;
  const view = emptyView({ spec, run, round: record.round, beacon });
  await remember(progress, await checks.checkAbort(view, record));
};

const remember = async ({ memory }: Progress, proven: readonly Uint8Array[]): Promise<void> => {
  if (proven.length > 0) await memory.learn(spending.withCulprits(memory.run, proven));
};
