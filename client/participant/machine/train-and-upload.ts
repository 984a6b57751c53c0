/**
 * @module Training, the masked vector and its upload, each as soon as its inputs exist. The vector
 * is made once and saved before it is sent; a restart uploads the same bytes. Bonawitz et al. 2017,
 * round 2.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { decodeRecordOf, type SignedRecord } from '../../../protocol/records/records.ts';
import { recordUpload } from '../../../protocol/secagg/index.ts';
import { inGroup } from '../../../protocol/rules/index.ts';
import { withUse } from './ahead.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { guardRules } from './record-checks.ts';
import { emit, same, save, sendRecord, type Effect, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import * as memories from './run-memory.ts';
import * as spending from './spending.ts';
import { inCohort, type PhaseOf, type State, type Training } from './state.ts';
import { startWork } from './start-work.ts';

const withTraining = (state: State, training: Training): State => {
  const phase = inCohort(state.phase);
  return phase === undefined ? state : { ...state, phase: { ...phase, training } };
};

/**
 * Fetches the model, or trains on it once the own shares have left; nothing happens where a vector
 * was made already.
 */
export const startTraining = (state: State, effects: readonly Effect[] = []): Step => {
  const phase = inCohort(state.phase);
  const { vector, sharing } = memories.saved(state.memory);
  if (phase === undefined || vector !== undefined) return same(state, ...effects);
  const { training, attempt } = phase;
  const { open, view } = attempt;
  if (training === 'none')
    return startWork(
      withTraining(state, 'fetching'),
      { type: 'fetch', attempt: open.attempt, open },
      effects,
    );
  if (training !== 'fetched') return same(state, ...effects);
  if (view.spec.secagg === 'masked' && sharing === undefined) return same(state, ...effects);
  return startWork(
    withTraining(state, 'training'),
    {
      type: 'train',
      attempt: open.attempt,
      round: open.body.committed + 1,
      model: open.body.model,
      summedIn: memories.summedIn(state.memory),
    },
    effects,
  );
};

export const onFetch = (state: State): Step => startTraining(withTraining(state, 'fetched'));

export const onTrain = (
  config: MachineConfig,
  before: State,
  { examples, lossSum, correct, milliseconds }: ResultOf<'train'>,
): Step => {
  const state = withTraining(before, 'trained');
  const phase = inCohort(state.phase);
  const told = phase
    ? [
        emit({
          type: 'trained',
          attempt: phase.attempt.open.attempt,
          examples,
          lossSum,
          correct,
          milliseconds,
          isSurvey: phase.attempt.view.spec.model.survey !== undefined,
        }),
      ]
    : [];
  return phase?.type === 'uploading'
    ? continueUpload(config, state, phase, told)
    : same(state, ...told);
};

/** The next step towards the upload, or the upload record again where it is made. */
export const continueUpload = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'uploading'>,
  effects: readonly Effect[] = [],
): Step => {
  const { sharing, opened, vector, upload } = memories.saved(state.memory);
  const { attempt, cohort, sharers, training } = phase;
  const { open } = attempt;
  if (upload !== undefined) return same(state, ...effects, sendRecord(upload));
  if (attempt.busy.has('keep-vector') || attempt.busy.has('sign-upload'))
    return same(state, ...effects);
  if (vector !== undefined)
    return startWork(state, { type: 'upload', attempt: open.attempt, vector }, effects);
  if (training !== 'trained') return startTraining(state, effects);
  const isReady = !isMasked(config) || (sharers && sharing && opened);
  if (isReady !== true) return same(state, ...effects);
  const { base } = decodeRecordOf('register', memories.saved(state.memory).register).body;
  return startWork(
    state,
    { type: 'vector', attempt: open.attempt, open, cohort, staleness: base?.staleness ?? 0 },
    effects,
  );
};

/** The older model that the update was trained on; none where that is the model of the attempt. */
const basesOf = ({ ahead }: State, { body: { model } }: SignedRecord<'open'>): Uint8Array[] =>
  ahead.type === 'ready' && !equalBytes(ahead.base.hash, model.hash) ? [ahead.base.hash] : [];

/** The guard takes the vector as the one of this attempt. @throws FloeError `mask_reuse` */
export const onVector = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'uploading'>,
  { vector }: ResultOf<'vector'>,
): Step => {
  const { cohort, sharers, attempt } = phase;
  const { open } = attempt;
  const { context, group } = cohort;
  const masked = inGroup(group, (sharers?.record ?? cohort.record).body.members);
  const guard = recordUpload(
    memories.saved(state.memory).guard!,
    { context, hash: vector.sha256, sharers: masked },
    guardRules(config.view, cohort),
  );
  return startWork(
    { ...state, phase: { ...phase, made: { vector, guard } } },
    {
      type: 'keep-vector',
      attempt: open.attempt,
      models: isMasked(config) ? [open.body.model.hash, ...basesOf(state, open)] : [],
    },
  );
};

/**
 * The bytes are on disk; with their hash it is saved that this update may be in a sum of the
 * attempt. @throws FloeError `update_already_spent`
 */
export const onVectorKept = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'uploading'>,
  { owner }: ResultOf<'keep-vector'>,
): Step => {
  const { made, cohort, attempt, ...rest } = phase;
  const { vector, guard } = made!;
  const { hash } = attempt.open.body.model;
  if (isMasked(config)) spending.checkOwner(config.view, hash, owner);
  const memory = memories.add(
    state.memory,
    { guard: memories.guardOf(guard), vector },
    isMasked(config)
      ? spending.uploadedIn(state.memory, hash, cohort, basesOf(state, attempt.open))
      : {},
  );
  const next = { ...rest, attempt, cohort };
  const used = withUse({ ...state, memory, phase: next }, attempt.open);
  return continueUpload(config, used, next, [save(memory)]);
};

/** The store has the saved bytes, and no others: the upload record states it. */
export const onUploaded = (
  state: State,
  { attempt, cohort }: PhaseOf<'uploading'>,
  { blob }: ResultOf<'upload'>,
): Step => {
  const { chunkRoot, envelope } = memories.saved(state.memory).vector!;
  return startWork(state, {
    type: 'sign-upload',
    attempt: attempt.open.attempt,
    body: {
      context: cohort.context,
      blob: { id: blob.id, sha256: blob.sha256, size: blob.size },
      chunkRoot,
      ...(envelope === undefined ? {} : { envelope }),
    },
  });
};

export const onUploadSigned = (state: State, { record }: ResultOf<'sign-upload'>): Step => {
  const memory = memories.add(state.memory, { upload: record.bytes });
  return same(
    { ...state, memory },
    save(memory),
    sendRecord(record.bytes),
    emit({ type: 'uploaded', attempt: record.attempt, bytes: record.body.blob.size }),
  );
};
