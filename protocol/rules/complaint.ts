/**
 * @module The one rule that is not a plain function of bytes compared: an Abort after a complaint holds only where the
 * complaint, judged again, names the same culprit (specification, step 3). Opening a sealed entry may be asynchronous.
 */
import { toHex } from '../bytes.ts';
import { decodeRecordOf, type SignedRecord } from '../records.ts';
import { freezeCohort, judgeComplaint, type Verdict } from '../secagg/index.ts';
import { requireLawful } from './index.ts';
import type { RoundView } from './view.ts';

/** How an Abort that a complaint caused names its outcome. */
const VERDICT_OF: Readonly<Record<string, Verdict>> = {
  complaint_upheld: 'author',
  complaint_unfounded: 'complainer',
};

/**
 * What is wrong with the proof in an Abort; undefined where it holds, or nobody is excluded by a complaint, or the reader did
 * not see cohort and shares and so has nothing to judge by. The plain rules of Abort have been checked before.
 * @throws FloeError of the rules of Complaint
 */
export const proofFinding = async (
  view: RoundView,
  { body }: SignedRecord<'abort'>,
): Promise<string | undefined> => {
  const claimed = VERDICT_OF[body.code];
  if (claimed === undefined || body.complaint === undefined) return undefined;
  const record = decodeRecordOf('complaint', body.complaint);
  // A complete view holds the complaint already, and the Abort itself after it.
  requireLawful({ ...view, complete: false }, record);
  const { cohort, registers, shares, sharers } = view;
  if (cohort === undefined || sharers === undefined)
    // Who was sent every record knows that there were none.
    return view.complete ? 'the complaint is of an attempt without shares' : undefined;
  const { members } = cohort.body;
  const place = members.findIndex((member) => toHex(member) === toHex(record.author));
  const { context, accused, kind, entry, secret } = record.body;
  const committed = shares.get(toHex(accused))?.body.entries[place];
  if (committed === undefined) return 'the complaint is about no entry of this round';
  const registered = members.flatMap((member) => registers.get(toHex(member)) ?? []);
  const verdict = await judgeComplaint(
    context,
    freezeCohort(
      registered.map(({ author, body: { mask, seal } }) => ({ id: author, mask, seal })),
    ),
    { complainer: record.author, accused, kind, entry, secret },
    committed,
  );
  return verdict === claimed ? undefined : `the complaint shows ${verdict}, not ${claimed}`;
};
