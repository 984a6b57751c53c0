/**
 * @module The Keystore port: a participant's identity, its training secret, and the state that it
 * must keep during an attempt. Every secret and every signed answer of an attempt is saved before
 * it is used or sent. A restarted participant therefore sends the same bytes again or nothing (the
 * answered-once rule of Bonawitz et al. 2017 must survive a crash).
 */
import { decodeVersioned } from '../../protocol/wire/versioned.ts';
import * as v from 'valibot';
import { bytesUpTo, encodeCbor, fixedBytes, integer } from '../../protocol/wire/cbor.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import { MAX_FRAME_BYTES } from '../../protocol/wire/messages.ts';
import { MAX_ANSWERED, MAX_RECORD_BYTES } from '../../protocol/records/records.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { MAX_COHORT, MAX_PROOF_BYTES } from '../../protocol/spec/run-spec.ts';
import { SELF_SECRET_BYTES, shareBytes } from '../../protocol/secagg/index.ts';

/**
 * Members whose last registration is remembered: beyond, those not seen for longest are forgotten.
 */
export const MAX_MEMBERS = 4096;

const hash = fixedBytes(32);
const registeredSchema = v.strictObject({ counter: integer(1, 2 ** 40), hash });
const record = bytesUpTo(MAX_RECORD_BYTES);
const selfShare = fixedBytes(shareBytes('self'));
const keyShare = fixedBytes(shareBytes('key'));

const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const ids = v.pipe(v.array(hex), v.maxLength(MAX_COHORT));
/** The state of the rules in `protocol/secagg/guard.ts`. */
const guardSchema = v.strictObject({
  run: hex,
  attempt: integer(1, 100_000),
  context: hex,
  self: hex,
  upload: v.nullable(v.strictObject({ hash: hex, sharers: ids })),
  answer: v.nullable(v.strictObject({ survivors: ids, dropped: ids })),
});

const roundSchema = v.strictObject({
  attempt: integer(1, 100_000),
  /** The open record this attempt began with. */
  open: record,
  /** Secret: the masking keys of this attempt derive from it; it is shared among the cohort. */
  sigma: hash,
  /** Secret: the sealing keys of this attempt derive from it; never shared, never sent. */
  seal: hash,
  /** The signed record that registered them. */
  register: record,
  /** Hash of the cohort record that was accepted. */
  cohort: v.optional(hash),
  guard: v.optional(guardSchema),
  /**
   * Set together when the shares are made: `selfSecret` (b || e) and the own shares are secret,
   * `frame` is sent.
   */
  sharing: v.optional(
    v.strictObject({
      selfSecret: fixedBytes(SELF_SECRET_BYTES),
      own: v.strictObject({ self: selfShare, key: keyShare }),
      frame: bytesUpTo(MAX_FRAME_BYTES),
    }),
  ),
  /**
   * Hash of the sharers record that was accepted: the masks are made over that set and no other.
   */
  sharers: v.optional(hash),
  /**
   * Secret: the contents of the other sharers' entries, opened once on receipt; `seed` is that of
   * the pair mask.
   */
  opened: v.optional(
    v.pipe(
      v.array(v.strictObject({ author: hash, self: selfShare, key: keyShare, seed: hash })),
      v.maxLength(MAX_COHORT),
    ),
  ),
  /**
   * The signed complaint over an entry that did not open: this participant uploads nothing in this
   * attempt.
   */
  complaint: v.optional(record),
  /** The vector made for this attempt. Once it is here, no other one is ever made. */
  vector: v.optional(
    v.strictObject({
      sha256: hash,
      size: integer(0, 2 ** 40),
      chunkRoot: hash,
      envelope: v.optional(bytesUpTo(64 << 10)),
    }),
  ),
  upload: v.optional(record),
  consistent: v.optional(record),
  unmask: v.optional(record),
  /** The sealed answer that `unmask` names. */
  answer: v.optional(bytesUpTo(64 << 10)),
});

/** Sui addresses, as the rules of `protocol/rules/one-set.ts` name members. */
const addresses = v.pipe(
  v.array(v.pipe(v.string(), v.regex(/^0x[0-9a-f]{64}$/))),
  v.maxLength(MAX_COHORT),
);
/** Attempts on one model into which a participant uploads without answering, at most. */
export const MAX_UPLOADED = 64;
/** Earlier models that are remembered, at most: the oldest is forgotten first. */
export const MAX_PAST_MODELS = 1024;

const names = v.pipe(v.array(hash), v.maxLength(MAX_ANSWERED));

/**
 * What remains of an earlier model, which can come again: small models reach a state that they
 * leave and return to. The names of the sets are enough to answer for the very same ones.
 */
const pastSchema = v.strictObject({
  model: hash,
  /** Names of the sets answered for. */
  named: names,
  /** Uploaded in an attempt that it did not answer for: it takes no part on this model any more. */
  left: v.optional(v.literal(true)),
});

/** The set that an update was spent on; see `protocol/rules/one-set.ts`. */
const spentSchema = v.strictObject({
  /** Hash of the model that the update starts from. */
  model: hash,
  /** The survivor sets answered for, each once, in the order of the answers. */
  answered: v.pipe(v.array(addresses), v.maxLength(MAX_ANSWERED)),
  /** Names of the sets answered for when this model was the newest before; see `pastSchema`. */
  named: v.optional(names),
  /** Attempts into which it uploaded and for which it has not answered. */
  uploaded: v.pipe(
    v.array(
      v.strictObject({
        attempt: integer(1, 100_000),
        cohort: addresses,
        threshold: integer(1, MAX_COHORT),
      }),
    ),
    v.maxLength(MAX_UPLOADED),
  ),
  /** In a buffered run: the update was trained on an earlier model, and this one gives another. */
  older: v.optional(v.literal(true)),
});

/** Raised when the memory of a run changes. */
const MEMORY_VERSION = 2;

const runSchema = v.strictObject({
  v: v.literal(MEMORY_VERSION),
  /**
   * The last round that was begun, by its open record; none is begun twice. `withdrawn`: why the
   * participant left it, if it did.
   */
  last: v.optional(
    v.strictObject({
      attempt: integer(1, 100_000),
      open: hash,
      withdrawn: v.optional(v.pipe(v.string(), v.maxLength(100))),
    }),
  ),
  /** The last own registration, regardless of its outcome. */
  registered: v.optional(registeredSchema),
  /**
   * The last registration seen of each member of a cohort that was accepted; those seen last at the
   * end.
   */
  members: v.optional(
    v.pipe(
      v.array(v.strictObject({ key: hash, ...registeredSchema.entries })),
      v.maxLength(MAX_MEMBERS),
    ),
  ),
  /** The last commit record: names the newest model. */
  commit: v.optional(record),
  /** How many commits it has seen. */
  commits: v.optional(integer(0, 100_000)),
  /** The newest commit that this participant has spot-checked, and at which leaf. */
  checked: v.optional(v.strictObject({ commit: hash, leaf: integer(0, 2 ** 16) })),
  /** Proof that a commit of this run is wrong: nothing is answered any more. */
  proof: v.optional(bytesUpTo(MAX_PROOF_BYTES)),
  /**
   * The set spent on the newest model with an upload. It outlives rounds: only another model
   * replaces it.
   */
  spent: v.optional(spentSchema),
  /**
   * In groups: what those of the latest cohort on a model were drawn from. A repeated attempt on
   * the model takes its groups from there.
   */
  grouping: v.optional(
    v.strictObject({ model: hash, attempt: integer(1, 100_000), members: addresses, beacon: hash }),
  ),
  /**
   * Earlier models that it uploaded for, oldest first.
   */
  past: v.optional(v.pipe(v.array(pastSchema), v.maxLength(MAX_PAST_MODELS))),
  /**
   * The newest attempt in whose survivor set its own update is, and whether that attempt was
   * committed: what it carries from round to round follows, see `host/site-state.ts`.
   */
  summed: v.optional(
    v.strictObject({
      attempt: integer(1, 100_000),
      /** Hash of the survivors record's set. */
      survivors: hash,
      committed: v.boolean(),
    }),
  ),
  /**
   * With correlated noise: the digest of the sums that the own stream is in. See
   * `protocol/rules/noise-streams.ts`.
   */
  stream: v.optional(hash),
  /** Addresses of members whose breach of the protocol it has verified itself. */
  culprits: v.optional(addresses),
  /**
   * In a buffered run: what the update was trained on that is kept in the part `update`, and the
   * commits up to that model. Missing as soon as the update is encoded, or too old.
   */
  ahead: v.optional(
    v.strictObject({
      attempt: integer(1, 100_000),
      version: integer(0, 100_000),
      hash,
      committed: integer(0, 100_000),
    }),
  ),
  /**
   * The attempt in progress. It and its secrets are erased once it is committed, aborted or left.
   */
  attempt: v.optional(roundSchema),
});

/** One participant's memory of one attempt. Holds secrets: never log it. */
export type StoredAttempt = Readonly<v.InferOutput<typeof roundSchema>>;
export type SpentMemory = Readonly<v.InferOutput<typeof spentSchema>>;
export type PastModel = Readonly<v.InferOutput<typeof pastSchema>>;
/** One participant's memory of one run. Holds secrets: never log it. */
export type RunMemory = Readonly<v.InferOutput<typeof runSchema>>;

export const EMPTY_RUN: RunMemory = { v: MEMORY_VERSION };

const MAX_RUN_BYTES = 24 << 20;
const MEMORY_FORMAT = {
  field: 'v',
  version: MEMORY_VERSION,
  what: "the keystore's memory of this run",
};

/** Canonical bytes. Plain secrets: only ever encrypted or kept in memory. */
export const encodeRunMemory = (memory: RunMemory): Uint8Array => encodeCbor(memory);

/** @throws FloeError `data_malformed`, `run_outdated` */
export const decodeRunMemory = (bytes: Uint8Array): RunMemory =>
  decodeVersioned(runSchema, MEMORY_FORMAT, bytes, 'data_malformed', MAX_RUN_BYTES);

/**
 * What a participant may carry from round to round, each in a part of its own: the layers that
 * stay at the site (`layers`), the vectors of the run's strategy (`strategy`), what an encoding
 * left out of earlier updates (`residual`), an update of a buffered run that is not encoded yet
 * (`update`), and the seeds of correlated noise (`streams`).
 */
export const LOCAL_PARTS = ['layers', 'strategy', 'residual', 'update', 'streams'] as const;
export type LocalPart = (typeof LOCAL_PARTS)[number];

/** From the ledger's bytes to the next ones; undefined to leave it. */
export type LedgerChange = (before: Uint8Array | undefined) => Uint8Array | undefined;

export interface Keystore {
  /** `memory`, `file`: named in the first lines of output. */
  readonly kind: string;
  readonly identity: Identity;
  /**
   * 32 bytes. Seeds of local training derive from it: the same keystore trains the same model
   * again. Secret.
   */
  readonly trainingSecret: Uint8Array;
  /**
   * 32 bytes. The keys of the blobs that a coordinator seals derive from it. Secret, and
   * independent of the signing key.
   */
  readonly sealingSecret: Uint8Array;
  /** The last saved memory of this run. @throws FloeError `decryption_failed`, `data_malformed` */
  load(run: Uint8Array): Promise<RunMemory | undefined>;
  /**
   * Replaces it; once this resolves it is durable. Calls for one run are made one after the other.
   */
  save(run: Uint8Array, memory: RunMemory): Promise<void>;
  /**
   * Keeps the one vector of the attempt in progress; durable once it resolves. It is masked or
   * encrypted: not a secret.
   */
  saveVector(run: Uint8Array, vector: Uint8Array): Promise<void>;
  loadVector(run: Uint8Array): Promise<Uint8Array | undefined>;
  /** Removes the vector; does nothing without one. */
  eraseVector(run: Uint8Array): Promise<void>;
  /**
   * Keeps what this participant carries from round to round in a run, such as the statistics of its
   * own layers; durable once it resolves. It tells of the examples: secret.
   */
  saveLocal(run: Uint8Array, part: LocalPart, values: Uint8Array): Promise<void>;
  /** What was saved last. @throws FloeError `decryption_failed` */
  loadLocal(run: Uint8Array, part: LocalPart): Promise<Uint8Array | undefined>;
  /** Removes it; does nothing without one. */
  eraseLocal(run: Uint8Array, part: LocalPart): Promise<void>;
  /**
   * The run (its hash) in which this identity first uploaded for a model, over all runs of the
   * keystore. @param model its hash
   */
  ownerOf(model: Uint8Array): Promise<Uint8Array | undefined>;
  /**
   * Gives the model to `run` where it has no owner; durable once it resolves. @returns its owner
   */
  claimModel(model: Uint8Array, run: Uint8Array): Promise<Uint8Array>;
  /** What was released over all runs; see `client/privacy/ledger.ts`. */
  loadLedger(): Promise<Uint8Array | undefined>;
  /**
   * Replaces the ledger by what `change` makes of it, one call after the other; durable once it
   * resolves. Nothing is written where `change` gives undefined.
   * @returns whether it was written
   */
  changeLedger(change: LedgerChange): Promise<boolean>;
  /** Lets another process have it. Idempotent. */
  close(): Promise<void>;
}

export interface KeystoreSecrets {
  /** Of the identity. */
  readonly seed: Uint8Array;
  readonly trainingSecret: Uint8Array;
  readonly sealingSecret: Uint8Array;
}

/**
 * Identity seed, training secret and sealing secret of a 32-byte secret.
 * @throws FloeError `key_invalid` on another length
 */
export const secretsOf = (secret: Uint8Array): KeystoreSecrets => {
  if (secret.length !== 32)
    throw new FloeError('key_invalid', `expected a secret of 32 bytes, got ${secret.length}`);
  return {
    seed: deriveSeed(secret, 'identity'),
    trainingSecret: deriveSeed(secret, 'training'),
    sealingSecret: deriveSeed(secret, 'sealing'),
  };
};
