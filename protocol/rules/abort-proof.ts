/**
 * @module The one rule that is not a plain function of bytes compared: an Abort names culprits only
 * with proof, and the proof, judged again, shows just them. A complaint (specification, step 3)
 * opens one sealed entry; a lie that was found when the sum was opened (section 2.0, rule b) is
 * shown by shares that give another secret than was committed to. Who judges needs nobody's word,
 * so that members answer once more for a set without a culprit whom they have proven themselves.
 */
import { toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { decodeRecordOf, type ShownLie, type SignedRecord } from '../records/records.ts';
import {
  freezeCohort,
  judgeComplaint,
  requireLie,
  SECRET_BYTES,
  type Cohort,
  type Verdict,
} from '../secagg/index.ts';
import { graphOf } from './groups.ts';
import { requireLawful } from './index.ts';
import { includes } from './rule.ts';
import type { AttemptView } from './view.ts';

/** How an Abort that a complaint caused names its outcome. */
const VERDICT_OF: Readonly<Record<string, Verdict>> = {
  complaint_upheld: 'author',
  complaint_unfounded: 'complainer',
};

/** The members with their keys; undefined where the reader did not see them. */
const cohortOf = ({ spec, cohort, registers }: AttemptView): Cohort | undefined =>
  cohort &&
  freezeCohort(
    cohort.body.members
      .flatMap((member) => registers.get(toHex(member)) ?? [])
      .map(({ author, body: { mask, seal } }) => ({ id: author, mask, seal })),
    cohort.body.beacon,
    { graph: graphOf({ spec, cohort }) },
  );

/**
 * The view for a record that a proof quotes: it came before others that a complete view holds, and
 * before the Abort.
 */
const asItCame = (view: AttemptView): AttemptView => ({ ...view, complete: false });

const unproven = (message: string): FloeError => new FloeError('complaint_invalid', message);

/**
 * Whether the complaint was judged. @throws FloeError `complaint_invalid` where it shows something
 * else
 */
const judge = async (view: AttemptView, code: string, complaint: Uint8Array): Promise<boolean> => {
  const claimed = VERDICT_OF[code];
  const record = decodeRecordOf('complaint', complaint);
  requireLawful(asItCame(view), record);
  const cohort = cohortOf(view);
  if (cohort === undefined || view.sharers === undefined) {
    // A party that received every record knows that there were none.
    if (view.complete) throw unproven('the complaint is of an attempt without shares');
    return false;
  }
  const { context, accused, kind, entry, path, secret } = record.body;
  const signed = view.shares.get(toHex(accused))?.body.entries;
  if (signed === undefined) throw unproven('the complaint is about no entry of this attempt');
  const verdict = await judgeComplaint(
    context,
    cohort,
    { complainer: record.author, accused, kind, entry, path, secret },
    signed,
  );
  if (verdict !== claimed) throw unproven(`the complaint shows ${verdict}, not ${claimed}`);
  return true;
};

const unshown = (message: string): FloeError => new FloeError('evidence_invalid', message);

/**
 * What the attempt opens: `self` of survivors, sigma of who dropped, of which a pair shows what is
 * half of it.
 */
const requireOpened = (view: AttemptView, lie: ShownLie, author: Uint8Array): void => {
  const { sharers, survivors, complete } = view;
  if (complete && (sharers === undefined || survivors === undefined))
    throw unshown('the attempt had no survivors, so that nothing was opened');
  const isOfRecipient = lie.kind === 'pair' && lie.secret.length !== SECRET_BYTES;
  const opened = isOfRecipient ? lie.recipient : author;
  for (const member of [author, opened])
    if (sharers !== undefined && !includes(sharers.body.members, member))
      throw unshown('the evidence names somebody who is not among the sharers');
  if (survivors === undefined) return;
  if (includes(survivors.body.members, opened) !== (lie.kind === 'self'))
    throw unshown('the shares that are shown are not those that were asked for');
};

/** The author that a lie shows, or undefined where the reader has not seen what it rests on. */
const liarOf = async (
  view: AttemptView,
  cohort: Cohort | undefined,
  lie: ShownLie,
): Promise<Uint8Array | undefined> => {
  const record = decodeRecordOf('share', lie.record);
  requireLawful(asItCame(view), record);
  const { author } = record;
  requireOpened(view, lie, author);
  const shown = { ...lie, author };
  return (await requireLie({ ...record.body, author }, shown, cohort)) ? author : undefined;
};

/**
 * The culprits of an Abort that this reader has thereby proven itself. A false self secret is shown
 * by signed bytes in the Abort alone, also to a member that has missed the rest; for the others the
 * reader must have seen cohort and sharers. The plain rules of Abort have been checked before.
 * @throws FloeError `complaint_invalid`, `evidence_invalid` where the proof shows something else;
 * those of the rules of Complaint and Share
 */
export const provenBy = async (
  view: AttemptView,
  { body }: SignedRecord<'abort'>,
): Promise<readonly Uint8Array[]> => {
  const { complaint, lies } = body;
  if (complaint !== undefined)
    return (await judge(view, body.code, complaint)) ? body.culprits : [];
  if (lies === undefined) return [];
  const cohort = cohortOf(view);
  const proven: Uint8Array[] = [];
  for (const lie of lies) {
    const liar = await liarOf(view, cohort, lie);
    if (liar !== undefined) proven.push(liar);
  }
  return proven;
};
