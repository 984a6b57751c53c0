/**
 * @module The aggregation of an attempt. Each upload is fetched, checked and folded into one
 * accumulator as it arrives (memory O(d)). At the end the masks are removed (recovery.ts), and the
 * sum becomes the next model (Bonawitz et al. 2017, round 4). The accumulator is a cache: after a
 * restart it is rebuilt from the blobs.
 */
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import {
  EMPTY_BUNDLE,
  encodeBundle,
  entropiesOf,
  type UnmaskingBundle,
} from '../protocol/verify/bundle.ts';
import { extrasLeaf, joinHashes, leafHashes } from '../protocol/encoding/leaves.ts';
import {
  extrasFor,
  finishRound,
  layoutOf,
  encodingSeed,
  specAt,
} from '../protocol/algorithm/round.ts';
import { encodingOfOne } from '../protocol/algorithm/central-noise.ts';
import { hashStrategy } from '../protocol/algorithm/registry.ts';
import { checkBlob, type BlobRef, type BlobStore } from '../protocol/ports/blob-store.ts';
import type { UploadStaging } from '../protocol/ports/upload-staging.ts';
import { equalBytes, toHex } from '../protocol/bytes.ts';
import { checkMeanNorm, readExtras, unpack } from '../protocol/encoding/index.ts';
import { decryptBlob } from '../protocol/model/envelope.ts';
import { FloeError, toFloeError, type ErrorCode } from '../protocol/errors.ts';
import { OUTAGES } from '../protocol/outages.ts';
import { nextBeacon } from '../protocol/rules/beacon.ts';
import { rootOfHashes } from '../protocol/records/merkle.ts';
import type { Body, ModelRef, SignedRecord } from '../protocol/records/records.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Lanes, Verdict } from '../protocol/secagg/index.ts';
import { noiseSum } from './central-noise.ts';
import type { AnomalyWatch } from './anomalies/watch.ts';
import type { AttemptKeys } from './attempt-keys.ts';
import type { NoteGroups } from './group-notes.ts';
import type { Logger } from './log.ts';
import type { Attempt } from './machine/index.ts';
import type { ModelKeeper } from './model-keeper.ts';
import type { Received } from './received-blobs.ts';
import { judgeInAttempt, openMasks } from './recovery.ts';
import { cohortSize, createSums, meanOf, type Fetched } from './sums.ts';

export interface Aggregation {
  /**
   * Fetches, checks and folds one upload of the attempt. Idempotent.
   * @throws FloeError `upload_mismatch`, `weight_sum_out_of_range`, `mean_out_of_range`, and the
   * errors of store and gate
   */
  fold(attempt: Attempt, record: SignedRecord<'upload'>, signal: AbortSignal): Promise<void>;
  /**
   * Whether the store, or for `gate_unavailable` the gate, answers for the model of the attempt,
   * which the coordinator itself put there: no author of an upload has a hand in that.
   */
  answers(attempt: Attempt, code: ErrorCode, signal: AbortSignal): Promise<boolean>;
  /**
   * Computes the body of the commit record from the sum and the answers. The new model is in the
   * store when it returns.
   * @throws AttemptFailure when the attempt must be aborted; FloeError of store and gate
   */
  finish(
    attempt: Attempt,
    model: ModelRef,
    readers: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<Body<'commit'>>;
  /**
   * Determines the lying party from the complaint and the signed share in question: a function of
   * the attempt alone.
   */
  judge(attempt: Attempt, complaint: SignedRecord<'complaint'>): Promise<Verdict>;
  /**
   * Resolves once all blobs of the rounds so far are in permanent storage.
   * @throws FloeError of the store
   */
  settle(signal: AbortSignal): Promise<void>;
}

export interface AggregationInit {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly attemptKeys: AttemptKeys;
  readonly store: BlobStore;
  readonly staging?: UploadStaging | undefined;
  readonly gate: AccessGate;
  readonly keeper: ModelKeeper;
  readonly received: Received;
  readonly anomalies: Pick<AnomalyWatch, 'measure'>;
  /** 32 bytes. Secret. */
  readonly sealingSecret: Uint8Array;
  readonly noteGroups: NoteGroups;
  readonly log: Logger;
}

/** Uploads held in memory at once while they are checked and folded. */
const FOLDS_AT_ONCE = 4;

/** Runs at most `width` tasks at a time, in order of arrival. */
const limiter = (width: number) => {
  let free = width;
  const waiting: (() => void)[] = [];
  return async <Result>(task: () => Promise<Result>): Promise<Result> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
};

/** The fields of a blob that a record holds, without any others that a store adds. */
const refOf = ({ id, sha256, size }: BlobRef): BlobRef => ({ id, sha256, size });

/** As the attempt has it. */
const specOf = (spec: RunSpec, { open }: Attempt): RunSpec => specAt(spec, open?.body ?? {});

/** The keys of the models before and after, for spot checks. */
const keysOf = async (
  keeper: ModelKeeper,
  before: ModelRef,
  { key: after }: { readonly key: Uint8Array },
): Promise<UnmaskingBundle['keys']> => ({ before: await keeper.keyOf(before), after });

/** The beacon entropy of each survivor, where nothing is masked. */
const clearEntropies = (
  { uploads }: Attempt,
  { body }: SignedRecord<'survivors'>,
): readonly Uint8Array[] =>
  body.members.flatMap((member) => uploads.get(toHex(member))?.record.body.entropy ?? []);

/** The bundle, and the survivors' uploads in the order of their record, to where they last. */
const keep = async (
  { store, staging }: Pick<AggregationInit, 'store' | 'staging'>,
  attempt: Attempt,
  bundle: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly bundle: BlobRef; readonly archive?: string[] }> => {
  if (staging === undefined) return { bundle: await store.put(bundle, { signal }) };
  const uploads = new Map(
    [...attempt.uploads.values()].map(({ record }) => [toHex(record.hash), record.body.blob]),
  );
  const refs = (attempt.survivors?.body.uploads ?? []).flatMap(
    (hash) => uploads.get(toHex(hash)) ?? [],
  );
  const [first, ...others] = await staging.archive([bundle, ...refs], { signal });
  return { bundle: first as BlobRef, archive: others.map(({ id }) => id) };
};

/** See {@link Aggregation.answers}. */
const probe = async (
  { run, store, gate }: Pick<AggregationInit, 'run' | 'store' | 'gate'>,
  { open }: Attempt,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<boolean> => {
  if (open === undefined) return true;
  const { blob, envelope, version } = open.body.model;
  try {
    if (code === 'gate_unavailable')
      await gate.unwrap(envelope, { run, attempt: version, role: 'model' });
    else await store.getRange(blob, 0, 1, { signal });
    return true;
  } catch (thrown) {
    // Any other error is an answer from the store.
    return !OUTAGES.has(toFloeError(thrown).code);
  }
};

const stepOf = (
  { strategy }: RunSpec,
  before: Uint8Array,
  after: Uint8Array,
): Body<'commit'>['step'] => ({
  strategy: strategy.name,
  parameters: hashStrategy(strategy),
  before,
  after,
});

export const createAggregation = (init: AggregationInit): Aggregation => {
  const { spec, run, store, staging, gate, keeper, received } = init;
  const masked = spec.secagg === 'masked';
  const oneOfFew = limiter(FOLDS_AT_ONCE);

  /**
   * The packed vector behind an upload record. Without masks it is decrypted and its own weight
   * checked.
   */
  const fetchUpload = async (
    attempt: Attempt,
    { body }: SignedRecord<'upload'>,
    signal: AbortSignal,
  ): Promise<Fetched> => {
    // Only staged blobs can move to permanent storage; one blob from elsewhere would block all
    // uploads of the attempt.
    if (staging !== undefined && body.blob.id !== toHex(body.blob.sha256))
      throw new FloeError('upload_mismatch', 'the blob is not among the staged uploads');
    const { blob } = body;
    const bytes = received.has(blob)
      ? await store.getRange(blob, 0, blob.size, { signal })
      : await store.get(blob, { signal });
    const layout = layoutOf(specOf(spec, attempt), cohortSize(attempt), meanOf(attempt));
    const hashes = leafHashes(layout, bytes);
    if (!equalBytes(rootOfHashes(hashes), body.chunkRoot)) {
      // Where the disk has changed them since they came, that is what went wrong.
      if (received.has(blob)) checkBlob(blob, bytes);
      throw new FloeError('upload_mismatch', 'the chunk root is not that of the blob');
    }
    const { start } = extrasLeaf(layout, bytes.length);
    const leaves = { leaves: joinHashes(hashes), extras: bytes.slice(start) };
    if (masked) return { packed: bytes, leaves };
    const purpose = { run, attempt: attempt.attempt, role: 'update' } as const;
    const key = await gate.unwrap(body.envelope ?? new Uint8Array(), purpose);
    const packed = await decryptBlob(key, purpose, bytes);
    const lanes = unpack(packed, layout.modulusBits, layout.lanes);
    const tail = lanes.subarray(layout.padded);
    const encoding = encodingOfOne(specOf(spec, attempt), cohortSize(attempt), meanOf(attempt));
    const { weight } = readExtras(tail, encoding, layout, extrasFor(spec), 1);
    checkMeanNorm(lanes, encoding, layout, 1, weight);
    return { packed, leaves };
  };

  const sums = createSums(spec, fetchUpload);

  return {
    fold: async (attempt, record, signal) => {
      const target = sums.of(attempt);
      await oneOfFew(() => sums.addTo(target, attempt, record, signal));
    },
    answers: (attempt, code, signal) => probe(init, attempt, code, signal),
    finish: async (attempt, model, readers, signal) => {
      const { open, cohort, survivors } = attempt;
      if (!open || !cohort || !survivors)
        throw new FloeError('internal', 'the attempt has no survivors to finish with');
      const { sums: folded, each, uploads } = await sums.ofSurvivors(attempt, signal);
      const opened = await openMasks(init, attempt, folded, signal);
      const noise = await noiseSum(init, attempt, folded[0]!.lanes as Lanes);
      const entropies = masked
        ? entropiesOf(survivors.body.members, opened.secrets)
        : clearEntropies(attempt, survivors);
      const beacon = nextBeacon(open.body.beacon, entropies);
      const before = await keeper.read(model, signal);
      const result = finishRound({
        spec: specAt(spec, open.body),
        n: cohortSize(attempt),
        survivors: survivors.body.members.length,
        lanes: folded[0]!.lanes,
        each,
        groups: folded,
        before,
        meanExamples: open.body.meanExamples,
        rotationSeed: encodingSeed(spec, {
          attempt: attempt.attempt,
          beacon: open.body.beacon,
          modelHash: model.hash,
          cohortRoot: cohort.body.root,
        }),
      });
      init.noteGroups(attempt, result);
      init.anomalies.measure(attempt.attempt, before.weights, result.after.weights);
      const next = keeper.prepare(result.after, attempt.attempt, result.afterHash);
      const sum = joinHashes(result.sumLeaves);
      const keys = masked ? await keysOf(keeper, model, next) : EMPTY_BUNDLE.keys;
      const bundle = encodeBundle(
        masked
          ? { ...opened, sum, groups: result.groupSums, uploads: [...uploads], keys }
          : EMPTY_BUNDLE,
      );
      const purpose = { run, attempt: attempt.attempt, role: 'bundle' } as const;
      const [{ stored, envelope }, published] = await Promise.all([
        keeper.seal(bundle, purpose, readers, (cipher) => keep(init, attempt, cipher, signal)),
        keeper.publish(next, readers, signal),
      ]);
      const body: Body<'commit'> = {
        survivors: survivors.body.hash,
        aggregate: result.aggregate,
        bundle: { blob: refOf(stored.bundle), envelope },
        step: stepOf(spec, model.hash, result.afterHash),
        weight: result.weight,
        examples: result.examples,
        meanExamples: result.meanExamples,
        clipped: result.clipped,
        ...(result.clip && { clip: result.clip }),
        metrics: [...result.metrics],
        ...noise,
        beacon,
        model: published,
        ...(stored.archive === undefined ? {} : { archive: stored.archive }),
      };
      sums.forget();
      return body;
    },
    judge: (attempt, complaint) => judgeInAttempt(spec, attempt, complaint),
    settle: async (signal) => staging?.settle({ signal }),
  };
};
