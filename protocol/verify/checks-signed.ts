/**
 * @module Level 0 of the spot checks: each round that starts from a commit names it, and every sharer has signed a check of it
 * (secure-aggregation, section 2, step 8).
 */
import { leafCount } from '../aggregate/leaves.ts';
import { layoutOf } from '../aggregate/round.ts';
import { equalBytes } from '../bytes.ts';
import type { SignedRecord } from '../records.ts';
import type { RunSpec } from '../run-spec.ts';

/** The commit that a round starts from. */
export interface LastCommit {
  readonly record: SignedRecord<'commit'>;
  /** Size of the cohort of its round. */
  readonly members: number;
}

/** Calls `check` once for each rule; it throws where one does not hold. */
export const checkSignedChecks = (
  spec: RunSpec,
  last: LastCommit | undefined,
  open: SignedRecord<'open'>,
  shares: readonly SignedRecord<'share'>[],
  check: (record: SignedRecord, condition: boolean, reason: string) => void,
): void => {
  const wanted = spec.secagg === 'masked' ? last : undefined;
  const { bundle } = open.body;
  if (wanted === undefined) {
    check(open, bundle === undefined, 'names a commit to check where there is none');
    for (const share of shares)
      check(share, share.body.check === undefined, 'a check where there is no commit');
    return;
  }
  const { hash } = wanted.record;
  const leaves = leafCount(layoutOf(spec, wanted.members));
  check(
    open,
    bundle !== undefined && equalBytes(bundle.commit, hash),
    'does not name the last commit to check',
  );
  for (const share of shares) {
    const { check: made } = share.body;
    check(
      share,
      made !== undefined && equalBytes(made.commit, hash) && made.leaf < leaves,
      'no check of the last commit',
    );
  }
};
