/**
 * @module Open and Register, as a participant answers them: it registers where the Open record
 * meets the rules and an answer can come of the attempt. Bonawitz et al. 2017, round 0.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import type { SignedRecord } from '../../../protocol/records/records.ts';
import { Breach } from '../../../protocol/rules/index.ts';
import { checkOpen } from './record-checks.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { emit, same, save, sendRecord, sendWithdrawal, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import * as memories from './run-memory.ts';
import * as spending from './spending.ts';
import { attemptNumber, attemptOf, inAttempt, type PhaseOf, type State } from './state.ts';
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
  const phase = { type: 'opening', opened } as const;
  const next = { ...state, phase };
  return isMasked(config)
    ? same(
        next,
        { type: 'cancel' },
        {
          type: 'work',
          work: { type: 'owner', attempt: open.attempt, model: open.body.model.hash },
        },
      )
    : register(config, next, phase, [{ type: 'cancel' }]);
};

const register = (
  config: MachineConfig,
  state: State,
  { opened: { open } }: PhaseOf<'opening'>,
  before: Step['effects'] = [],
): Step =>
  same(state, ...before, {
    type: 'work',
    work: {
      type: 'register',
      attempt: open.attempt,
      open,
      before: state.memory.registered,
      answered: isMasked(config) ? spending.statedNames(state.memory, open.body.model.hash) : [],
    },
  });

/** Why a participant sits an attempt out that breaks no rule. */
const SITS_OUT: ReadonlySet<string> = new Set(['update_already_spent', 'not_drawn']);

/** Sits out before anything of the attempt is made, unless an answer can come of it. */
export const onOwner = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'opening'>,
  { owner }: ResultOf<'owner'>,
): Step => {
  const { view, answers } = config;
  const { body } = phase.opened.open;
  try {
    spending.checkOwner(view, body.model.hash, owner);
    spending.checkRemembered(state.memory, body.model.hash, owner);
    spending.checkRegister(view, answers, state.memory, body);
    spending.checkAgain(state.memory, body);
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || !SITS_OUT.has(thrown.code)) throw thrown;
    return withdraw(state, thrown);
  }
  return register(config, state, phase);
};

/** The registration is saved with its secrets before it leaves. */
export const onRegister = (
  state: State,
  { opened }: PhaseOf<'opening'>,
  { record }: ResultOf<'register'>,
): Step => {
  const { open } = opened;
  const memory = memories.begin(state.memory, open, record);
  return same(
    { ...state, memory, phase: { type: 'registered', attempt: attemptOf(opened) } },
    save(memory),
    sendRecord(record.bytes),
    emit({ type: 'registered', attempt: open.attempt }),
  );
};
