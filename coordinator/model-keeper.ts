/**
 * @module The model outside the machine: encrypts it and puts it into the store, wraps its key for
 * the readers, and reads it back through the gate after a restart. In clear it exists in memory
 * only.
 */
import { stateTensorsOf } from '../protocol/algorithm/round.ts';
import type { AccessGate, KeyPurpose } from '../protocol/ports/access-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { encryptBlob, envelopeKey } from '../protocol/model/envelope.ts';
import type { ModelRef, SignedRecord } from '../protocol/records/records.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { hashModel, roundToTypes } from '../protocol/model/index.ts';
import { encodeVersion, openVersion, type ModelContent } from '../protocol/model/open-model.ts';
import { strategyOf } from '../protocol/algorithm/registry.ts';
import { trainableOf } from '../protocol/algorithm/segments.ts';
import { stateHashOf } from '../protocol/algorithm/state.ts';

/** A model version before it is stored. */
export interface PreparedModel {
  readonly version: number;
  /** Parameters, rounded to the types of their tensors, and the state of the strategy. */
  readonly content: ModelContent;
  /** See `hashModel`. */
  readonly hash: Uint8Array;
  /** The safetensors file, in clear. */
  readonly file: Uint8Array;
  /** AES-256 key that the file is stored under. Secret. */
  readonly key: Uint8Array;
}

export interface ModelKeeper {
  /**
   * Rounds the model of `version` to the types of its tensors, and writes its file.
   * @param hash of the model, where the caller has rounded it already and knows it
   */
  prepare(content: ModelContent, version: number, hash?: Uint8Array): PreparedModel;
  /** Encrypts and stores a model; durable once it resolves. */
  publish(
    model: PreparedModel,
    readers: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<ModelRef>;
  /** Wraps the key of a published model for other readers: those of an attempt. */
  rewrap(model: ModelRef, readers: readonly Uint8Array[], attempt: number): Promise<ModelRef>;
  /** The key of a published model's blob; that of the newest one is kept in memory. */
  keyOf(model: ModelRef): Promise<Uint8Array>;
  /** Wraps the key of an attempt's bundle for the readers of a later attempt. */
  rewrapBundle(
    commit: SignedRecord<'commit'>,
    readers: readonly Uint8Array[],
    attempt: number,
  ): Promise<Uint8Array>;
  /** Parameters and state behind a reference; the newest ones are kept in memory. */
  read(model: ModelRef, signal: AbortSignal): Promise<ModelContent>;
  /** As {@link ModelKeeper.read}, past the memory and without a trace in it. */
  readOld(model: ModelRef, signal: AbortSignal): Promise<ModelContent>;
  /**
   * Encrypts anything of an attempt, stores it as `put` says, and wraps its key. @param key of the
   * content, where known
   */
  seal<Stored>(
    plain: Uint8Array,
    purpose: KeyPurpose,
    readers: readonly Uint8Array[],
    put: (cipher: Uint8Array) => Promise<Stored>,
    key?: Uint8Array,
  ): Promise<{ readonly stored: Stored; readonly envelope: Uint8Array }>;
}

export const createModelKeeper = ({
  spec,
  run,
  store,
  gate,
  sealingSecret,
}: {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly store: BlobStore;
  readonly gate: AccessGate;
  /** 32 bytes: the keys of blobs derive from it. Secret. */
  readonly sealingSecret: Uint8Array;
}): ModelKeeper => {
  let newest: { readonly version: number; readonly content: ModelContent } | undefined;
  /** Cached, because wrapping a key that was made here must not require a request to the gate. */
  let newestKey: { readonly version: number; readonly key: Uint8Array } | undefined;
  let newestBundle: { readonly attempt: number; readonly key: Uint8Array } | undefined;
  const purposeOf = (version: number): KeyPurpose => ({ run, attempt: version, role: 'model' });

  const seal: ModelKeeper['seal'] = async (
    plain,
    purpose,
    readers,
    put,
    key = envelopeKey(sealingSecret, purpose, plain),
  ) => {
    const cipher = await encryptBlob(key, purpose, plain);
    if (purpose.role === 'bundle') newestBundle = { attempt: purpose.attempt, key };
    const [stored, envelope] = await Promise.all([put(cipher), gate.wrap(key, purpose, readers)]);
    return { stored, envelope };
  };

  const keyOf: ModelKeeper['keyOf'] = async (model) => {
    const known = newestKey?.version === model.version ? newestKey.key : undefined;
    const key = known ?? (await gate.unwrap(model.envelope, purposeOf(model.version)));
    newestKey = { version: model.version, key };
    return key;
  };

  const readOld: ModelKeeper['readOld'] = async (model, signal) => {
    const cipher = await store.get(model.blob, { signal });
    const stateTensors = stateTensorsOf(spec);
    return openVersion({ run, model, cipher, stateTensors }, spec.model, gate);
  };

  return {
    seal,
    prepare: ({ weights: given, state }, version, known) => {
      const weights = known === undefined ? roundToTypes(spec.model, given) : given;
      const hash = known ?? hashModel(spec.model, weights);
      const content = { weights, state };
      const tensors = stateTensorsOf(spec);
      const file = encodeVersion(spec.model, tensors, content);
      return {
        version,
        content,
        hash,
        file,
        key: envelopeKey(sealingSecret, purposeOf(version), file),
      };
    },
    publish: async ({ version, content, hash, file, key }, readers, signal) => {
      const { stored, envelope } = await seal(
        file,
        purposeOf(version),
        readers,
        (cipher) => store.put(cipher, { signal }),
        key,
      );
      const { id, sha256, size } = stored;
      const blob = { id, sha256, size };
      newest = { version, content };
      newestKey = { version, key };
      const state = stateHashOf(strategyOf(spec), trainableOf(spec), content.state);
      return { version, blob, hash, ...(state === undefined ? {} : { state }), envelope };
    },
    keyOf,
    rewrap: async (model, readers, attempt) => {
      const key = await keyOf(model);
      const envelope = await gate.wrap(key, purposeOf(model.version), readers, attempt);
      return { ...model, envelope };
    },
    rewrapBundle: async (commit, readers, attempt) => {
      const purpose: KeyPurpose = { run, attempt: commit.attempt, role: 'bundle' };
      const known = newestBundle?.attempt === commit.attempt ? newestBundle.key : undefined;
      const key = known ?? (await gate.unwrap(commit.body.bundle.envelope, purpose));
      newestBundle = { attempt: commit.attempt, key };
      return gate.wrap(key, purpose, readers, attempt);
    },
    read: async (model, signal) => {
      if (newest?.version === model.version) return newest.content;
      const content = await readOld(model, signal);
      newest = { version: model.version, content };
      return content;
    },
    readOld,
  };
};
