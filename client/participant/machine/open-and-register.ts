/**
 * @module Open and Register, as a participant answers them: it registers where the Open record
 * meets the rules and an answer can come of the attempt. Bonawitz et al. 2017, round 0.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import type { SignedRecord } from '../../../protocol/records/records.ts';
import { Breach } from '../../../protocol/rules/index.ts';
import { checkOpen } from './record-checks.ts';
import {
  dropUnusable,
  isBuffered,
  mustCheck,
  statedBase,
  trainAhead,
  wasUsedOn,
  withCommitShown,
} from './ahead.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { emit, same, save, sendRecord, sendWithdrawal, type Effect, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import { stopAtFabricated } from './fabricated-commit.ts';
import * as memories from './run-memory.ts';
import * as spending from './spending.ts';
import {
  attemptNumber,
  attemptOf,
  inAttempt,
  withAttempt,
  type PhaseOf,
  type State,
} from './state.ts';
import { withdraw } from './withdrawal.ts';

/**
 * A record of an attempt that this participant is not in. The coordinator may have missed that it
 * has left.
 *
 * @throws FloeError `record_replayed`
 */
export const notInAttempt = (state: State, { type, attempt }: SignedRecord): Step => {
  const { last } = state.memory;
  if (last !== undefined && attempt < last.attempt)
    throw new FloeError(
      'record_replayed',
      `a ${type} record of attempt ${attempt} came after attempt ${last.attempt} began`,
    );
  return attempt === last?.attempt && last.withdrawn !== undefined
    ? same(state, sendWithdrawal(attempt, last.withdrawn))
    : same(state);
};

/** @throws FloeError `record_conflict` */
const openedAgain = (state: State, open: SignedRecord<'open'>, first: Uint8Array): Step => {
  const phase = inAttempt(state.phase);
  const isOurs = phase?.attempt.open.attempt === open.attempt;
  if (!equalBytes(first, open.hash)) {
    const message = `attempt ${open.attempt} was opened twice, differently`;
    throw new Breach('record_conflict', message, [open, ...(isOurs ? [phase.attempt.open] : [])]);
  }
  return isOurs
    ? same(state, sendRecord(memories.saved(state.memory).register))
    : notInAttempt(state, open);
};

/**
 * Registers, or sends the registration of this attempt again.
 *
 * @throws FloeError `record_conflict`, `record_replayed`; those of the rules of Open
 */
export const onOpen = (config: MachineConfig, state: State, open: SignedRecord<'open'>): Step => {
  const { memory, commit } = state;
  if (memory.last?.attempt === open.attempt) return openedAgain(state, open, memory.last.open);
  if (state.phase.type === 'preparing' && attemptNumber(state.phase) === open.attempt) {
    const { opened: first } = state.phase;
    if (equalBytes(first.open.hash, open.hash)) return same(state);
    const message = `attempt ${open.attempt} was opened twice, differently`;
    throw new Breach('record_conflict', message, [open, first.open]);
  }
  // It is being opened; the host answers before the next frame.
  if (state.phase.type === 'opening' && attemptNumber(state.phase) === open.attempt)
    return same(state);
  const newest = Math.max(memory.last?.attempt ?? 0, commit?.attempt ?? 0);
  if (open.attempt <= newest)
    throw new FloeError(
      'record_replayed',
      `attempt ${open.attempt} was opened after attempt ${newest} had been`,
    );
  const opened = checkOpen(config.view, open, commit, memory.commits ?? 0);
  if (!open.body.invited.some((key) => equalBytes(key, config.view.self))) return same(state);
  if (isBuffered(config))
    return continueAhead(config, { ...state, phase: { type: 'preparing', opened } }, [
      { type: 'cancel' },
    ]);
  const phase = { type: 'opening', opened } as const;
  return beginRegister(config, { ...state, phase }, phase, [{ type: 'cancel' }]);
};

const beginRegister = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'opening'>,
  effects: readonly Effect[],
): Step => {
  const { open } = phase.opened;
  return isMasked(config)
    ? same(state, ...effects, {
        type: 'work',
        work: { type: 'owner', attempt: open.attempt, model: open.body.model.hash },
      })
    : register(config, state, phase, effects);
};

/**
 * Registers with the update that is ready, or trains one: see `ahead.ts`. Does nothing in another
 * phase.
 */
export const continueAhead = (
  config: MachineConfig,
  before: State,
  effects: readonly Effect[] = [],
): Step => {
  if (before.phase.type !== 'preparing') return same(before, ...effects);
  const { opened, evidence } = before.phase;
  const { open } = opened;
  const { state, effects: dropped } = dropUnusable(config, before, open);
  const told = [...effects, ...dropped];
  const { ahead } = state;
  if (ahead.type === 'training') return same(state, ...told);
  if (ahead.type === 'ready') {
    const phase = { type: 'opening', opened, evidence } as const;
    return beginRegister(config, { ...state, phase }, phase, told);
  }
  if (open.body.bundle !== undefined && evidence === undefined) return same(state, ...told);
  // No training whose update could not be registered here, nor on this model later.
  const refusal = isMasked(config) ? refusalOf(config, state, open, undefined) : undefined;
  if (refusal !== undefined) {
    const left = withdraw(state, refusal);
    return same(left.state, ...told, ...left.effects);
  }
  const isToCheck = evidence !== undefined && mustCheck(state, opened);
  const shown = isToCheck ? withCommitShown(state, evidence) : { state, effects: [] };
  const started = trainAhead(shown.state, opened, isToCheck ? evidence : undefined);
  return same(started.state, ...told, ...shown.effects, ...started.effects);
};

/** The update is ready, or the commit that it would have been trained on is wrong. */
export const onPrepared = (
  config: MachineConfig,
  before: State,
  attempt: number,
  { check, trained }: ResultOf<'prepare'>,
): Step => {
  if (check?.proof !== undefined) return stopAtFabricated(before, attempt, check.proof);
  if (before.ahead.type !== 'training' || trained === undefined) return same(before);
  const memory =
    check === undefined
      ? before.memory
      : { ...before.memory, checked: { commit: check.commit.hash, leaf: check.leaf } };
  const ahead = { type: 'ready', base: before.ahead.base } as const;
  return continueAhead(config, { ...before, memory, ahead }, [
    ...(check === undefined
      ? []
      : [
          save(memory),
          emit({
            type: 'checked',
            attempt,
            commit: check.commit.attempt,
            leaf: check.leaf,
            milliseconds: check.milliseconds,
          }),
        ]),
    emit({ type: 'trained', attempt, ...trained, isSurvey: false }),
  ]);
};

const register = (
  config: MachineConfig,
  state: State,
  { opened: { open } }: PhaseOf<'opening'>,
  before: readonly Effect[] = [],
): Step =>
  same(state, ...before, {
    type: 'work',
    work: {
      type: 'register',
      attempt: open.attempt,
      open,
      before: state.memory.registered,
      answered: isMasked(config) ? spending.statedNames(state.memory, open.body.model.hash) : [],
      stream: memories.ownStream(config.view, state.memory),
      base: state.ahead.type === 'ready' ? statedBase(state.ahead.base, open) : undefined,
    },
  });

/** Why a participant sits an attempt out that breaks no rule. */
const SITS_OUT: ReadonlySet<string> = new Set(['update_already_spent', 'not_drawn']);

/** Why this participant sits the attempt out. @param owner of its model, as far as known */
const refusalOf = (
  { view, answers }: MachineConfig,
  state: State,
  { body }: SignedRecord<'open'>,
  owner: Uint8Array | undefined,
): FloeError | undefined => {
  try {
    spending.checkOwner(view, body.model.hash, owner);
    spending.checkRemembered(state.memory, body.model.hash, owner);
    spending.checkRegister(view, answers, state.memory, body, wasUsedOn(state, body.model.hash));
    spending.checkAgain(view, state.memory, body);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || !SITS_OUT.has(thrown.code)) throw thrown;
    return thrown;
  }
};

/** Sits out before anything of the attempt is made, unless an answer can come of it. */
export const onOwner = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'opening'>,
  { owner }: ResultOf<'owner'>,
): Step => {
  const refusal = refusalOf(config, state, phase.opened.open, owner);
  return refusal === undefined ? register(config, state, phase) : withdraw(state, refusal);
};

/** The registration is saved with its secrets before it leaves. */
export const onRegister = (
  state: State,
  { opened, evidence }: PhaseOf<'opening'>,
  { record }: ResultOf<'register'>,
): Step => {
  const { open } = opened;
  const memory = memories.begin(state.memory, open, record);
  const fresh = { type: 'registered', attempt: attemptOf(opened) } as const;
  const phase = evidence === undefined ? fresh : withAttempt(fresh, { evidence });
  return same(
    { ...state, memory, phase },
    save(memory),
    sendRecord(record.bytes),
    emit({ type: 'registered', attempt: open.attempt }),
  );
};
