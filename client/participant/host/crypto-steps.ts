/**
 * @module The cryptographic steps of a participant's attempt as functions: its state and the
 * received records go in, the state to save and the records to send come out. No I/O, no clock;
 * randomness is passed in. The caller saves before it sends. Source: Bonawitz et al. 2017.
 */
import type { AccessGate } from '../../../protocol/ports/access-gate.ts';
import { chunkRootSteps } from '../../../protocol/encoding/leaves.ts';
import { blocksOf, encodingSeed, layoutOf, specAt } from '../../../protocol/algorithm/round.ts';
import { equalBytes, sha256, toHex } from '../../../protocol/bytes.ts';
import { LANES_PER_STEP, packSteps, type RingLayout } from '../../../protocol/encoding/index.ts';
import { unmaskedReaders } from '../../../protocol/model/key-envelopes.ts';
import { encryptBlob } from '../../../protocol/model/envelope.ts';
import { FloeError } from '../../../protocol/errors.ts';
import type { Identity } from '../../../protocol/ports/identity.ts';
import { encodeFrame } from '../../../protocol/wire/messages.ts';
import {
  cipherStream,
  deriveSeed,
  randomBelow,
  type RandomSource,
} from '../../../protocol/ports/random.ts';
import { signRecord, type Body, type SignedRecord } from '../../../protocol/records/records.ts';
import type { Registered } from '../../../protocol/rules/index.ts';
import {
  complaintSecret,
  createParty,
  deriveKeys,
  entryHash,
  holderPlace,
  memberOf,
  makeShares,
  maskUpdate,
  openEntry,
  pairSign,
  sealAnswer,
  signedEntries,
  selfMaskSeed,
  selfSecretOf,
  type ComplaintKind,
  type Lanes,
  type OpenedEntry,
  type Party,
  type RevealedShare,
} from '../../../protocol/secagg/index.ts';
import { eventLoopTurn } from '../../../protocol/secagg/event-loop-turn.ts';
import { inTurns } from '../../../protocol/steps.ts';
import type { StoredAttempt } from '../../keystore/keystore.ts';
import type { TrainResult } from '../../trainer.ts';
import type { CheckedCohort, CheckedSharers, RunView } from '../machine/record-checks.ts';
import type { WorkOf } from '../machine/work-types.ts';
import { encodeTrained, type MemberRound } from './encode-trained.ts';
import type { Secrets } from './secrets.ts';

/** The secrets a step may need. */
export interface Own {
  readonly identity: Identity;
  readonly trainingSecret: Uint8Array;
  /** A CSPRNG. */
  readonly random: RandomSource;
  /** Of the noise of an attempt; a seed of `random` that is kept nowhere unless given. */
  readonly noise?: ((attempt: number) => RandomSource) | undefined;
}

/** Of one attempt of a stream of correlated noise. */
export const STREAM_SEED_BYTES = 32;

/**
 * Seed of local training: follows from the keystore and the model, so that a repeated attempt
 * trains the same update.
 */
export const trainingSeed = (view: RunView, own: Own, modelHash: Uint8Array): Uint8Array =>
  deriveSeed(own.trainingSecret, 'train', view.spec.id, modelHash);

/**
 * A fresh secret; bound to the attempt as well, so that not even a random source that repeats gives
 * two rounds one secret.
 */
const freshSecret = (view: RunView, own: Own, label: string, context: Uint8Array): Uint8Array =>
  deriveSeed(own.random(32), label, own.trainingSecret, view.run, context);

/**
 * The block of a commit at which this participant checks it. Nobody else can tell it before, and it
 * follows from the keystore: a check that is broken off, by a restart too, is repeated at the same
 * block.
 */
export const blockToCheck = (view: RunView, own: Own, commit: Uint8Array): number =>
  randomBelow(
    cipherStream(deriveSeed(own.trainingSecret, 'check', view.run, commit)),
    blocksOf(view.spec),
  );

/**
 * e, this participant's part of the next beacon: not fresh, so that the last to answer cannot
 * choose among many, and the same when the same keystores repeat a run, masked or not.
 */
export const beaconEntropy = (view: RunView, own: Own, attempt: number): Uint8Array =>
  deriveSeed(own.trainingSecret, 'beacon', view.spec.id, attempt);

/**
 * Register: two independent fresh secrets, and the public keys of this attempt that derive from
 * them.
 * @param stated names of the survivor sets it has answered for on this model; the sums that its
 *   correlated noise is in; what its update was trained on, in a buffered run
 */
export const makeRegister = (
  view: RunView,
  own: Own,
  open: SignedRecord<'open'>,
  before: Registered | undefined,
  {
    answered,
    stream,
    base,
  }: {
    readonly answered: readonly Uint8Array[];
    readonly stream?: Uint8Array | undefined;
    readonly base?: Body<'register'>['base'];
  } = {
    answered: [],
  },
): {
  readonly sigma: Uint8Array;
  readonly seal: Uint8Array;
  readonly register: SignedRecord<'register'>;
} => {
  const sigma = freshSecret(view, own, 'sigma', open.hash);
  const seal = freshSecret(view, own, 'seal', open.hash);
  return {
    sigma,
    seal,
    register: signRecord(own.identity, 'register', view.run, open.attempt, {
      open: open.hash,
      counter: (before?.counter ?? 0) + 1,
      ...(before === undefined ? {} : { previous: before.hash }),
      mask: deriveKeys(sigma, 'mask').public,
      seal: deriveKeys(seal, 'seal').public,
      ...(answered.length === 0 ? {} : { answered: [...answered] }),
      ...(stream === undefined ? {} : { stream }),
      ...(base === undefined ? {} : { base }),
    }),
  };
};

/** This participant in the frozen cohort, with what it agrees with each member. */
export const makeParty = (
  view: RunView,
  { sigma, seal }: Pick<StoredAttempt, 'sigma' | 'seal'>,
  { cohort, context }: CheckedCohort,
): Party => createParty({ context, cohort, self: view.self, sigma, seal });

/** Share: b and e, the shares of both secrets for every holder, the frame to send. */
export const makeSharing = async (
  view: RunView,
  own: Own,
  party: Party,
  attempt: number,
  /** The spot check of the newest commit, where there is one. */
  check: Body<'share'>['check'],
): Promise<NonNullable<StoredAttempt['sharing']>> => {
  const { context } = party;
  const selfSecret = selfSecretOf(
    freshSecret(view, own, 'self-mask', context),
    beaconEntropy(view, own, attempt),
  );
  const { message, own: kept } = await makeShares({ party, selfSecret, random: own.random });
  const share = signRecord(own.identity, 'share', view.run, attempt, {
    context,
    commitment: message.commitment,
    entries: signedEntries({ context, author: party.self }, message.entries.map(entryHash)),
    ...(check === undefined ? {} : { check }),
  });
  return {
    selfSecret,
    own: { self: kept.self, key: kept.key },
    frame: encodeFrame({ type: 'share', record: share.bytes, entries: [...message.entries] }),
  };
};

/** An entry that its author signed and that is bad. */
export interface BadEntry {
  readonly item: CheckedSharers['inbox'][number];
  readonly kind: ComplaintKind;
  readonly error: FloeError;
}

/** After this many entries the event loop gets a turn. */
const ENTRIES_PER_TURN = 16;

/** Opens the entries of all neighbours that shared, or finds the first that is bad. */
export const openInbox = async (
  party: Party,
  { inbox }: CheckedSharers,
): Promise<{ readonly opened: readonly OpenedEntry[]; readonly bad?: BadEntry }> => {
  const opened: OpenedEntry[] = [];
  for (const item of inbox) {
    const isOwn = equalBytes(item.author, party.self);
    if (isOwn || holderPlace(party.cohort, item.author, party.self) === undefined) continue;
    try {
      opened.push(await openEntry(party, item.author, item.entry));
    } catch (error) {
      if (!(error instanceof FloeError) || error.code !== 'share_invalid') throw error;
      const kind = error.details['about'] === 'pair' ? 'pair' : 'sealed';
      return { opened, bad: { item, kind, error } };
    }
    if (opened.length % ENTRIES_PER_TURN === 0) await eventLoopTurn();
  }
  return { opened };
};

/**
 * The complaint over a bad entry; it reveals what everybody needs to see that it is bad, and opens
 * no other.
 */
export const makeComplaint = (
  view: RunView,
  own: Own,
  { sigma, seal }: Pick<StoredAttempt, 'sigma' | 'seal'>,
  { record, context, cohort }: CheckedCohort,
  { item, kind }: BadEntry,
): SignedRecord<'complaint'> =>
  signRecord(own.identity, 'complaint', view.run, record.attempt, {
    context,
    accused: item.author,
    share: item.record.hash,
    kind,
    entry: item.entry,
    path: item.path,
    secret: complaintSecret(kind, { sigma, seal }, memberOf(cohort, item.author).seal.raw),
  });

export interface VectorInput {
  readonly open: SignedRecord<'open'>;
  readonly checked: CheckedCohort;
  /** Masked runs: what the masks are made of. */
  readonly masks:
    { readonly selfSecret: Uint8Array; readonly opened: readonly OpenedEntry[] } | undefined;
  /** Flat weights before training. */
  readonly before: Float32Array;
  readonly trained: TrainResult;
  readonly member: MemberRound;
  /** Commits since the model that was trained on. */
  readonly staleness: number;
  /** With correlated noise: seeds of the streams of this attempt and of those before it. */
  readonly streams?: readonly Uint8Array[] | undefined;
  /** Without masks: wraps the key of the vector. */
  readonly wrap: AccessGate['wrap'];
  readonly signal: AbortSignal;
  /** Progress in turns of the event loop: lanes done in three passes, of three times the lanes. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Vector {
  readonly bytes: Uint8Array;
  readonly chunkRoot: Uint8Array;
  readonly envelope: Uint8Array | undefined;
  /** See {@link EncodedTraining}. */
  readonly advanced: readonly Float32Array[] | undefined;
  readonly left: Float32Array | undefined;
}

/** Draws of an attempt that are in its sum alone; streams have the start of a given source. */
const noiseOf = ({ noise, random }: Own, attempt: number, hasStreams: boolean): RandomSource => {
  if (noise === undefined) return cipherStream(random(32));
  const source = noise(attempt);
  if (hasStreams) source(STREAM_SEED_BYTES);
  return source;
};

/**
 * From the trained weights to the bytes that are uploaded: difference, clip, rotate, round, mask
 * (or encrypt), pack. The rounding depends on keystore, specification and attempt only, so a masked
 * and an unmasked run give the same sums. Large vectors give the event loop a turn every few
 * milliseconds, where an abort is noticed.
 *
 * @throws FloeError `update_not_finite`, `tensor_mismatch`, `weight_out_of_range`,
 * `metric_out_of_range`, `aborted`...
 */
export const makeVector = async (view: RunView, own: Own, input: VectorInput): Promise<Vector> => {
  const { run } = view;
  const spec = specAt(view.spec, input.open.body);
  const { checked, masks, before, trained, member, wrap, signal, open, staleness, streams } = input;
  const { attempt } = open;
  const { members, root } = checked.record.body;
  const whole = layoutOf(spec, members.length, open.body.meanExamples).lanes;
  let done = 0;
  const tell = (more: number): void => {
    done += more;
    input.onProgress?.(done, 3 * whole);
  };
  const turns = { every: LANES_PER_STEP, signal, onTurn: tell };
  const encoding = encodeTrained(spec, trained, before, member, {
    n: members.length,
    meanExamples: open.body.meanExamples,
    staleness,
    rotationSeed: encodingSeed(spec, {
      attempt,
      beacon: open.body.beacon,
      modelHash: open.body.model.hash,
      cohortRoot: root,
    }),
    // The label keeps its old word: another one changes every model that a seed decides.
    random: cipherStream(deriveSeed(own.trainingSecret, 'round', spec.id, attempt)),
    // Never from the keystore's secrets: whoever opened it later would subtract the noise.
    noise: spec.privacy && noiseOf(own, attempt, streams !== undefined),
    streams: streams?.map(cipherStream),
  });
  const { lanes, layout, advanced, left } = await inTurns(encoding, turns);
  if (masks !== undefined) {
    await maskUpdate({
      // Made by encodeUpdate, so never over a shared buffer.
      lanes: lanes as Lanes,
      modulusBits: layout.modulusBits,
      selfSeed: selfMaskSeed(checked.context, view.self, masks.selfSecret),
      pairs: masks.opened.map(({ author, seed }) => ({ seed, sign: pairSign(view.self, author) })),
      signal,
      onTurn: (masked) => input.onProgress?.(whole + masked, 3 * whole),
    });
  }
  done = 2 * whole;
  const packed = await inTurns(packSteps(lanes, layout.modulusBits), turns);
  if (masks !== undefined)
    return {
      bytes: packed,
      chunkRoot: await rootOf(layout, packed, signal),
      envelope: undefined,
      advanced,
      left,
    };
  const purpose = { run, attempt, role: 'update' } as const;
  const key = own.random(32);
  const bytes = await encryptBlob(key, purpose, packed);
  return {
    bytes,
    chunkRoot: await rootOf(layout, bytes, signal),
    envelope: await wrap(key, purpose, unmaskedReaders(spec)),
    advanced,
    left,
  };
};

const rootOf = (layout: RingLayout, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> =>
  inTurns(chunkRootSteps(layout, bytes), { every: LANES_PER_STEP, signal });

/**
 * Unmask: the shares that the guard has released, sealed to the coordinator's key of this attempt.
 * The guard's state is saved with the answer before it is sent.
 */
export const makeAnswer = async (
  view: RunView,
  own: Own,
  { sharing, opened = [] }: Secrets,
  { open, context, survivors, reveal }: WorkOf<'answer'>,
): Promise<{ readonly record: SignedRecord<'unmask'>; readonly answer: Uint8Array }> => {
  const held = new Map(opened.map((pair) => [toHex(pair.author), pair]));
  const shares: RevealedShare[] = [];
  for (const { author, kind } of reveal) {
    const pair = equalBytes(author, view.self) ? sharing?.own : held.get(toHex(author));
    if (pair !== undefined) shares.push({ author, kind, share: pair[kind] });
  }
  const { random } = own;
  const answer = await sealAnswer({
    to: open.body.key,
    context,
    author: view.self,
    shares,
    random,
  });
  const body = { context, survivors, answer: sha256(answer) };
  return { record: signRecord(own.identity, 'unmask', view.run, open.attempt, body), answer };
};
