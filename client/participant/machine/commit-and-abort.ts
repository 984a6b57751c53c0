/**
 * @module How an attempt ends: a commit, which names the next model, or an abort, which says
 * whether the sum may be known.
 */
import { NO_FAULTS } from '../../../protocol/own-faults.ts';
import { reportMetrics } from '../../../protocol/algorithm/metrics.ts';
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError, isErrorCode } from '../../../protocol/errors.ts';
import { addressOf } from '../../../protocol/ports/identity.ts';
import { decodeRecord, type SignedRecord } from '../../../protocol/records/records.ts';
import { emptyView, requireLawful, withRecord } from '../../../protocol/rules/index.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import * as checks from './record-checks.ts';
import { afterCommit } from './ahead.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { emit, same, save, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import { endWith } from './withdrawal.ts';
import * as memories from './run-memory.ts';
import * as spending from './spending.ts';
import { attemptNumber, inAttempt, type State } from './state.ts';
import { plural } from '../../../protocol/plural.ts';

/** Remembers the new model. @throws FloeError `record_replayed`; those of the rules of Commit */
export const onCommit = (
  config: MachineConfig,
  state: State,
  commit: SignedRecord<'commit'>,
): Step => {
  const { view } = config;
  const known = state.commit;
  if (known !== undefined && equalBytes(known.hash, commit.hash)) return same(state);
  if (known !== undefined && commit.attempt <= known.attempt)
    throw new FloeError(
      'record_replayed',
      `a commit of attempt ${commit.attempt} came after that of attempt ${known.attempt}`,
    );
  const { phase } = state;
  const attempt = inAttempt(phase)?.attempt;
  const own = attempt?.open.attempt === commit.attempt ? attempt : undefined;
  checks.checkCommit(view, commit, own?.view);
  const memory = memories.commitTo(state.memory, known, commit);
  const isOver = (attemptNumber(phase) ?? 0) <= commit.attempt;
  const isOwn = own !== undefined;
  const left = afterCommit(config, { ...state, memory }, commit.attempt, isOwn);
  const { weight, clipped, model } = commit.body;
  const metrics = reportMetrics(view.spec.metrics, commit.body.metrics, weight);
  return same(
    {
      ...left.state,
      commit,
      phase: isOver ? { type: 'idle' } : phase,
      ownFaults: isOwn ? NO_FAULTS : state.ownFaults,
    },
    save(memory),
    ...(isOver ? [{ type: 'cancel' } as const] : []),
    ...left.effects,
    emit({ type: 'committed', attempt: commit.attempt, weight, clipped, metrics, model }),
  );
};

/**
 * Forgets the attempt; remembers culprits whose breach it has proven. Of an attempt whose end it
 * has missed, too: it may have answered, and answers for that set without them only if it knows.
 *
 * @throws FloeError of the rules of Abort
 */
export const onAbort = (
  config: MachineConfig,
  state: State,
  record: SignedRecord<'abort'>,
): Step => {
  const { memory } = state;
  if (state.phase.type === 'preparing' && attemptNumber(state.phase) === record.attempt)
    return onAbort(config, { ...state, phase: { type: 'idle' } }, record);
  const attempt = inAttempt(state.phase)?.attempt;
  const isOwn = attempt?.open.attempt === record.attempt;
  // The coordinator sends the proof again at each login, for as long as the model stands.
  const culprits = new Set(memory.culprits);
  if (!isOwn && record.body.lies === undefined) return same(state);
  if (!isOwn && record.body.culprits.every((key) => culprits.has(addressOf(key))))
    return same(state);
  const view = isOwn ? withOwn(config, state, attempt.view) : viewOf(config, record.attempt);
  requireLawful(view, record);
  return same(state, {
    type: 'work',
    work: { type: 'prove', attempt: record.attempt, view, record },
  });
};

const viewOf = ({ view: { spec, run, beacon } }: MachineConfig, attempt: number) =>
  emptyView({ spec, run, attempt, beacon });

/** With the own record that shows whether it has answered. */
const withOwn = (config: MachineConfig, { memory }: State, view: ReturnType<typeof viewOf>) => {
  const { unmask, upload } = memories.saved(memory);
  const own = isMasked(config) ? unmask : upload;
  return own === undefined ? view : withRecord(view, decodeRecord(own));
};

export const onProven = (state: State, { record, culprits }: ResultOf<'prove'>): Step => {
  const isOwn = inAttempt(state.phase)?.attempt.open.attempt === record.attempt;
  const learnt =
    culprits.length === 0
      ? state.memory
      : { ...state.memory, ...spending.withCulprits(state.memory, culprits) };
  if (!isOwn)
    return culprits.length === 0 ? same(state) : same({ ...state, memory: learnt }, save(learnt));
  const memory = memories.end(learnt, undefined);
  const { code, reason, answered } = record.body;
  return same(
    { ...state, memory, phase: { type: 'idle' } },
    save(memory),
    { type: 'cancel' },
    emit({ type: 'aborted', attempt: record.attempt, code, reason, answered }),
  );
};

/** The coordinator has ended the run before its last round. */
const failed = (failure: string, rounds: number): FloeError =>
  new FloeError(
    isErrorCode(failure) ? failure : 'internal',
    `the coordinator has ended the run after ${plural(rounds, 'round')}`,
  );

/**
 * The run is over: no attempt continues, and the secrets of one that was in progress are erased, as
 * is an update that no round takes any more.
 */
export const onFinished = (
  state: State,
  { rounds, failure }: Extract<ServerFrame, { type: 'finished' }>,
): Step => {
  const isOpen = state.memory.attempt !== undefined;
  const memory = isOpen ? memories.end(state.memory, undefined) : state.memory;
  return endWith(
    { ...state, memory, ahead: { type: 'none' } },
    failure === undefined ? 'finished' : failed(failure, rounds),
    [
      ...(isOpen ? [save(memory, 'end')] : []),
      emit({ type: 'finished', rounds, ...(failure === undefined ? {} : { failure }) }),
    ],
  );
};
