/**
 * @module The cohort and the spot check, as a participant takes them: it stays where the frozen
 * cohort is one it accepts, and checks the commit that the attempt starts from before it makes
 * anything for the others (secure-aggregation, section 2, step 8).
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { decodeRecordOf } from '../../../protocol/records/records.ts';
import { Breach, type LedgerFacts } from '../../../protocol/rules/index.ts';
import { openGuard } from '../../../protocol/secagg/index.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import { cohortRefusal } from '../../admission.ts';
import { checkCohort } from './record-checks.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { emit, same, save, type Effect, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import { isBuffered, mustCheck, withCommitShown } from './ahead.ts';
import { checkEvidence } from './commit-evidence.ts';
import { stopAtFabricated } from './fabricated-commit.ts';
import { withdraw } from './withdrawal.ts';
import * as memories from './run-memory.ts';
import { continueAhead, notInAttempt } from './open-and-register.ts';
import { resendShares, share } from './share-and-sharers.ts';
import * as spending from './spending.ts';
import { inAttempt, withAttempt, type PhaseOf, type State } from './state.ts';
import { startWork } from './start-work.ts';

type CohortFrame = Extract<ServerFrame, { type: 'cohort' }>;

/** Keeps the records of the commit to check. @throws FloeError as `checkEvidence` */
export const onEvidence = (
  config: MachineConfig,
  state: State,
  { records }: Extract<ServerFrame, { type: 'evidence' }>,
): Step => {
  const { view } = config;
  if (state.phase.type === 'preparing') {
    if (state.phase.evidence !== undefined) return same(state);
    const shown = checkEvidence(view, state.phase.opened, records);
    return continueAhead(config, { ...state, phase: { ...state.phase, evidence: shown } });
  }
  const phase = inAttempt(state.phase);
  // Sent again after a reconnect, and to members of earlier cohorts that sit this one out.
  if (phase === undefined || phase.attempt.evidence !== undefined) return same(state);
  const evidence = checkEvidence(view, phase.attempt.opened, records);
  return same({ ...state, phase: withAttempt(phase, { evidence }) });
};

/**
 * Takes its place in the frozen cohort.
 *
 * @throws FloeError `record_conflict`, `update_already_spent`; those of the rules of Register and
 * Cohort
 */
export const onCohort = (config: MachineConfig, before: State, frame: CohortFrame): Step => {
  const record = decodeRecordOf('cohort', frame.record);
  const known = inAttempt(before.phase);
  if (known?.attempt.open.attempt !== record.attempt) return notInAttempt(before, record);
  const { shown } = known.attempt;
  const earlier = memories.saved(before.memory).cohort ?? shown.cohort?.hash;
  if (earlier !== undefined && !equalBytes(earlier, record.hash))
    throw new Breach('record_conflict', 'a second, different cohort in one attempt', [
      record,
      ...(shown.cohort === undefined ? [] : [shown.cohort]),
    ]);
  const phase = withAttempt(known, { shown: { ...shown, cohort: record } });
  const state = { ...before, phase };
  if (phase.type !== 'registered') return resendShares(config, state, phase);
  // The ledger is being asked about this very cohort.
  if (phase.frame !== undefined) return same(state);
  if (!config.hasLedger) return takePlace(config, state, phase, frame, {});
  return startWork(
    { ...state, phase: { ...phase, frame } },
    { type: 'cohort-freeze', attempt: record.attempt },
  );
};

/** With what the ledger holds. @throws FloeError as `onCohort` */
export const takePlace = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'registered'>,
  frame: CohortFrame,
  facts: LedgerFacts,
): Step => {
  const { view, admission, answers } = config;
  const { attempt } = phase;
  const record = decodeRecordOf('cohort', frame.record);
  const kept = memories.saved(state.memory);
  // Of a cohort that was accepted before a restart the registrations are remembered already.
  const seen = kept.cohort === undefined ? memories.registersSeen(state.memory) : new Map();
  const opened = { ...attempt.opened, lastRegisterOf: (key: string) => seen.get(key) };
  const cohort = checkCohort(view, opened, kept.register, frame, record, facts);
  const { group } = cohort;
  const refusal = cohortRefusal(admission, view.spec, group.members, view.self);
  if (refusal !== undefined) return withdraw(state, refusal);
  if (isMasked(config) && group.members.length < group.least)
    return withdraw(
      state,
      new FloeError(
        'group_too_small',
        `expected a group of ${group.least}, got ${group.members.length}`,
      ),
    );
  const { hash: model } = attempt.open.body.model;
  const grouping = spending.groupingIn(view, state.memory, model, record);
  if (grouping instanceof FloeError) return withdraw(state, grouping);
  const standings = spending.standingsOf(frame.registers);
  // A vector that is made already was checked before.
  if (isMasked(config) && kept.vector === undefined)
    spending.checkUpload(view, answers, state.memory, model, standings, group.members);
  const { context } = cohort;
  const guard = openGuard({ run: view.run, attempt: record.attempt, context, self: view.self });
  const isNew = kept.guard === undefined;
  const memory = isNew
    ? memories.joinCohort(
        state.memory,
        { cohort: record.hash, guard: memories.guardOf(guard) },
        cohort.view.registers.values(),
        grouping,
      )
    : state.memory;
  const joined: PhaseOf<'checking'> = {
    type: 'checking',
    attempt: { ...attempt, view: cohort.view },
    cohort,
    standings,
    // Of a buffered run: it has registered with its update.
    training: isBuffered(config) ? 'trained' : 'none',
  };
  const told = emit({
    type: 'joined',
    attempt: record.attempt,
    cohort: cohort.cohort.members.length,
  });
  return checkThenShare(config, { ...state, memory, phase: joined }, joined, [
    ...(isNew ? [save(memory)] : []),
    told,
  ]);
};

/**
 * What follows the cohort.
 *
 * @throws FloeError `unexpected_frame` without the evidence, which says too whether the invited
 * were drawn
 */
const checkThenShare = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'checking'>,
  effects: readonly Effect[],
): Step => {
  const { open, evidence } = phase.attempt;
  if (open.body.bundle !== undefined && evidence === undefined)
    throw new FloeError('unexpected_frame', 'the cohort came before the evidence of the commit');
  if (evidence === undefined || !mustCheck(state, phase.attempt.opened))
    return share(config, state, phase, effects);
  const shown = withCommitShown(state, evidence);
  const isNew = shown.effects.length > 0;
  return startWork(
    shown.state,
    { type: 'check', attempt: open.attempt, open, evidence },
    isNew ? [...effects.filter(({ type }) => type !== 'save'), ...shown.effects] : effects,
  );
};

/** Either the shares, or the proof that the commit is wrong. */
export const onCheck = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'checking'>,
  { leaf, milliseconds, proof }: ResultOf<'check'>,
): Step => {
  const { open, evidence } = phase.attempt;
  const attempt = open.attempt;
  if (proof !== undefined) return stopAtFabricated(state, attempt, proof);
  const { commit } = evidence!;
  const memory = { ...state.memory, checked: { commit: commit.hash, leaf } };
  const training = isBuffered(config) ? phase.training : 'fetched';
  return share(config, { ...state, memory }, { ...phase, training }, [
    save(memory),
    emit({ type: 'checked', attempt, commit: commit.attempt, leaf, milliseconds }),
  ]);
};
