/**
 * @module The cryptographic steps of a participant's round as functions: what it holds and sees in, what it must save and send
 * out. No I/O, no clock; randomness is passed in. Saving before sending is the caller's duty. Source: Bonawitz et al. 2017.
 */
import type { AccessGate } from '../../protocol/access/access-gate.ts';
import { METRICS, rotationSeed, weighMetric } from '../../protocol/aggregate/round.ts';
import { equalBytes, sha256 } from '../../protocol/bytes.ts';
import { encodeUpdate, pack } from '../../protocol/encoding/index.ts';
import { encryptBlob } from '../../protocol/envelope.ts';
import { FloeError } from '../../protocol/errors.ts';
import { sealTo, type Identity } from '../../protocol/identity.ts';
import { encodeFrame } from '../../protocol/messages.ts';
import { chunkRoot } from '../../protocol/merkle.ts';
import { cipherStream, deriveSeed, type RandomSource } from '../../protocol/random.ts';
import { signRecord, sortKeys, type SignedRecord } from '../../protocol/records.ts';
import {
  answerUnmask,
  derive,
  encodeAnswer,
  makeShares,
  maskUpdate,
  memberOf,
  openShare,
  pairMask,
  parseEntry,
  selfMaskSeed,
  type GuardState,
  type Lanes,
  type MaskJob,
  type RevealedShare,
  type SharePair,
} from '../../protocol/secagg/index.ts';
import type { RoundMemory } from '../keystore/keystore.ts';
import type { TrainResult } from '../trainer.ts';
import type { CheckedCohort, CheckedSharers, RunView } from './checks.ts';

/** The secrets a step may need. */
export interface Own {
  readonly identity: Identity;
  readonly trainingSecret: Uint8Array;
  /** A CSPRNG. */
  readonly random: RandomSource;
}

/** Seed of local training: follows from the keystore and the model, so that a repeated attempt trains the same update. */
export const trainingSeed = (view: RunView, own: Own, modelHash: Uint8Array): Uint8Array =>
  deriveSeed(own.trainingSecret, 'train', view.spec.id, modelHash);

/** A fresh secret; bound to the round as well, so that not even a random source that repeats gives two rounds one secret. */
const freshSecret = (view: RunView, own: Own, label: string, context: Uint8Array): Uint8Array =>
  deriveSeed(own.random(32), label, own.trainingSecret, view.run, context);

/**
 * Register: the keys of this round. The nonce is the beacon's: secret until it is sent, and the same when the same keystores
 * repeat the run, since the rotation and so the rounding depend on it.
 * @param answered names of the survivor sets it has answered for on this model
 */
export const makeRegister = (
  view: RunView,
  own: Own,
  open: SignedRecord<'open'>,
  answered: readonly Uint8Array[] = [],
): { readonly sigma: Uint8Array; readonly register: SignedRecord<'register'> } => {
  const sigma = freshSecret(view, own, 'sigma', open.hash);
  const keys = derive(sigma).public;
  const nonce = deriveSeed(own.trainingSecret, 'nonce', view.spec.id, open.round);
  return {
    sigma,
    register: signRecord(own.identity, 'register', view.run, open.round, {
      open: open.hash,
      ...keys,
      nonce,
      ...(answered.length === 0 ? {} : { answered: [...answered] }),
    }),
  };
};

/** Share: b, the shares of sigma and b for every member, the frame to send. */
export const makeSharing = async (
  view: RunView,
  own: Own,
  sigma: Uint8Array,
  { cohort, context, record }: CheckedCohort,
): Promise<NonNullable<RoundMemory['sharing']>> => {
  const selfSecret = freshSecret(view, own, 'self-mask', context);
  const { message, own: kept } = await makeShares({
    context,
    cohort,
    self: view.self,
    sigma,
    keys: derive(sigma),
    selfSecret,
    random: own.random,
  });
  const share = signRecord(own.identity, 'share', view.run, record.round, {
    context,
    commitment: message.commitment,
    entries: message.entries.map((entry) => sha256(entry)),
  });
  return {
    selfSecret,
    own: { self: kept.self, key: kept.key },
    frame: encodeFrame({ type: 'share', record: share.bytes, entries: [...message.entries] }),
  };
};

/** The pair masks with all sharers but oneself. */
const pairJobs = (
  view: RunView,
  sigma: Uint8Array,
  { cohort, context }: CheckedCohort,
  { inbox }: CheckedSharers,
): MaskJob[] => {
  const keys = derive(sigma);
  return inbox
    .filter(({ author }) => !equalBytes(author, view.self))
    .map(({ author, entry }) =>
      pairMask({
        keys,
        context,
        self: view.self,
        peer: memberOf(cohort, author),
        fromPeer: parseEntry(author, view.self, entry).kem,
      }),
    );
};

export interface VectorInput {
  readonly open: SignedRecord<'open'>;
  readonly checked: CheckedCohort;
  /** Masked runs: what the masks are made of. */
  readonly masks:
    | {
        readonly sigma: Uint8Array;
        readonly selfSecret: Uint8Array;
        readonly sharers: CheckedSharers;
      }
    | undefined;
  /** Flat weights before training. */
  readonly before: Float32Array;
  readonly trained: TrainResult;
  readonly gate: AccessGate;
  readonly signal: AbortSignal;
}

export interface Vector {
  readonly bytes: Uint8Array;
  readonly chunkRoot: Uint8Array;
  readonly envelope: Uint8Array | undefined;
}

/**
 * From the trained weights to the bytes that are uploaded: difference, clip, rotate, round, mask (or encrypt), pack. The
 * rounding depends on keystore, specification and round only, so a masked and an unmasked run give the same sums.
 *
 * @throws FloeError `update_not_finite`, `tensor_mismatch`, `weight_out_of_range`, `metric_out_of_range`, `aborted`...
 */
export const makeVector = async (view: RunView, own: Own, input: VectorInput): Promise<Vector> => {
  const { spec, run } = view;
  const { checked, masks, before, trained, gate, signal, open } = input;
  const { round } = open;
  const { members, root, beacon } = checked.record.body;
  if (trained.weights.length !== before.length)
    throw new FloeError(
      'tensor_mismatch',
      `expected ${before.length} trained weights, got ${trained.weights.length}`,
    );
  const { lanes, layout } = encodeUpdate({
    delta: trained.weights.map((value, i) => value - (before[i] as number)),
    examples: trained.examples,
    metrics: METRICS.map(({ name }) => weighMetric(spec, trained[name], trained.examples)),
    extras: METRICS,
    spec: spec.encoding,
    n: members.length,
    rotationSeed: rotationSeed({
      round,
      modelHash: open.body.model.hash,
      cohortRoot: root,
      beacon,
    }),
    random: cipherStream(deriveSeed(own.trainingSecret, 'round', spec.id, round)),
  });
  if (masks !== undefined) {
    await maskUpdate({
      // Made by encodeUpdate, so never over a shared buffer.
      lanes: lanes as Lanes,
      modulusBits: layout.modulusBits,
      selfSeed: selfMaskSeed(checked.context, view.self, masks.selfSecret),
      pairs: pairJobs(view, masks.sigma, checked, masks.sharers),
      signal,
    });
    const bytes = pack(lanes, layout.modulusBits);
    return { bytes, chunkRoot: chunkRoot(bytes), envelope: undefined };
  }
  const purpose = { run, round, role: 'update' } as const;
  const key = own.random(32);
  const bytes = await encryptBlob(key, purpose, pack(lanes, layout.modulusBits));
  const readers = sortKeys([spec.coordinator, ...spec.auditors].filter(isFirst));
  return {
    bytes,
    chunkRoot: chunkRoot(bytes),
    envelope: await gate.wrap(key, purpose, readers),
  };
};

/** The coordinator may be an auditor too. */
const isFirst = (key: Uint8Array, at: number, keys: readonly Uint8Array[]): boolean =>
  keys.findIndex((other) => equalBytes(other, key)) === at;

export interface Answer {
  /** Save it with `record` before `record` is sent. */
  readonly guard: GuardState;
  readonly record: SignedRecord<'unmask'>;
  readonly survivors: number;
  readonly dropped: number;
  /** Sharers whose entry did not open: this participant holds no share of them. */
  readonly unopened: readonly FloeError[];
}

/**
 * Unmask: a share of b for each survivor, of sigma for each one that dropped after sharing, sealed to the coordinator. Never
 * both for one peer and never for two survivor sets: the guard throws.
 *
 * @throws FloeError `already_answered`, `both_secrets_requested`, `survivors_inconsistent`, `cohort_too_small`...
 */
export const makeAnswer = async (
  view: RunView,
  own: Own,
  memory: RoundMemory & { readonly guard: GuardState; readonly ownUpload: Uint8Array },
  checked: CheckedCohort,
  sharers: CheckedSharers,
  survivors: SignedRecord<'survivors'>,
): Promise<Answer> => {
  const { cohort, context, threshold } = checked;
  const { members, hash } = survivors.body;
  const dropped = sharers.record.body.members.filter(
    (member) => !members.some((survivor) => equalBytes(survivor, member)),
  );
  const { state, reveal } = answerUnmask(
    memory.guard,
    { context, survivors: members, dropped, ownUpload: memory.ownUpload },
    { minimum: view.spec.cohort.minimum, threshold },
  );
  const keys = derive(memory.sigma);
  const unopened: FloeError[] = [];
  const shares: RevealedShare[] = [];
  for (const { author, kind } of reveal) {
    const entry = sharers.inbox.find((item) => equalBytes(item.author, author))?.entry;
    let pair: SharePair | undefined = memory.sharing?.own;
    if (entry !== undefined && !equalBytes(author, view.self)) {
      try {
        pair = await openShare({ context, cohort, self: view.self, keys, author, entry });
      } catch (thrown) {
        if (!(thrown instanceof FloeError) || thrown.code !== 'share_invalid') throw thrown;
        unopened.push(thrown);
        continue;
      }
    }
    if (pair !== undefined) shares.push({ author, kind, share: pair[kind] });
  }
  const answer = sealTo(view.spec.coordinator, encodeAnswer(shares));
  return {
    guard: state,
    record: signRecord(own.identity, 'unmask', view.run, survivors.round, {
      context,
      survivors: hash,
      answer,
    }),
    survivors: members.length,
    dropped: dropped.length,
    unopened,
  };
};
