/**
 * @module Work that runs beside the frames of an attempt: the check of a commit, the model,
 * training, the upload. Their results come back to the machine as events.
 */
import type { AccessGate, KeyPurpose } from '../../../protocol/ports/access-gate.ts';
import { maxBundleBytes } from '../../../protocol/verify/bundle.ts';
import { layoutOf, stateTensorsOf } from '../../../protocol/algorithm/round.ts';
import { checkBlob, type BlobRef } from '../../../protocol/ports/blob-store.ts';
import { equalBytes, sha256 } from '../../../protocol/bytes.ts';
import { decryptBlob } from '../../../protocol/model/envelope.ts';
import { FloeError, toFloeError } from '../../../protocol/errors.ts';
import { createMemo } from '../../../protocol/memo.ts';
import type { ModelRef, SignedRecord } from '../../../protocol/records/records.ts';
import { groupSizeOf } from '../../../protocol/robust/groups.ts';
import { Breach, type Proof } from '../../../protocol/rules/breach.ts';
import { groupsOf } from '../../../protocol/rules/groups.ts';
import type { CommitEvidence } from '../../../protocol/verify/evidence.ts';
import { bundlePlaces } from '../../../protocol/verify/lasting-ref.ts';
import { decryptModel, type ModelContent } from '../../../protocol/model/open-model.ts';
import {
  spotCheck,
  type RoundReader,
  type SpotCheckResult,
} from '../../../protocol/verify/spot-check.ts';
import type { StoredAttempt } from '../../keystore/keystore.ts';
import { requestOfRound } from '../../round-request.ts';
import { PortFault } from '../machine/verdict.ts';
import { readFreeze } from './freezes.ts';
import { localParts } from './local-parts.ts';
import { residualState } from './error-feedback.ts';
import { correctionOfRound, strategyState } from './strategy-state.ts';
import type { Wait } from './wait-for-ports.ts';
import type { WorkPorts } from './ports.ts';
import { trainingSeed } from './crypto-steps.ts';
import type { Trained } from './trained.ts';

const KEY_BYTES = 32;

/** What work may use. */
export interface Task {
  /** Fires when the attempt is over for this participant. */
  readonly signal: AbortSignal;
  /** Waits for a store, gate or ledger that fails. */
  readonly wait: Wait;
}

/**
 * The models trained on last, by hash: the check of a commit starts from the one before it.
 * Simulated participants of one process share them.
 */
const RECENT_MODELS_BYTES = 64 << 20;
const RECENT_MODELS = 4;
const recentModels = createMemo<ModelContent>(RECENT_MODELS_BYTES, RECENT_MODELS);

/** Two versions of equal weights may differ in state. */
const nameOf = ({ hash, state }: ModelRef): Uint8Array =>
  state === undefined ? hash : sha256(hash, state);

/**
 * Does `work` on bytes whose hash is in a signed record, with a key that opened: what is wrong with
 * them then is proven by that record.
 */
const proving = async <Result>(records: Proof, work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof FloeError) || thrown instanceof PortFault) throw thrown;
    if (thrown.code === 'aborted') throw thrown;
    throw new Breach(thrown.code, thrown.message, records, thrown.details);
  }
};

/** The port's contract, held again before a record is blamed. @throws PortFault of the store */
const asNamed = (ref: BlobRef, bytes: Uint8Array): Uint8Array => {
  try {
    return checkBlob(ref, bytes);
  } catch (thrown) {
    throw new PortFault('store', toFloeError(thrown), thrown);
  }
};

/**
 * The gate's contract, held before a record is blamed for what its key does not open. @throws
 * PortFault of the gate
 */
const unwrap = async (
  gate: AccessGate,
  envelope: Uint8Array,
  purpose: KeyPurpose,
): Promise<Uint8Array> => {
  const key = await gate.unwrap(envelope, purpose);
  if (key.length === KEY_BYTES) return key;
  const message = `expected a key of ${KEY_BYTES} bytes, got ${key.length}`;
  throw new PortFault('gate', new FloeError('envelope_malformed', message), undefined);
};

/**
 * Where the ledger is not the coordinator's own, it holds the cohort and the survivors of the
 * committed round.
 */
const compareFreezes = async (
  { view, ledger }: WorkPorts,
  { cohort, survivors }: CommitEvidence,
  wait: Wait,
): Promise<void> => {
  if (ledger === undefined) return;
  const [frozen, alive] = await Promise.all([
    wait(() => readFreeze(ledger, 'cohort', view.run, cohort.attempt)),
    wait(() => readFreeze(ledger, 'survivors', view.run, survivors.attempt)),
  ]);
  if (!equalBytes(frozen.root, cohort.body.root))
    throw new Breach('context_mismatch', 'the ledger holds another cohort of the commit', [cohort]);
  if (!equalBytes(alive.hash, survivors.body.hash))
    throw new Breach('survivors_inconsistent', 'the ledger holds other survivors of the commit', [
      survivors,
    ]);
};

/**
 * The spot check of the commit that the round starts from: see protocol/verify/spot-check.ts.
 *
 * @param leaf drawn by this participant
 */
export const checkCommit = async (
  ports: WorkPorts,
  open: SignedRecord<'open'>,
  evidence: CommitEvidence,
  leaf: number,
  { signal, wait }: Task,
): Promise<SpotCheckResult> => {
  const { view, store, gate } = ports;
  const { spec, run } = view;
  const reader: RoundReader = {
    range: (places, start, end) =>
      wait(() => fromFirst(places, (ref) => store.getRange(ref, start, end, { signal }), signal)),
    whole: (places) =>
      wait(() =>
        fromFirst(places, async (ref) => asNamed(ref, await store.get(ref, { signal })), signal),
      ),
  };
  await compareFreezes(ports, evidence, wait);
  const { commit, cohort } = evidence;
  const n = cohort.body.members.length;
  const { meanExamples } = evidence.open.body;
  const groups = groupSizeOf(spec) === undefined ? 0 : groupsOf({ spec, cohort }).length;
  const most = maxBundleBytes(layoutOf(spec, n, meanExamples), n, groups);
  const { size } = commit.body.bundle.blob;
  if (size > most)
    throw new Breach('blob_too_large', `expected a bundle of at most ${most} bytes, got ${size}`, [
      commit,
      cohort,
    ]);
  const purpose = { run, attempt: commit.attempt, role: 'bundle' } as const;
  const envelope = open.body.bundle?.envelope ?? new Uint8Array();
  const [cipher, key] = await Promise.all([
    reader.whole(bundlePlaces(commit)),
    wait(() => unwrap(gate, envelope, purpose)),
  ]);
  const bundle = await proving([commit, open], () => decryptBlob(key, purpose, cipher));
  const before = recentModels.get(nameOf(evidence.open.body.model));
  return spotCheck({ spec, run, evidence, bundle, before, leaf, reader, signal });
};

/** Fetches and opens the model of the attempt. */
export const fetchModel = async (
  { view, store, gate }: WorkPorts,
  open: SignedRecord<'open'>,
  { signal, wait }: Task,
): Promise<ModelContent> => {
  const { model } = open.body;
  const purpose = { run: view.run, attempt: model.version, role: 'model' } as const;
  const cipher = await wait(async () =>
    asNamed(model.blob, await store.get(model.blob, { signal })),
  );
  const key = await wait(() => unwrap(gate, model.envelope, purpose));
  return proving([open], () =>
    decryptModel(
      { run: view.run, model, cipher, key, stateTensors: stateTensorsOf(view.spec) },
      view.spec.model,
    ),
  );
};

/** Trains; one training at a time, even when an attempt is left in the middle of one. */
export type Train = (
  input: {
    readonly round: number;
    readonly model: ModelRef;
    readonly content: ModelContent;
    /** See `site-state.ts`. */
    readonly summedIn: number | undefined;
    readonly onProgress: (done: number, total: number) => void;
  },
  signal: AbortSignal,
) => Promise<Trained>;

export const createTraining = (ports: WorkPorts): Train => {
  const { view, own, trainer, clock, sent } = ports;
  const local = localParts(view.spec, ports.keystore);
  let earlier: Promise<unknown> = Promise.resolve();
  const carried = strategyState(view, ports.keystore);
  const leftOut = residualState(view, ports.keystore);
  return async ({ round, model, content, summedIn, onProgress }, signal) => {
    const { weights: before, state } = content;
    recentModels.add(nameOf(model), content, before.byteLength + state.byteLength);
    // The trainer may hold the event loop from now on.
    await sent(signal);
    const turn = earlier.then(async () => {
      const started = clock.monotonic();
      const weights = before.slice();
      await local?.enter(model.version, weights);
      const asked = requestOfRound(view.spec, round);
      const start = await carried.enter(state, summedIn);
      const residual = await leftOut?.read(summedIn);
      const correction = correctionOfRound(view.spec, start);
      const result = await trainer.train({
        ...asked,
        weights,
        ...(correction === undefined ? {} : { correction }),
        seed: trainingSeed(view, own, model.hash),
        signal,
        onProgress,
      });
      await local?.keep(model.version, result.weights);
      const member = { ...start, learningRate: asked.learningRate, residual };
      return { before, result, member, milliseconds: clock.monotonic() - started };
    });
    // The next one only waits for the end; how it ended is this caller's to handle.
    earlier = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  };
};

/** Puts the saved vector, and no other bytes, into the store. */
export const uploadVector = async (
  { view, keystore, store }: WorkPorts,
  vector: NonNullable<StoredAttempt['vector']>,
  made: Uint8Array | undefined,
  { signal, wait }: Task,
): Promise<BlobRef> => {
  const bytes = made ?? (await keystore.loadVector(view.run));
  const isSame = made !== undefined || (bytes && equalBytes(sha256(bytes), vector.sha256));
  if (bytes === undefined || isSame !== true)
    throw new FloeError(
      'mask_reuse',
      'the vector made for this attempt is gone, and another one must not be made',
    );
  const blob = await wait(() => store.put(bytes, { signal, sha256: vector.sha256 }));
  if (!equalBytes(blob.sha256, vector.sha256) || blob.size !== vector.size) {
    const error = new FloeError('blob_corrupt', 'the store says it keeps other bytes than it got');
    throw new PortFault('store', error, undefined);
  }
  return blob;
};

/** From the first of these places that gives it. */
const fromFirst = async <Result>(
  places: readonly BlobRef[],
  read: (ref: BlobRef) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> => {
  let failure: unknown;
  for (const ref of places)
    try {
      // The next place only matters where this one fails.
      return await read(ref);
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof FloeError)) throw thrown;
      failure = thrown;
    }
  throw failure;
};
