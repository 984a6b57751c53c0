/**
 * @module The records that a participant is shown of the commit that an attempt starts from, so
 * that it can check it before it shares (secure-aggregation, section 2, step 8).
 *
 * The check travels in Share and not in Register: on a chain a key is for the frozen cohort, so
 * nobody new could open the bundle before the freeze. Nothing has been masked or uploaded by then.
 * A participant checks the newest commit itself; for the ones before it relies on the sharers of
 * each following round, of whom the evidence shows the last: an honest one among them has done the
 * same one commit earlier.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { Breach, requireLawful } from '../../../protocol/rules/index.ts';
import { readEvidence, type CommitEvidence } from '../../../protocol/verify/evidence.ts';
import type { OpenView, RunView } from './record-checks.ts';

/**
 * @param opened the attempt, whose Open record was checked as far as that was possible before
 * @throws FloeError `record_conflict` for records of another commit than the one that the attempt
 * names; `not_drawn` where the invited are not those that R draws; as `readEvidence`
 */
export const checkEvidence = (
  { spec, run, beacon }: RunView,
  opened: OpenView,
  records: readonly Uint8Array[],
): CommitEvidence => {
  const { open } = opened;
  const { body } = open;
  const evidence = readEvidence(spec, run, beacon, records);
  const { commit } = evidence;
  const { model } = commit.body;
  if (body.bundle === undefined || !equalBytes(body.bundle.commit, commit.hash))
    throw new FloeError('record_conflict', 'the records are not those of the commit to check');
  const same =
    body.model.version === model.version &&
    equalBytes(body.model.hash, model.hash) &&
    equalBytes(body.model.blob.sha256, model.blob.sha256);
  // The open record names this very commit, and the coordinator signed both.
  if (!same)
    throw new Breach('record_conflict', 'the attempt starts from another model than committed', [
      open,
      commit,
    ]);
  // Who did not know the commit could not compare before.
  if (!equalBytes(body.beacon, commit.body.beacon))
    throw new Breach('record_conflict', 'the attempt has another beacon than committed', [
      open,
      commit,
    ]);
  // The rate of the local steps and the age of an update follow from the count.
  if (body.committed !== evidence.open.body.committed + 1)
    throw new Breach('record_conflict', 'the attempt counts other commits than there were', [
      open,
      evidence.open,
      commit,
    ]);
  // Now it is known which set was signed before R was.
  const seen = { ...opened, previous: commit, lastSurvivors: evidence.survivors };
  requireLawful({ ...seen, open: undefined }, open);
  return evidence;
};
