/**
 * @module Share and the sharers: a participant's shares for its cohort, the entries that it opens,
 * and its complaints. Bonawitz et al. 2017, round 1; secure-aggregation, section 2, step 3.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { decodeRecordOf } from '../../../protocol/records/records.ts';
import { inGroup } from '../../../protocol/rules/index.ts';
import { decodeClientFrame, type ServerFrame } from '../../../protocol/wire/messages.ts';
import { checkSharers } from './record-checks.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { emit, same, save, sendRecord, type Effect, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import { withdraw } from './withdrawal.ts';
import * as memories from './run-memory.ts';
import { notInAttempt } from './open-and-register.ts';
import { inAttempt, inCohort, type CohortPhase, type PhaseOf, type State } from './state.ts';
import { continueUpload, startTraining } from './train-and-upload.ts';
import { startWork } from './start-work.ts';

/** Fetches the model, and makes the shares meanwhile; without masks there are none. */
export const share = (
  config: MachineConfig,
  state: State,
  { attempt, cohort, standings, training }: PhaseOf<'checking'>,
  effects: readonly Effect[],
): Step => {
  const base = { attempt, cohort, standings, training };
  if (!isMasked(config)) {
    const phase = { type: 'uploading', ...base, sharers: undefined } as const;
    return continueUpload(config, { ...state, phase }, phase, effects);
  }
  const phase = { type: 'sharing', ...base } as const;
  const { vector, sharing } = memories.saved(state.memory);
  if (sharing !== undefined) return sent({ ...state, phase }, sharing, effects);
  const fetching =
    vector === undefined
      ? startTraining({ ...state, phase }, effects)
      : same({ ...state, phase }, ...effects);
  const check = attempt.open.body.bundle && state.memory.checked;
  return startWork(
    fetching.state,
    { type: 'shares', attempt: attempt.open.attempt, cohort, check },
    fetching.effects,
  );
};

/** The shares leave; a trainer may hold the event loop from then on. */
const sent = (state: State, frame: Uint8Array, effects: readonly Effect[] = []): Step =>
  startTraining(state, [...effects, { type: 'send-bytes', frame }]);

export const onShares = (state: State, { frame }: ResultOf<'shares'>): Step => {
  const memory = memories.add(state.memory, { sharing: frame });
  return sent({ ...state, memory }, frame, [save(memory)]);
};

/** The cohort was shown again: so is what this participant has answered to it. */
export const resendShares = (config: MachineConfig, state: State, phase: CohortPhase): Step => {
  const { sharing } = memories.saved(state.memory);
  if (phase.type === 'checking') return same(state);
  if (!isMasked(config))
    return phase.type === 'uploading' ? continueUpload(config, state, phase) : same(state);
  return sharing === undefined ? same(state) : same(state, { type: 'send-bytes', frame: sharing });
};

/** The signed record in a share frame that this participant made. */
const shareRecordOf = (bytes: Uint8Array): Uint8Array => {
  const frame = decodeClientFrame(bytes);
  if (frame.type !== 'share') throw new Error(`expected a share frame, got ${frame.type}`);
  return frame.record;
};

/**
 * Asks for the entries for this participant to be opened, then masks over this set of sharers and
 * no other.
 *
 * @throws FloeError `record_conflict`; as `checkSharers`
 */
export const onSharers = (
  config: MachineConfig,
  state: State,
  frame: Extract<ServerFrame, { type: 'sharers' }>,
): Step => {
  const record = decodeRecordOf('sharers', frame.record);
  if (inAttempt(state.phase)?.attempt.open.attempt !== record.attempt)
    return notInAttempt(state, record);
  const phase = inCohort(state.phase);
  const { sharing, sharers: known } = memories.saved(state.memory);
  const isEarly = phase === undefined || phase.type === 'checking' || sharing === undefined;
  if (!isMasked(config) || isEarly)
    return withdraw(state, new FloeError('unexpected_frame', 'sharers came before the shares'));
  if (known !== undefined && !equalBytes(known, record.hash))
    throw new FloeError('record_conflict', 'a second, different set of sharers in one attempt');
  if (phase.type !== 'sharing') {
    const shown = phase.sharers;
    if (shown !== undefined && !equalBytes(shown.record.hash, record.hash))
      throw new FloeError('record_conflict', 'a second, different set of sharers in one attempt');
    return phase.type === 'uploading' ? mask(config, state, phase) : resendUpload(state);
  }
  const { attempt, cohort, standings, training } = phase;
  const sharers = checkSharers(config.view, cohort, shareRecordOf(sharing), frame, record);
  const { group } = cohort;
  const left = inGroup(group, record.body.members).length;
  if (left < group.least)
    return withdraw(
      state,
      new FloeError('group_too_small', `expected ${group.least} sharers of a group, got ${left}`),
    );
  const next = {
    type: 'uploading',
    attempt: { ...attempt, view: sharers.view },
    cohort,
    standings,
    training,
    sharers,
  } as const;
  return mask(config, { ...state, phase: next }, next);
};

const resendUpload = (state: State): Step => {
  const { upload } = memories.saved(state.memory);
  return upload === undefined ? same(state) : same(state, sendRecord(upload));
};

/** Opens the inbox first; a bad entry is proven before anything masked with its author leaves. */
const mask = (config: MachineConfig, state: State, phase: PhaseOf<'uploading'>): Step => {
  const { opened, complaint } = memories.saved(state.memory);
  const { attempt, cohort, sharers } = phase;
  if (complaint !== undefined) return same(state, sendRecord(complaint));
  if (opened !== undefined || sharers === undefined) return continueUpload(config, state, phase);
  return startWork(state, { type: 'inbox', attempt: attempt.open.attempt, cohort, sharers });
};

/** One write with the sharers: nothing that follows from them leaves before. */
export const onInbox = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'uploading'>,
  { complaint }: ResultOf<'inbox'>,
): Step => {
  const sharers = phase.sharers!.record.hash;
  if (complaint === undefined) {
    const memory = memories.add(state.memory, { sharers, opened: true });
    return continueUpload(config, { ...state, memory }, phase, [save(memory)]);
  }
  const { record, accused, kind, reason } = complaint;
  const memory = memories.add(state.memory, { sharers, complaint: record.bytes });
  return same(
    { ...state, memory },
    save(memory),
    {
      type: 'warn',
      message: `the entry of ${accused} is bad, which a complaint proves: ${reason}`,
    },
    emit({ type: 'complained', attempt: record.attempt, accused, kind }),
    sendRecord(record.bytes),
  );
};
