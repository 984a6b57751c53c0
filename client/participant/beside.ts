/**
 * @module Work that runs beside the frames of a round: the check of a commit, training, masking, uploading. What
 * it gives is handled in the order of the participant's queue, and dropped when the round has ended in the meantime.
 */
import { maxBundleBytes } from '../../protocol/aggregate/bundle.ts';
import { layoutOf } from '../../protocol/aggregate/round.ts';
import type { BlobRef } from '../../protocol/blobs/blob-store.ts';
import { equalBytes, sha256 } from '../../protocol/bytes.ts';
import { decryptBlob } from '../../protocol/envelope.ts';
import { FloeError, toFloeError, type ErrorCode } from '../../protocol/errors.ts';
import { createMemo } from '../../protocol/memo.ts';
import type { SignedRecord } from '../../protocol/records.ts';
import type { CommitEvidence } from '../../protocol/verify/evidence.ts';
import { bundlePlaces } from '../../protocol/verify/lasting-ref.ts';
import { openModel } from '../../protocol/verify/open-model.ts';
import {
  spotCheck,
  type RoundReader,
  type SpotCheckResult,
} from '../../protocol/verify/spot-check.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import type { TrainResult } from '../trainer.ts';
import { retrying } from './backoff.ts';
import type { Live } from './live.ts';
import type { RoundPorts } from './ports.ts';
import { trainingSeed } from './steps.ts';

export type Kind = 'check' | 'training' | 'vector' | 'upload';

export interface Trained {
  /** Flat weights before training. */
  readonly before: Float32Array;
  readonly result: TrainResult;
  readonly milliseconds: number;
}

export interface Job<Result> {
  readonly work: (signal: AbortSignal) => Promise<Result>;
  readonly done: (result: Result) => Promise<void>;
}

const STORE_ATTEMPTS = 6;

/**
 * The models trained on last, by hash: the check of a commit starts from the one before it. Simulated
 * participants of one process share them.
 */
const RECENT_MODELS_BYTES = 64 << 20;
const recentModels = createMemo<Float32Array>(RECENT_MODELS_BYTES);

/** The coordinator broke a rule, and that was found out beside the frames. */
class Breach extends Error {
  readonly error: FloeError;
  constructor(error: FloeError) {
    super(error.message, { cause: error });
    this.error = error;
  }
}

/** What says nothing about the coordinator: whoever keeps the keys does not answer, is not listed, or nobody waits any more. */
const NOBODYS_FAULT: ReadonlySet<ErrorCode> = new Set([
  'gate_unavailable',
  'key_server_not_listed',
  'aborted',
]);

/** Does `work` on what the coordinator signed; an error that its content causes is a broken rule. */
const breaching = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work();
  } catch (thrown) {
    const error = toFloeError(thrown);
    throw NOBODYS_FAULT.has(error.code) ? error : new Breach(error);
  }
};

export class Beside {
  readonly #ports: RoundPorts;
  readonly #isCurrent: (live: Live) => boolean;
  readonly #fail: (error: FloeError, whose: 'own' | 'coordinator') => Promise<void>;
  /** One training at a time, even when a round is given up in the middle of one. */
  #trainer: Promise<unknown> = Promise.resolve();

  /** @param fail what to do when work of the round in progress fails */
  constructor(
    ports: RoundPorts,
    isCurrent: (live: Live) => boolean,
    fail: (error: FloeError, whose: 'own' | 'coordinator') => Promise<void>,
  ) {
    this.#ports = ports;
    this.#isCurrent = isCurrent;
    this.#fail = fail;
  }

  /** Starts a job, unless one of its kind is running for this round. */
  start<Result>(live: Live, kind: Kind, job: Job<Result>): void {
    if (live.busy.has(kind)) return;
    live.busy.add(kind);
    const settle = (handle: () => Promise<void>): void =>
      this.#ports.enqueue(async () => {
        live.busy.delete(kind);
        if (this.#isCurrent(live)) await handle();
      });
    job.work(live.stop.signal).then(
      (result) => settle(() => this.#finish(job, result)),
      (thrown: unknown) =>
        settle(() =>
          thrown instanceof Breach
            ? this.#fail(thrown.error, 'coordinator')
            : this.#fail(
                toFloeError(thrown, kind === 'training' ? 'trainer_failed' : 'internal'),
                'own',
              ),
        ),
    );
  }

  async #finish<Result>(job: Job<Result>, result: Result): Promise<void> {
    try {
      await job.done(result);
    } catch (thrown) {
      // A wrong commit ends the participant, not the round.
      if (!(thrown instanceof FloeError) || thrown.code === 'commit_fabricated') throw thrown;
      await this.#fail(thrown, 'own');
    }
  }

  /**
   * The spot check of the commit that the round starts from: see protocol/verify/spot-check.ts.
   *
   * @param leaf drawn by this participant
   */
  async check(
    { body }: SignedRecord<'open'>,
    evidence: CommitEvidence,
    leaf: number,
    signal: AbortSignal,
  ): Promise<SpotCheckResult> {
    const { view, store } = this.#ports;
    const { spec, run } = view;
    const reader: RoundReader = {
      range: (places, start, end) =>
        this.#fromFirst(places, (ref) => store.getRange(ref, start, end, { signal }), signal),
      whole: (places) => this.#fromFirst(places, (ref) => store.get(ref, { signal }), signal),
    };
    await this.#compareFreezes(evidence);
    const { commit, cohort } = evidence;
    const n = cohort.body.members.length;
    const most = maxBundleBytes(layoutOf(spec, n), n);
    const { size } = commit.body.bundle.blob;
    if (size > most)
      throw new Breach(
        new FloeError('blob_too_large', `expected a bundle of at most ${most} bytes, got ${size}`),
      );
    const [cipher, key] = await Promise.all([
      reader.whole(bundlePlaces(commit)),
      this.#unwrapBundle(body, commit),
    ]);
    const purpose = { run, round: commit.round, role: 'bundle' } as const;
    // The store gave the very bytes that the coordinator signed.
    const bundle = await breaching(() => decryptBlob(key, purpose, cipher));
    const before = recentModels.get(evidence.open.body.model.hash);
    return spotCheck({ spec, run, evidence, bundle, before, leaf, reader, signal });
  }

  #unwrapBundle(
    { bundle }: SignedRecord<'open'>['body'],
    { round }: SignedRecord<'commit'>,
  ): Promise<Uint8Array> {
    const { view, gate } = this.#ports;
    const envelope = bundle?.envelope ?? new Uint8Array();
    return breaching(() => gate.unwrap(envelope, { run: view.run, round, role: 'bundle' }));
  }

  /** Where the ledger is not the coordinator's own, it holds the cohort and the survivors of the committed round. */
  async #compareFreezes({ cohort, survivors }: CommitEvidence): Promise<void> {
    const { view, ledger } = this.#ports;
    if (ledger === undefined) return;
    const [frozen, alive] = await Promise.all([
      ledger.readCohort(view.run, cohort.round),
      ledger.readSurvivors(view.run, survivors.round),
    ]);
    if (!frozen || !equalBytes(frozen.root, cohort.body.root))
      throw new Breach(
        new FloeError('context_mismatch', 'the ledger holds another cohort of the commit'),
      );
    if (!alive || !equalBytes(alive.hash, survivors.body.hash))
      throw new Breach(
        new FloeError('survivors_inconsistent', 'the ledger holds other survivors of the commit'),
      );
  }

  /** From the first of these places that gives it; all of them are asked again where a retry can help. */
  #fromFirst<Result>(
    places: readonly BlobRef[],
    read: (ref: BlobRef) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    return this.#retry(async () => {
      let failure: unknown;
      for (const ref of places)
        try {
          // The next place only matters where this one fails.
          // oxlint-disable-next-line no-await-in-loop
          return await read(ref);
        } catch (thrown) {
          if (signal.aborted || !(thrown instanceof FloeError)) throw thrown;
          failure = thrown;
        }
      throw failure;
    }, signal);
  }

  async #openModel(
    { model }: SignedRecord<'open'>['body'],
    signal: AbortSignal,
  ): Promise<Float32Array> {
    const { view, store, gate } = this.#ports;
    const cipher = await this.#retry(() => store.get(model.blob, { signal }), signal);
    // The store gave the very bytes that the coordinator signed.
    return breaching(() => openModel({ run: view.run, model, cipher }, view.spec.model, gate));
  }

  /**
   * Fetches the model of the round, unless its weights are known, and trains.
   *
   * @param known weights with the hash that the open record names
   */
  async train(
    { body, round }: SignedRecord<'open'>,
    known: Float32Array | undefined,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<Trained> {
    const { view, own, trainer, clock } = this.#ports;
    const { epochs, batchSize, learningRate } = view.spec.training;
    const before = known ?? (await this.#openModel(body, signal));
    recentModels.add(body.model.hash, before, before.byteLength);
    const turn = this.#trainer.then(async () => {
      const started = clock.now();
      const result = await trainer.train({
        weights: before.slice(),
        round,
        epochs,
        batchSize,
        learningRate,
        seed: trainingSeed(view, own, body.model.hash),
        signal,
        onProgress,
      });
      return { before, result, milliseconds: clock.now() - started };
    });
    // The next one only waits for the end; how it ended is this caller's to handle.
    this.#trainer = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  /** Puts the saved vector, and no other bytes, into the store. */
  async upload(vector: NonNullable<RoundMemory['vector']>, signal: AbortSignal): Promise<BlobRef> {
    const { view, keystore, store } = this.#ports;
    const bytes = await keystore.loadVector(view.run);
    if (bytes === undefined || !equalBytes(sha256(bytes), vector.sha256))
      throw new FloeError(
        'mask_reuse',
        'the vector made for this round is gone, and another one must not be made',
      );
    const blob = await this.#retry(() => store.put(bytes, { signal }), signal);
    if (!equalBytes(blob.sha256, vector.sha256) || blob.size !== vector.size)
      throw new FloeError('blob_corrupt', 'the store says it keeps other bytes than it got');
    return blob;
  }

  #retry<Result>(call: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { clock, backoff, own } = this.#ports;
    return retrying(call, { attempts: STORE_ATTEMPTS, backoff, clock, random: own.random, signal });
  }
}
