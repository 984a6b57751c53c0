/**
 * @module The presence of participants: logins, lost sessions, withdrawals, and the coordinator's
 * restart.
 */
import { toHex } from '../../protocol/bytes.ts';
import { isErrorCode, type ErrorCode } from '../../protocol/errors.ts';
import { isBuffered, isFilling, mayTrainAhead } from './buffer.ts';
import { RECONNECT_MS, type MachineConfig } from './config.ts';
import { send, type Step } from './effects.ts';
import type { EventOf } from './events.ts';
import { withoutStrangers } from './places.ts';
import { syncFrames } from './resume.ts';
import { withoutShared, withShared } from './shared-map.ts';
import { timed } from './upload.ts';
import {
  awaited,
  attemptOf,
  withChange,
  withEntry,
  type AnswerPhase,
  type Hex,
  type Phase,
  type State,
} from './state.ts';

/** A login; the frames of the running attempt follow it. */
export const applyJoined = (
  config: MachineConfig,
  state: State,
  event: EventOf<'joined'>,
): Step => {
  const key = toHex(event.key);
  const presence = { present: true, since: event.time };
  const next = { ...state, participants: withShared(state.participants, key, presence) };
  return {
    state: next,
    effects: syncFrames(config, next, key).map((frame) => send([key], frame)),
  };
};

export const applyLeft = (state: State, event: EventOf<'left'>): Step => {
  const key = toHex(event.key);
  if (state.participants.get(key)?.present !== true) return { state, effects: [] };
  const presence = { present: false, since: event.time };
  const isKept = state.places.has(key) || attemptOf(state)?.invited.includes(key) === true;
  const participants = isKept
    ? withShared(state.participants, key, presence)
    : withoutShared(state.participants, key);
  return { state: { ...state, participants }, effects: [] };
};

/**
 * Whether a participant may be training, and its trainer may hold its event loop: it then answers
 * no heartbeat up to the deadline of the uploads. It begins once its shares have left.
 */
export const mayBeSilent = (config: MachineConfig, state: State, key: Hex): boolean => {
  if (isBuffered(config) && mayTrainAhead(state, key)) return true;
  const { phase } = state;
  if (phase.type === 'share')
    return phase.attempt.shares.has(key) && !phase.attempt.withdrawn.has(key);
  return phase.type === 'upload' && awaited(state).includes(key);
};

/**
 * A withdrawal counts for the attempt that it names; earlier records of the participant stay valid.
 */
export const applyWithdrawn = (state: State, event: EventOf<'withdrawn'>): Step => {
  const key = toHex(event.key);
  const attempt = attemptOf(state);
  if (attempt === undefined || !attempt.invited.includes(key) || attempt.withdrawn.has(key))
    return { state, effects: [] };
  // The survivors record repeats it, and no participant takes one with a text that is no code.
  const code: ErrorCode = isErrorCode(event.code) ? event.code : 'internal';
  const withdrawn = withEntry(attempt.withdrawn, key, code);
  // Before the cohort is known it can speak of itself only.
  const spent = code === 'update_already_spent' && state.phase.type === 'register';
  const sitting = spent ? new Set([...state.sitting, key]) : state.sitting;
  const { detail } = event;
  const details = detail === undefined ? attempt.details : withEntry(attempt.details, key, detail);
  return { state: { ...withChange(state, { withdrawn, details }), sitting }, effects: [] };
};

/**
 * After a restart no participant is present, and the downtime is not their fault: the phase and the
 * grace time restart.
 */
export const applyResumed = (
  config: MachineConfig,
  state: State,
  { time, startWith, reconnect }: EventOf<'resumed'>,
): Step => {
  const { spec } = config;
  const phase = isFilling(config, state.phase)
    ? state.phase
    : restarted(state.phase, time, spec.deadlines);
  const participants = new Map(
    [...state.participants].map(([key, { present, since }]) => [
      key,
      { present: false, since: present ? time : since },
    ]),
  );
  return {
    state: withoutStrangers({
      ...state,
      startWith,
      participants,
      patience: time + (reconnect ?? Math.max(RECONNECT_MS, spec.deadlines.grace * 1000)),
      phase: timed(config, phase),
    }),
    effects: [],
  };
};

const restarted = (
  phase: Phase,
  time: number,
  deadlines: Readonly<Record<AnswerPhase, number>>,
): Phase => {
  switch (phase.type) {
    case 'waiting': {
      // The operator may have fixed the cause of the pause before the restart.
      const { pause, ...bare } = phase;
      return { ...bare, since: time, until: pause === undefined ? phase.until : time };
    }
    case 'registering':
    case 'finished':
      return phase;
    case 'register':
    case 'share':
    case 'upload':
    case 'consistency':
    case 'unmask':
      return { ...phase, timedFrom: time, deadline: time + deadlines[phase.type] * 1000 };
    case 'opening':
    case 'freezing-cohort':
    case 'freezing-survivors':
    case 'finishing':
      return { ...phase, deadline: time + (phase.deadline - phase.since) };
  }
};
