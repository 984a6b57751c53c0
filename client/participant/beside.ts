/**
 * @module Work that runs beside the frames of a round: training, masking, uploading. What it gives is handled in the order of
 * the participant's queue, and dropped when the round has ended in the meantime.
 */
import { equalBytes, sha256 } from '../../protocol/bytes.ts';
import type { BlobRef } from '../../protocol/blobs/blob-store.ts';
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import type { SignedRecord } from '../../protocol/records.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import type { TrainResult } from '../trainer.ts';
import { retrying } from './backoff.ts';
import type { Live } from './live.ts';
import type { RoundPorts } from './ports.ts';
import { trainingSeed } from './steps.ts';

export type Kind = 'training' | 'vector' | 'upload';

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

/** The coordinator broke a rule, and that was found out beside the frames. */
class Breach extends Error {
  readonly error: FloeError;
  constructor(error: FloeError) {
    super(error.message, { cause: error });
    this.error = error;
  }
}

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
      if (!(thrown instanceof FloeError)) throw thrown;
      await this.#fail(thrown, 'own');
    }
  }

  /** Fetches the model of the round and trains. */
  async train(
    { body, round }: SignedRecord<'open'>,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<Trained> {
    const { view, own, store, trainer, gate, clock } = this.#ports;
    const { epochs, batchSize, learningRate } = view.spec.training;
    const cipher = await this.#retry(() => store.get(body.model.blob, { signal }), signal);
    let before: Float32Array;
    try {
      before = await openModel({ run: view.run, model: body.model, cipher }, view.spec.model, gate);
    } catch (thrown) {
      // The store gave the very bytes that the coordinator signed.
      throw new Breach(toFloeError(thrown));
    }
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
