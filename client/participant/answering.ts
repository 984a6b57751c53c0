/**
 * @module The survivors and the answer: a participant signs the one set that it has seen, and
 * answers for it when enough others have signed the same and its update is not spent otherwise.
 * Bonawitz et al. 2017, rounds 3 and 4; secure-aggregation, 2.0.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/wire/messages.ts';
import { decodeRecordOf, signRecord, type SignedRecord } from '../../protocol/records/records.ts';
import { Breach, type LedgerFacts } from '../../protocol/rules/index.ts';
import type { GuardState } from '../../protocol/secagg/index.ts';
import * as checks from './checks.ts';
import { afterFreeze } from './freezes.ts';
import { guardOf, type Live } from './current-attempt.ts';
import type { Progress } from './progress.ts';
import * as spending from './spending.ts';
import * as steps from './crypto-steps.ts';

/**
 * Signs the survivor set, once, and the same one again when it is asked again.
 *
 * @throws FloeError `survivors_inconsistent`, `ledger_unavailable`; those of the rules of Survivors
 */
export const onSurvivors = async (
  progress: Progress,
  record: SignedRecord<'survivors'>,
): Promise<void> => {
  const { view } = progress.ports;
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
    // Too late or refused: the others continue, and this participant has nothing to answer.
    return progress.withdraw(
      new FloeError('phase_closed', refused?.code ?? 'the upload came too late'),
    );
  if (upload === undefined)
    throw new FloeError('survivors_inconsistent', 'a survivor without an upload of its own');
  const { shown, cohort } = live;
  const signedBefore = round.consistent && decodeRecordOf('consistent', round.consistent);
  const earlier = signedBefore?.body.survivors ?? shown.survivors?.body.hash;
  if (earlier !== undefined && !equalBytes(earlier, hash))
    throw new Breach('survivors_inconsistent', 'a second, different survivor set in a round', [
      record,
      ...[shown.survivors ?? signedBefore].flatMap((other) => other ?? []),
    ]);
  shown.survivors = record;
  return afterFreeze(progress, live, 'survivors', (facts) =>
    signSet(progress, live, { record, upload: upload.hash, context: cohort.context, facts }),
  );
};

/** @throws FloeError as `onSurvivors` */
const signSet = async (
  progress: Progress,
  live: Live,
  seen: {
    readonly record: SignedRecord<'survivors'>;
    /** Of the own upload record. */
    readonly upload: Uint8Array;
    readonly context: Uint8Array;
    readonly facts: LedgerFacts;
  },
): Promise<void> => {
  const { view, own } = progress.ports;
  const { record, upload, context, facts } = seen;
  const { hash } = record.body;
  const round = progress.round();
  live.view = checks.checkSurvivors(view, live.view, upload, record, facts);
  live.survivors = record;
  if (!progress.masked) return;
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
 * Answers for the set that enough survivors have signed; the answer and what it spends are saved
 * before it leaves.
 *
 * @throws FloeError `survivors_inconsistent`, `update_already_spent`, `ledger_unavailable`; as
 * `makeAnswer`
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
  const { view, answers, ledger } = progress.ports;
  const at = { open, standings, survivors: survivors.body.members };
  const { run } = progress.memory;
  const ready = { cohort, sharers, survivors, guard };
  if (answers.policy !== 'ledger') {
    await spending.checkAnswer(view, answers, run, ledger, at);
    return answer(progress, live, ready);
  }
  progress.beside.start(live, 'answer', {
    source: 'frame',
    work: ({ wait }) => wait(() => spending.checkAnswer(view, answers, run, ledger, at)),
    done: () => answer(progress, live, ready),
  });
};

/** @throws FloeError as `makeAnswer` */
const answer = async (
  progress: Progress,
  live: Live,
  ready: {
    readonly cohort: checks.CheckedCohort;
    readonly sharers: checks.CheckedSharers;
    readonly survivors: SignedRecord<'survivors'>;
    readonly guard: GuardState;
  },
): Promise<void> => {
  const { cohort, sharers, survivors, guard } = ready;
  const { view, own } = progress.ports;
  const round = progress.round();
  const { members } = survivors.body;
  const made = await steps.makeAnswer(
    view,
    own,
    { ...round, guard, ownUpload: round.vector!.sha256 },
    live.open,
    cohort,
    sharers,
    survivors,
  );
  await progress.memory.add(
    { guard: guardOf(made.guard), unmask: made.record.bytes, answer: made.answer },
    spending.answeredFor(progress.memory.run, live.open.body.model.hash, survivors.round, members),
  );
  progress.sendAnswer(made.record.bytes, made.answer);
  const { survivors: alive, dropped } = made;
  progress.ports.emit({ type: 'unmasked', round: survivors.round, survivors: alive, dropped });
};
