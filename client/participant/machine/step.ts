/**
 * @module The machine: (state, event) -> (state, effects), pure. The participant's attempt on one
 * page: each frame and each result moves it on, or is answered with the same bytes again, or the
 * attempt is left. Source: Bonawitz et al. 2017.
 *
 * idle -> opening -> registered -> checking -> [sharing ->] uploading -> answering -> idle | ended
 *
 * Sharing is a phase of a masked run. From every phase an abort, a commit, an error or a frame out
 * of order leads to idle; an attempt is never begun twice.
 */
import { toHex } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { decodeRecord } from '../../../protocol/records/records.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import {
  onAnswer,
  onConsistency,
  onSetSigned,
  onSurvivors,
  release,
  signSet,
} from './survivors-and-answer.ts';
import { checkCoordinatorRecord } from './record-checks.ts';
import type { MachineConfig } from './config.ts';
import { emit, same, type Step } from './effects.ts';
import { onAbort, onCommit, onFinished, onProven } from './commit-and-abort.ts';
import type { Event, Result } from './events.ts';
import { isBuffered, withAheadSaved } from './ahead.ts';
import { onCheck, onCohort, onEvidence, takePlace } from './cohort-and-check.ts';
import { causeOf, endWith, fault } from './withdrawal.ts';
import { onLogin } from './login.ts';
import { onOpen, onOwner, onPrepared, onRegister } from './open-and-register.ts';
import { onInbox, onShares, onSharers } from './share-and-sharers.ts';
import { attemptNumber, inAttempt, withAttempt, type State } from './state.ts';
import {
  onFetch,
  onTrain,
  onUploaded,
  onUploadSigned,
  onVector,
  onVectorKept,
} from './train-and-upload.ts';
import type { WorkType } from './work-types.ts';
import { withoutWork } from './start-work.ts';

const onRecord = (config: MachineConfig, state: State, bytes: Uint8Array): Step => {
  const record = decodeRecord(bytes);
  checkCoordinatorRecord(config.view, record);
  switch (record.type) {
    case 'open':
      return onOpen(config, state, record);
    case 'survivors':
      return onSurvivors(config, state, record);
    case 'commit':
      return onCommit(config, state, record);
    case 'abort':
      return onAbort(config, state, record);
    case 'register':
    case 'cohort':
    case 'share':
    case 'sharers':
    case 'complaint':
    case 'upload':
    case 'consistent':
    case 'unmask':
      break;
  }
  throw new FloeError('unexpected_frame', `a ${record.type} record does not come alone`);
};

const onAck = (state: State, hash: Uint8Array): Step => {
  const phase = inAttempt(state.phase);
  if (phase === undefined) return same(state);
  const acked = new Set([...phase.attempt.acked, toHex(hash)]);
  return same({ ...state, phase: withAttempt(phase, { acked }) });
};

const onFrame = (config: MachineConfig, state: State, frame: ServerFrame): Step => {
  switch (frame.type) {
    case 'record':
      return onRecord(config, state, frame.record);
    case 'evidence':
      return onEvidence(config, state, frame);
    case 'cohort':
      return onCohort(config, state, frame);
    case 'sharers':
      return onSharers(config, state, frame);
    case 'consistency':
      return onConsistency(config, state, frame);
    case 'ack':
      return onAck(state, frame.hash);
    case 'error':
      return same(state, emit({ type: 'refused', code: frame.code, message: frame.message }));
    case 'finished':
      return onFinished(state, frame);
    case 'challenge':
    case 'welcome':
      throw new FloeError('unexpected_frame', `${frame.type} does not belong here`);
  }
};

/** A result counts in the phase that requested it. */
const onDone = (config: MachineConfig, state: State, attempt: number, result: Result): Step => {
  const { phase } = state;
  switch (result.type) {
    case 'owner':
      return phase.type === 'opening' ? onOwner(config, state, phase, result) : same(state);
    case 'register':
      return phase.type === 'opening' ? onRegister(state, phase, result) : same(state);
    case 'cohort-freeze':
      return phase.type === 'registered' && phase.frame !== undefined
        ? takePlace(config, state, phase, phase.frame, result.facts)
        : same(state);
    case 'check':
      return phase.type === 'checking' ? onCheck(config, state, phase, result) : same(state);
    case 'shares':
      return phase.type === 'sharing' ? onShares(state, result) : same(state);
    case 'inbox':
      return phase.type === 'uploading' ? onInbox(config, state, phase, result) : same(state);
    case 'prepare':
      // Its training is told by the attempt in which it began, see `apply`.
      return onPrepared(config, state, attempt, result);
    case 'fetch':
      return onFetch(state);
    case 'train':
      return onTrain(config, state, result);
    case 'vector':
      return phase.type === 'uploading' ? onVector(config, state, phase, result) : same(state);
    case 'keep-vector':
      return phase.type === 'uploading' ? onVectorKept(config, state, phase, result) : same(state);
    case 'upload':
      return phase.type === 'uploading' ? onUploaded(state, phase, result) : same(state);
    case 'sign-upload':
      return phase.type === 'uploading' ? onUploadSigned(state, result) : same(state);
    case 'survivors-freeze':
      return phase.type === 'uploading' || phase.type === 'answering'
        ? signSet(config, state, phase, result.facts)
        : same(state);
    case 'sign-consistent':
      return phase.type === 'answering' ? onSetSigned(state, result) : same(state);
    case 'family':
      return phase.type === 'answering'
        ? release(config, state, phase, result.family)
        : same(state);
    case 'answer':
      return phase.type === 'answering' ? onAnswer(state, phase, result) : same(state);
    case 'prove':
      return onProven(state, result);
  }
};

/** The attempt in which the training ahead began that is in progress. */
const trainingSince = ({ ahead }: State): number | undefined =>
  ahead.type === 'training' ? ahead.base.attempt : undefined;

const apply = (config: MachineConfig, state: State, event: Event): Step => {
  // What the host did for an attempt that is over counts no more; a proof counts for ever.
  const isProof =
    (event.type === 'done' && event.result.type === 'prove') ||
    (event.type === 'failed' && event.work === 'prove');
  const isAhead =
    (event.type === 'done' && event.result.type === 'prepare') ||
    (event.type === 'failed' && event.work === 'prepare');
  // A training ahead outlives the attempt in which it began.
  const current = isAhead ? trainingSince(state) : attemptNumber(state.phase);
  if ('attempt' in event && !isProof && event.attempt !== current) return same(state);
  switch (event.type) {
    case 'logged-in':
      return onLogin(config, state, event);
    case 'frame':
      return state.online ? onFrame(config, state, event.frame) : same(state);
    case 'bad-frame': {
      if (!state.online) return same(state);
      const left = fault({ ...state, online: false }, event.error, 'frame');
      // What follows on this line may be no better: a fresh session shows the running attempt
      // again.
      return same(left.state, ...left.effects, { type: 'disconnect', error: event.error });
    }
    case 'clocks': {
      const { skew } = event;
      const isNew = skew !== undefined && skew.whose !== state.skew?.whose;
      return same({ ...state, skew }, ...(isNew ? [emit({ type: 'clock', skew })] : []));
    }
    case 'done':
      return onDone(config, withoutWork(state, event.result.type), event.attempt, event.result);
    case 'failed':
      throw event.error;
    case 'outage': {
      const { attempt, error } = event;
      const code = causeOf(state, error);
      return same(
        state,
        { type: 'send', frame: { type: 'report', attempt, code } },
        emit({ type: 'waiting', attempt, error, port: error.port }),
      );
    }
    case 'outage-over': {
      const { attempt, port, milliseconds } = event;
      return same(state, emit({ type: 'answers-again', attempt, port, milliseconds }));
    }
    case 'not-saved':
      if (event.otherwise === 'end') return endWith(state, event.error, []);
      throw event.error;
  }
};

/** The participant's own work: no frame caused its errors. */
const OWN_WORK: ReadonlySet<WorkType> = new Set([
  'check',
  'prepare',
  'fetch',
  'train',
  'vector',
  'keep-vector',
  'upload',
  'sign-upload',
]);

const sourceOf = (event: Event): 'frame' | 'work' => {
  if (event.type === 'done') return OWN_WORK.has(event.result.type) ? 'work' : 'frame';
  return event.type === 'failed' && OWN_WORK.has(event.work) ? 'work' : 'frame';
};

/** One event. An error of a rule is part of the step: the attempt is left, or the run ends. */
export const step = (config: MachineConfig, state: State, event: Event): Step => {
  if (state.phase.type === 'ended') return same(state);
  const next = stepped(config, state, event);
  return isBuffered(config) ? withAheadSaved(next) : next;
};

const stepped = (config: MachineConfig, state: State, event: Event): Step => {
  try {
    return apply(config, state, event);
  } catch (thrown) {
    if (!(thrown instanceof FloeError)) throw thrown;
    const isAhead = event.type === 'failed' && event.work === 'prepare';
    const left: State = isAhead ? { ...state, ahead: { type: 'none' } } : state;
    return fault(left, thrown, sourceOf(event));
  }
};
