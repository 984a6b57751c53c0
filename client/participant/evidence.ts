/**
 * @module What a participant checks of the spot checks themselves, as pure functions: that the round names the newest commit,
 * that the records it is shown are those of that commit, and that every sharer has signed a check of it (secure-aggregation,
 * section 2, step 8).
 *
 * The check travels in Share and not in Register: on a chain a key is for the frozen cohort, so nobody new could open the bundle
 * before the freeze. Nothing has been masked or uploaded by then. A participant checks the newest commit itself; for the ones
 * before it relies on the sharers of each following round, of whom the evidence shows the last: an honest one among them has
 * done the same one commit earlier.
 */
import { leafCount } from '../../protocol/aggregate/leaves.ts';
import { layoutOf } from '../../protocol/aggregate/round.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { SignedRecord } from '../../protocol/records.ts';
import { readEvidence, type CommitEvidence } from '../../protocol/verify/evidence.ts';
import type { RunView } from './checks.ts';

/**
 * Whether the open record names a commit to check exactly where there is one.
 *
 * @param commit the last commit this participant knows
 * @throws FloeError `record_malformed`, `record_conflict`
 */
export const checkOpenBundle = (
  { spec }: RunView,
  { body }: SignedRecord<'open'>,
  commit: SignedRecord<'commit'> | undefined,
): void => {
  const { bundle, model } = body;
  const wanted = spec.secagg === 'masked' && model.version > 0;
  if (wanted !== (bundle !== undefined))
    throw new FloeError(
      'record_malformed',
      wanted ? 'the round names no commit to check' : 'the round names a commit before the first',
    );
  const known = commit?.round === model.version ? commit : undefined;
  if (bundle !== undefined && known !== undefined && !equalBytes(bundle.commit, known.hash))
    throw new FloeError('record_conflict', 'another commit of the same round is to be checked');
};

/** Every one of these has signed a check of the commit. @throws FloeError `record_malformed` */
const requireChecks = (
  shares: readonly SignedRecord<'share'>[],
  commit: Uint8Array | undefined,
  leaves: number,
): void => {
  for (const { author, body } of shares) {
    const { check } = body;
    const fits =
      commit === undefined
        ? check === undefined
        : check !== undefined && equalBytes(check.commit, commit) && check.leaf < leaves;
    if (!fits)
      throw new FloeError('record_malformed', 'a sharer has not checked the newest commit', {
        author: toHex(author),
      });
  }
};

/** Leaves of the sum that a commit is over. */
export const leavesOf = ({ spec }: RunView, { cohort }: CommitEvidence): number =>
  leafCount(layoutOf(spec, cohort.body.members.length));

/** Of the sharers of this round. @throws FloeError `record_malformed` */
export const checkChecks = (
  view: RunView,
  { body }: SignedRecord<'open'>,
  evidence: CommitEvidence | undefined,
  shares: readonly SignedRecord<'share'>[],
): void => {
  const leaves = evidence === undefined ? Infinity : leavesOf(view, evidence);
  requireChecks(shares, body.bundle?.commit, leaves);
};

/**
 * The records that a participant is shown of the commit it is to check.
 *
 * @throws FloeError `record_conflict` for those of another commit, `record_malformed`; as `readEvidence`
 */
export const checkEvidence = (
  { spec, run }: RunView,
  { body }: SignedRecord<'open'>,
  records: readonly Uint8Array[],
): CommitEvidence => {
  const evidence = readEvidence(spec, run, records);
  const { commit, open, shares } = evidence;
  const { model } = commit.body;
  if (body.bundle === undefined || !equalBytes(body.bundle.commit, commit.hash))
    throw new FloeError('record_conflict', 'the records are not those of the commit to check');
  const same =
    body.model.version === model.version &&
    equalBytes(body.model.hash, model.hash) &&
    equalBytes(body.model.blob.sha256, model.blob.sha256);
  if (!same)
    throw new FloeError('record_conflict', 'the round starts from another model than committed');
  // What that check's own leaves were is not shown; which commit it was of is.
  requireChecks(shares, open.body.bundle?.commit, Infinity);
  return evidence;
};
