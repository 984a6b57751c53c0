/**
 * @module The survivors and the answer: a participant signs the one set that it has seen, and answers for it when enough others
 * have signed the same and its update is not spent otherwise. Bonawitz et al. 2017, rounds 3 and 4; secure-aggregation, 2.0.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/messages.ts';
import { decodeRecordOf, signRecord, type SignedRecord } from '../../protocol/records.ts';
import * as checks from './checks.ts';
import { guardOf } from './live.ts';
import type { Progress } from './progress.ts';
import * as spending from './spending.ts';
import * as steps from './steps.ts';

/**
 * Signs the survivor set, once, and the same one again when it is asked again.
 *
 * @throws FloeError `survivors_inconsistent`, `ledger_unavailable`; those of the rules of Survivors
 */
export const onSurvivors = async (
  progress: Progress,
  record: SignedRecord<'survivors'>,
): Promise<void> => {
  const { view, own, ledger } = progress.ports;
  const live = progress.liveFor(record);
  if (live === undefined) return;
  const round = progress.round();
  if (live.cohort === undefined || (progress.masked && live.sharers === undefined))
    return progress.withdraw(new FloeError('unexpected_frame', 'survivors came before the cohort'));
  const { members, rejected, hash } = record.body;
  const upload = round.upload === undefined ? undefined : decodeRecordOf('upload', round.upload);
  const isSelf = (key: Uint8Array): boolean => equalBytes(key, view.self);
  const refused = rejected.find(({ member }) => isSelf(member));
  const counted = upload !== undefined && live.acked.has(toHex(upload.hash));
  if (!members.some(isSelf) && (refused !== undefined || !counted))
    // Too late or refused: the others go on, and this participant has nothing to answer.
    return progress.withdraw(
      new FloeError('phase_closed', refused?.code ?? 'the upload came too late'),
    );
  if (upload === undefined)
    throw new FloeError('survivors_inconsistent', 'a survivor without an upload of its own');
  const earlier =
    round.consistent === undefined
      ? live.survivors?.body.hash
      : decodeRecordOf('consistent', round.consistent).body.survivors;
  if (earlier !== undefined && !equalBytes(earlier, hash))
    throw new FloeError('survivors_inconsistent', 'a second, different survivor set in a round');
  const facts =
    ledger === undefined
      ? {}
      : { survivors: (await ledger.readSurvivors(view.run, record.round)) ?? null };
  live.view = checks.checkSurvivors(view, live.view, upload.hash, record, facts);
  live.survivors = record;
  if (!progress.masked) return;
  const { context } = live.cohort;
  const signed = { context, survivors: hash };
  const { consistent } =
    round.consistent === undefined
      ? await progress.memory.add({
          consistent: signRecord(own.identity, 'consistent', view.run, record.round, signed).bytes,
        })
      : round;
  progress.sendRecord(consistent!);
};

/**
 * Answers for the set that enough survivors have signed; the answer and what it spends are saved before it leaves.
 *
 * @throws FloeError `survivors_inconsistent`, `update_already_spent`, `ledger_unavailable`; as `makeAnswer`
 */
export const onConsistency = async (
  progress: Progress,
  frame: Extract<ServerFrame, { type: 'consistency' }>,
): Promise<void> => {
  const { live } = progress;
  if (live === undefined) return;
  const { cohort, sharers, survivors, standings, open } = live;
  const { guard, ...round } = progress.round();
  if (!cohort || !sharers || !survivors || !standings || !guard || !round.upload)
    return progress.withdraw(
      new FloeError('unexpected_frame', 'consistency came before the survivors'),
    );
  checks.checkConsistency(live.view, cohort.threshold, frame);
  if (round.unmask !== undefined && round.answer !== undefined)
    return progress.sendAnswer(round.unmask, round.answer);
  const { view, own, answers, ledger } = progress.ports;
  const { members } = survivors.body;
  await spending.checkAnswer(view, answers, progress.memory.run, ledger, {
    open,
    standings,
    survivors: members,
  });
  const answer = await steps.makeAnswer(
    view,
    own,
    { ...round, guard, ownUpload: round.vector!.sha256 },
    live.open,
    cohort,
    sharers,
    survivors,
  );
  await progress.memory.add(
    { guard: guardOf(answer.guard), unmask: answer.record.bytes, answer: answer.answer },
    spending.answeredFor(progress.memory.run, open.body.model.hash, survivors.round, members),
  );
  progress.sendAnswer(answer.record.bytes, answer.answer);
  const { survivors: alive, dropped } = answer;
  progress.ports.emit({ type: 'unmasked', round: survivors.round, survivors: alive, dropped });
};
