/**
 * @module Checks a participant's record against the state: phase and deadline here, its content by
 * the rules in `protocol/rules`. An invalid record is refused with a named error and changes
 * nothing. A repeated record is acknowledged again and changes nothing. A different record for the
 * same step is a conflict.
 */
import { equalBytes, sha256, toHex } from '../../protocol/bytes.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';
import { COORDINATOR_RECORDS, type SignedRecord } from '../../protocol/records/records.ts';
import { requireLawful, topologyOf } from '../../protocol/rules/index.ts';
import { entryHash, parseEntry, signedEntries } from '../../protocol/secagg/index.ts';
import { withoutReport } from './abort-causes.ts';
import { judgeWork } from './complaint.ts';
import { isBuffered, sayFilling } from './buffer.ts';
import type { MachineConfig } from './config.ts';
import { append, refusal, send, startWork, type Step } from './effects.ts';
import type { EventOf } from './events.ts';
import { ATTEMPT_PHASES } from './phases.ts';
import { withRegistered } from './places.ts';
import { timed } from './upload.ts';
import { viewOf } from './rules-view.ts';
import {
  attemptOf,
  withChange,
  withEntry,
  type AnswerPhase,
  type Hex,
  type Attempt,
  type AttemptChange,
  type PhaseType,
  type State,
} from './state.ts';

type ParticipantRecord = SignedRecord<
  'register' | 'share' | 'complaint' | 'upload' | 'consistent' | 'unmask'
>;

const refuse = (code: ErrorCode, message: string): never => {
  throw new FloeError(code, message);
};

/** The phase a record belongs to. */
const PHASE_OF: Readonly<Record<ParticipantRecord['type'], AnswerPhase>> = {
  register: 'register',
  share: 'share',
  complaint: 'upload',
  upload: 'upload',
  consistent: 'consistency',
  unmask: 'unmask',
};

const ORDER: readonly PhaseType[] = ATTEMPT_PHASES;

/** The record that the author has already sent for this step. */
const earlier = (attempt: Attempt, type: ParticipantRecord['type'], key: Hex) => {
  switch (type) {
    case 'register':
      return attempt.registers.get(key);
    case 'share':
      return attempt.shares.get(key)?.record;
    case 'complaint':
      return attempt.complaints.get(key)?.record;
    case 'upload':
      return attempt.uploads.get(key)?.record;
    case 'consistent':
      return attempt.consistent.get(key);
    case 'unmask':
      return attempt.unmasks.get(key);
  }
};

const checkPlace = (
  state: State,
  attempt: Attempt,
  record: ParticipantRecord,
  now: number,
): void => {
  const { phase } = state;
  const wanted = PHASE_OF[record.type];
  if (phase.type === wanted) {
    if (now >= phase.deadline) refuse('phase_closed', `the ${wanted} phase is over`);
  } else if (ORDER.indexOf(phase.type) > ORDER.indexOf(wanted))
    refuse('phase_closed', `the ${wanted} phase of attempt ${attempt.attempt} is over`);
  else refuse('unexpected_frame', `a ${record.type} record before the ${wanted} phase`);
};

/**
 * Checks that the sealed entries match the hashes in a share or an unmask record. @throws FloeError
 */
const checkEntries = (
  { spec }: MachineConfig,
  attempt: Attempt,
  record: ParticipantRecord,
  entries: readonly Uint8Array[],
): void => {
  if (record.type === 'unmask') {
    const [answer, ...more] = entries;
    if (answer === undefined || more.length > 0 || !equalBytes(sha256(answer), record.body.answer))
      refuse('share_invalid', 'the answer is not the one that the record names');
    return;
  }
  if (record.type !== 'share') {
    if (entries.length > 0) refuse('unexpected_frame', `a ${record.type} record has no entries`);
    return;
  }
  const { author, body } = record;
  const { cohort } = attempt;
  if (cohort === undefined) return refuse('unexpected_frame', 'a share before the cohort');
  const { members } = cohort.body;
  const holders =
    topologyOf({ spec, cohort }).holders[attempt.members.indexOf(toHex(author))] ?? [];
  const expected = holders.length;
  if (entries.length !== expected)
    refuse('share_invalid', `expected ${expected} entries, got ${entries.length}`);
  for (const [place, index] of holders.entries())
    parseEntry(author, members[index] as Uint8Array, entries[place] as Uint8Array);
  const { root } = signedEntries({ context: body.context, author }, entries.map(entryHash));
  if (!equalBytes(root, body.entries.root))
    refuse('share_invalid', 'the entries are not those whose root the record holds');
};

const accept = (
  attempt: Attempt,
  record: ParticipantRecord,
  entries: readonly Uint8Array[],
  took: number,
): AttemptChange => {
  const key = toHex(record.author);
  switch (record.type) {
    case 'register':
      return { registers: withEntry(attempt.registers, key, record) };
    case 'share':
      return { shares: withEntry(attempt.shares, key, { record, entries }) };
    case 'complaint':
      return {
        complaints: withEntry(attempt.complaints, key, { record, judged: false }),
      };
    case 'upload':
      return {
        uploads: withEntry(attempt.uploads, key, { record, status: 'accepted', took }),
      };
    case 'consistent':
      return { consistent: withEntry(attempt.consistent, key, record) };
    case 'unmask':
      return {
        unmasks: withEntry(attempt.unmasks, key, record),
        answers: withEntry(attempt.answers, key, entries[0] as Uint8Array),
      };
  }
};

const isParticipants = (record: SignedRecord): record is ParticipantRecord =>
  !COORDINATOR_RECORDS.has(record.type);

const take = (config: MachineConfig, state: State, event: EventOf<'record'>): Step => {
  const { record, entries, from } = event;
  if (!isParticipants(record))
    return refuse('unexpected_frame', `a participant cannot author a ${record.type} record`);
  if (!equalBytes(record.run, config.run))
    return refuse('record_replayed', 'the record belongs to another run');
  if (!equalBytes(record.author, from))
    return refuse('record_replayed', "the record is not the session's own");
  const attempt = attemptOf(state);
  if (record.attempt !== state.attempt)
    return refuse('record_replayed', `expected attempt ${state.attempt}, got ${record.attempt}`);
  if (attempt === undefined) return refuse('phase_closed', `attempt ${record.attempt} is over`);
  const key = toHex(from);
  const ack = send([key], { type: 'ack', hash: record.hash });
  const before = earlier(attempt, record.type, key);
  if (before !== undefined)
    return equalBytes(before.hash, record.hash)
      ? { state, effects: [ack] }
      : refuse(
          'record_conflict',
          `another ${record.type} record of this attempt is already accepted`,
        );
  checkPlace(state, attempt, record, event.time);
  requireLawful(viewOf(config, state, attempt), record);
  checkEntries(config, attempt, record, entries);
  const { phase } = state;
  const began = 'deadline' in phase ? (phase.timedFrom ?? phase.since) : phase.since;
  const { reports } = withoutReport(attempt, key);
  const change = accept(attempt, record, entries, event.time - began);
  const next = withChange(state, { ...change, reports });
  return {
    state: {
      ...next,
      phase: timed(config, next.phase),
      registered:
        record.type === 'register' ? withRegistered(state, key, record) : state.registered,
    },
    effects: [
      // A complaint goes into the transcript with its verdict.
      ...(record.type === 'complaint' ? [startWork(judgeWork(attempt, record))] : [append(record)]),
      ack,
      ...(record.type === 'upload'
        ? [startWork({ type: 'fold', attempt: attempt.attempt, record })]
        : []),
      ...(record.type === 'register' ? sayFilling(config, next) : []),
    ],
  };
};

export const applyRecord = (
  config: MachineConfig,
  state: State,
  event: EventOf<'record'>,
): Step => {
  try {
    return take(config, state, event);
  } catch (thrown) {
    if (!(thrown instanceof FloeError)) throw thrown;
    // An update that comes after the buffer is full waits for the next one.
    if (thrown.code === 'phase_closed' && isBuffered(config) && event.record.type === 'register')
      return { state, effects: [] };
    return {
      state,
      effects: [refusal(toHex(event.from), thrown.code, thrown.message, event.record.hash)],
    };
  }
};
