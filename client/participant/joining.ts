/**
 * @module Open, Register and the cohort, as a participant answers them: it registers where the Open
 * record meets the rules and an answer can come of the attempt, and stays where the frozen cohort
 * is one it takes. Bonawitz et al. 2017, round 0.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/wire/messages.ts';
import { decodeRecordOf, type SignedRecord } from '../../protocol/records/records.ts';
import { Breach, registeredBy, type LedgerFacts } from '../../protocol/rules/index.ts';
import { openGuard } from '../../protocol/secagg/index.ts';
import { cohortRefusal } from '../admission.ts';
import { checkThenShare } from './checking.ts';
import * as checks from './checks.ts';
import { afterFreeze } from './freezes.ts';
import { guardOf, liveOf, type Live } from './current-attempt.ts';
import type { Progress } from './progress.ts';
import * as spending from './spending.ts';
import * as steps from './crypto-steps.ts';

/**
 * Registers, or sends the registration of this attempt again.
 *
 * @throws FloeError `record_conflict`, `record_replayed`; those of the rules of Open
 */
export const onOpen = async (progress: Progress, open: SignedRecord<'open'>): Promise<void> => {
  const { view, own } = progress.ports;
  const { last } = progress.memory.run;
  if (last?.round === open.round) {
    if (!equalBytes(last.open, open.hash)) {
      const earlier = progress.live?.open.round === open.round ? [progress.live.open] : [];
      const message = `round ${open.round} was opened twice, differently`;
      throw new Breach('record_conflict', message, [open, ...earlier]);
    }
    if (progress.liveFor(open) !== undefined) progress.sendRecord(progress.round().register);
    return;
  }
  const newest = Math.max(last?.round ?? 0, progress.memory.commit?.round ?? 0);
  if (open.round <= newest)
    throw new FloeError(
      'record_replayed',
      `round ${open.round} was opened after round ${newest} had been`,
    );
  const opened = checks.checkOpen(
    view,
    open,
    progress.memory.commit,
    progress.memory.run.commits ?? 0,
  );
  if (!open.body.invited.some((key) => equalBytes(key, view.self))) return;
  progress.opening = open.round;
  progress.live?.stop.abort();
  if (progress.masked && !(await mayRegister(progress, open))) return;
  const answered = progress.masked
    ? spending.statedNames(progress.memory.run, open.body.model.hash)
    : [];
  const { registered } = progress.memory.run;
  const { sigma, seal, register } = steps.makeRegister(view, own, open, registered, answered);
  await progress.memory.begin(
    { round: open.round, open: open.bytes, sigma, seal, register: register.bytes },
    open.hash,
    registeredBy(register),
  );
  progress.live = liveOf(opened);
  progress.sendRecord(register.bytes);
  progress.ports.emit({ type: 'registered', round: open.round });
};

/** Why a participant sits an attempt out that breaks no rule. */
const SITS_OUT: ReadonlySet<string> = new Set(['update_already_spent', 'not_drawn']);

/**
 * Whether an answer can come of this attempt; if not, it sits out before anything of it is made.
 */
const mayRegister = async (progress: Progress, open: SignedRecord<'open'>): Promise<boolean> => {
  const { view, answers, keystore, emit } = progress.ports;
  const { hash } = open.body.model;
  try {
    spending.checkOwner(view, hash, await keystore.ownerOf(hash));
    spending.checkRegister(view, answers, progress.memory.run, open.body);
    spending.checkAgain(progress.memory.run, open.body);
    return true;
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || !SITS_OUT.has(thrown.code)) throw thrown;
    progress.stop();
    await progress.memory.end(undefined);
    progress.sendWithdrawal(open.round, thrown.code);
    emit({ type: 'withdrawn', round: open.round, error: thrown, why: 'declined' });
    return false;
  }
};

/**
 * Takes its place in the frozen cohort.
 *
 * @throws FloeError `record_conflict`, `update_already_spent`, `ledger_unavailable`; those of the
 * rules of Register and Cohort
 */
export const onCohort = async (
  progress: Progress,
  frame: Extract<ServerFrame, { type: 'cohort' }>,
): Promise<void> => {
  const record = decodeRecordOf('cohort', frame.record);
  const live = progress.liveFor(record);
  if (live === undefined) return;
  const { shown } = live;
  const known = progress.round().cohort ?? shown.cohort?.hash;
  if (known !== undefined && !equalBytes(known, record.hash))
    throw new Breach('record_conflict', 'a second, different cohort in one round', [
      record,
      ...(shown.cohort === undefined ? [] : [shown.cohort]),
    ]);
  shown.cohort = record;
  if (live.cohort !== undefined) return checkThenShare(progress, live);
  return afterFreeze(progress, live, 'cohort', (facts) =>
    takePlace(progress, live, frame, record, facts),
  );
};

/** With what the ledger holds. @throws FloeError as `onCohort` */
const takePlace = async (
  progress: Progress,
  live: Live,
  frame: Extract<ServerFrame, { type: 'cohort' }>,
  record: SignedRecord<'cohort'>,
  facts: LedgerFacts,
): Promise<void> => {
  const { view, admission } = progress.ports;
  let round = progress.round();
  if (live.cohort === undefined) {
    // Of a cohort that was accepted before a restart the registrations are remembered already.
    const isNew = round.cohort === undefined;
    const lastRegisterOf = (key: string) =>
      isNew ? progress.memory.lastRegisterOf(key) : undefined;
    const opened = { ...live.opened, lastRegisterOf };
    const checked = checks.checkCohort(view, opened, round.register, frame, record, facts);
    const refusal = cohortRefusal(admission, view.spec, record.body.members, view.self);
    if (refusal !== undefined) return progress.withdraw(refusal);
    const standings = spending.standingsOf(frame.registers);
    const { model } = live.open.body;
    // A vector that is made already was checked before.
    if (progress.masked && round.vector === undefined)
      spending.checkUpload(
        view,
        progress.ports.answers,
        progress.memory.run,
        model.hash,
        standings,
      );
    live.standings = standings;
    if (round.guard === undefined) {
      const { context } = checked;
      const guard = openGuard({ run: view.run, round: record.round, context, self: view.self });
      const registers = [...checked.view.registers.values()];
      round = await progress.memory.joinCohort(
        { cohort: record.hash, guard: guardOf(guard) },
        registers,
      );
    }
    live.cohort = checked;
    live.view = checked.view;
    const cohort = checked.cohort.members.length;
    progress.ports.emit({ type: 'joined', round: record.round, cohort });
  }
  return checkThenShare(progress, live);
};
