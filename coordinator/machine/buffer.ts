/**
 * @module The Register phase of a buffered run (FedBuff: Nguyen et al. 2022): all members are
 * invited and train at their own pace, and the cohort is full with the first K registrations. The
 * phase has no deadline, as the time between attempts has none: it waits for updates, and ends
 * early only where too many have withdrawn to fill the buffer. The rules are in
 * `protocol/rules/buffered.ts`.
 */
import { toHex } from '../../protocol/bytes.ts';
import { bufferSize } from '../../protocol/rules/buffered.ts';
import type { MachineConfig } from './config.ts';
import { publish, type Effect } from './effects.ts';
import { sendEvidence } from './evidence.ts';
import {
  attemptOf,
  awaited,
  eligible,
  type Attempt,
  type Hex,
  type Phase,
  type State,
} from './state.ts';

/** Later than any clock: the deadline of a phase that has none. */
export const NO_DEADLINE = Number.MAX_SAFE_INTEGER;

export const isBuffered = ({ spec }: Pick<MachineConfig, 'spec'>): boolean =>
  spec.buffer !== undefined;

/** Whether this phase waits for updates, however long they take. */
export const isFilling = (config: MachineConfig, phase: Phase): boolean =>
  phase.type === 'register' && isBuffered(config);

/** Whether the buffer is full, or cannot be filled any more. */
export const isBufferSettled = (
  { spec }: MachineConfig,
  state: State,
  attempt: Attempt,
): boolean => {
  const size = bufferSize(spec, attempt.invited);
  const { registers } = attempt;
  return registers.size >= size || registers.size + awaited(state).length < size;
};

/** Least number of registrations with which the cohort is frozen. */
export const leastRegistered = ({ spec }: MachineConfig, attempt: Attempt): number => {
  if (spec.buffer !== undefined) return bufferSize(spec, attempt.invited);
  return spec.selection === 'batches' ? attempt.invited.length : spec.cohort.minimum;
};

/**
 * Those who can be invited: of a buffered run all members, here or not, since one that logs in
 * later may have an update before others do. Where members were summed on this model, only those
 * who are here can be asked again.
 */
export const invitable = ({ spec }: MachineConfig, state: State): readonly Hex[] =>
  spec.buffer === undefined ||
  spec.members.type === 'open' ||
  state.tried.length > 0 ||
  state.sitting.size > 0
    ? eligible(state)
    : spec.members.keys.map(toHex).filter((key) => !state.excluded.has(key));

/** Who trains ahead checks the newest commit first, and needs its records with the Open record. */
export const sendAhead = (
  config: MachineConfig,
  state: State,
  to: readonly Hex[],
): readonly Effect[] => (isBuffered(config) ? sendEvidence(state, to) : []);

/** Says how full the buffer is; nothing in a run without one. */
export const sayFilling = (config: MachineConfig, state: State): readonly Effect[] => {
  const attempt = attemptOf(state);
  if (attempt === undefined || !isFilling(config, state.phase)) return [];
  const of = bufferSize(config.spec, attempt.invited);
  return [
    publish({
      type: 'buffered',
      attempt: attempt.attempt,
      updates: attempt.registers.size,
      of,
      here: attempt.invited.filter((key) => state.participants.get(key)?.present === true).length,
    }),
  ];
};

/**
 * Whether a participant of a buffered run may be training, and its trainer may hold its event loop:
 * all but the members of the cohort.
 */
export const mayTrainAhead = (state: State, key: Hex): boolean => {
  const attempt = attemptOf(state);
  return attempt === undefined || !(attempt.members.includes(key) || attempt.registers.has(key));
};

/** How many commits old each update of the cohort was, ascending; nothing without a buffer. */
export const stalenessOf = ({
  members,
  registers,
}: Attempt): { readonly staleness?: readonly number[] } => {
  const ages = members.flatMap((key) => registers.get(key)?.body.base?.staleness ?? []);
  return ages.length === 0 ? {} : { staleness: ages.toSorted((a, b) => a - b) };
};
