/**
 * @module Share and the sharers: a participant's shares for its cohort, and what it opens of the
 * others' or complains about. Bonawitz et al. 2017, round 1; secure-aggregation, section 2, step 3.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/wire/messages.ts';
import { decodeRecordOf } from '../../protocol/records/records.ts';
import type { Party } from '../../protocol/secagg/index.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import * as checks from './checks.ts';
import { shareRecordOf, type Live } from './current-attempt.ts';
import type { Progress } from './progress.ts';
import * as steps from './crypto-steps.ts';
import { makeVector, train } from './uploading.ts';

/** Sends the shares, without masks there are none, and trains once they have left. */
export const trainAndShare = async (progress: Progress, live: Live): Promise<void> => {
  const { cohort } = live;
  if (cohort === undefined) return;
  // The model is fetched meanwhile; the trainer waits for the shares.
  train(progress, live);
  try {
    if (progress.masked) await share(progress, live, cohort);
  } finally {
    live.shared.resolve();
  }
  if (!progress.masked) return makeVector(progress, live);
};

const share = async (
  progress: Progress,
  live: Live,
  cohort: checks.CheckedCohort,
): Promise<void> => {
  const { view, own } = progress.ports;
  let round = progress.round();
  if (round.sharing === undefined) {
    const party = partyOf(progress, live, cohort);
    const check = live.open.body.bundle && progress.memory.run.checked;
    const sharing = await steps.makeSharing(view, own, party, live.open.round, check);
    round = await progress.memory.add({ sharing });
  }
  progress.ports.send(round.sharing!.frame);
};

/**
 * Opens the entries for this participant, then masks over this set of sharers and no other.
 *
 * @throws FloeError `record_conflict`; as `checkSharers`
 */
export const onSharers = async (
  progress: Progress,
  frame: Extract<ServerFrame, { type: 'sharers' }>,
): Promise<void> => {
  const record = decodeRecordOf('sharers', frame.record);
  const live = progress.liveFor(record);
  if (live === undefined) return;
  let round = progress.round();
  if (!progress.masked || live.cohort === undefined || round.sharing === undefined)
    return progress.withdraw(new FloeError('unexpected_frame', 'sharers came before the shares'));
  if (round.sharers !== undefined && !equalBytes(round.sharers, record.hash))
    throw new FloeError('record_conflict', 'a second, different set of sharers in one round');
  if (live.sharers === undefined) {
    const own = shareRecordOf(round.sharing.frame);
    const checked = checks.checkSharers(progress.ports.view, live.cohort, own, frame, record);
    live.sharers = checked;
    live.view = checked.view;
  }
  if (round.opened === undefined && round.complaint === undefined)
    // One write with the sharers: nothing that follows from them leaves before.
    round = await openInbox(progress, live, live.cohort, live.sharers);
  // A bad entry is proven before anything masked with its author leaves.
  if (round.complaint !== undefined) return progress.sendRecord(round.complaint);
  await makeVector(progress, live);
};

/**
 * Opens what the others sealed to this participant; saves it, or the complaint over the first entry
 * that is bad.
 */
const openInbox = async (
  progress: Progress,
  live: Live,
  cohort: checks.CheckedCohort,
  sharers: checks.CheckedSharers,
): Promise<RoundMemory> => {
  const { view, own, warn, emit } = progress.ports;
  const { opened, bad } = await steps.openInbox(partyOf(progress, live, cohort), sharers);
  const seen = { sharers: sharers.record.hash };
  if (bad === undefined) return progress.memory.add({ ...seen, opened: [...opened] });
  const complaint = steps.makeComplaint(view, own, progress.round(), cohort, bad);
  const accused = toHex(bad.item.author);
  warn(`the entry of ${accused} is bad, which a complaint proves: ${bad.error.message}`);
  const round = await progress.memory.add({ ...seen, complaint: complaint.bytes });
  emit({ type: 'complained', round: complaint.round, accused, kind: bad.kind });
  return round;
};

const partyOf = (progress: Progress, live: Live, cohort: checks.CheckedCohort): Party => {
  live.party ??= steps.makeParty(progress.ports.view, progress.round(), cohort);
  return live.party;
};
