/**
 * @module A run opened for reading, from its folder, its coordinator's address or an object id on
 * Sui: recompute its rounds, pull a model, begin another run with one, list models and receipts.
 * The commands `floe verify`, `pull`, `fork` and `receipt` use it.
 */
import { requireRecordVersion } from '../../protocol/records/record-version.ts';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Beginning } from '../../protocol/model/run-start.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import { isObjectId } from '../../protocol/net/object-id.ts';
import type { VersionFacts } from '../../protocol/net/sui/lineage.ts';
import type { Receipt } from '../../protocol/net/sui/receipts.ts';
import { addressOf, cryptoReady } from '../../protocol/ports/identity.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { openVersion, verifyRun, type Verification } from '../../protocol/verify/index.ts';
import { httpBase } from '../connect/address.ts';
import { examineFolder, type FolderReport } from './examine-folder.ts';
import { openCoordinator } from './from-coordinator.ts';
import { openFolder } from './from-folder.ts';
import { modelOfVersion, modelsOf, roundOf } from './signed-models.ts';
import type { OpenRunOptions, Source } from './source.ts';
import { topologyOfSpec } from './topology.ts';
import { plural } from '../../protocol/plural.ts';

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Told after each attempt: attempts done and attempts in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What recomputation found; `ok` counts the files of a folder too. */
export interface RunVerification extends Verification {
  /** The comparison of the run's folder with the signed records, if it was read from a folder. */
  readonly files?: FolderReport;
}

export interface PullOptions {
  /**
   * The model that this attempt committed, 0 for the initial one. Default: the version that was
   * opened, else the latest.
   */
  readonly attempt?: number;
  readonly signal?: AbortSignal;
}

export interface PulledModel {
  /** As the coordinator signed it. */
  readonly model: ModelRef;
  /** How many rounds made it: the number of its commit, 0 for the first model. */
  readonly round: number;
  /** Flat, in the order of `spec.model.tensors`. */
  readonly weights: Float32Array;
  /** The state of the strategy between rounds, flat; empty for a strategy without state. */
  readonly state: Float32Array;
}

export interface RunReader extends AsyncDisposable {
  /** Hash of the specification, which names the run. */
  readonly id: Uint8Array;
  readonly spec: RunSpec;
  /** The signed records, as `decodeTranscript` reads them. */
  readonly transcript: Uint8Array;
  /** Address of whose key opens models; undefined without a key. */
  readonly reader: string | undefined;
  /** What freezes are compared with: its kind, undefined where they are not. */
  readonly ledger: string | undefined;
  /** Undefined for a run on no network, and where it is read through its coordinator alone. */
  readonly network: NetworkConfig | undefined;
  /** The version whose object id was opened. */
  readonly version: VersionFacts | undefined;
  /**
   * Recomputes the rounds: signatures and the chain without a key, every sum and model with one.
   * A fault is a result (`culprit`), not an error.
   * @throws FloeError `aborted`, and what store, gate and ledger throw
   */
  verify(options?: VerifyOptions): Promise<RunVerification>;
  /**
   * Fetches and opens a model.
   * @throws FloeError `access_denied` without a key that opens it, `usage` for an unknown attempt,
   * `round_removed`, `verification_failed`, `blob_not_found`, `aborted`
   */
  pull(options?: PullOptions): Promise<PulledModel>;
  /**
   * The start of a new run: the opened version, on Sui.
   * @throws FloeError `usage` unless a version was opened, `access_denied`, `verification_failed`
   */
  fork(options?: { readonly signal?: AbortSignal }): Promise<Beginning>;
  /**
   * Every model that the coordinator has signed, by version. @throws FloeError `transcript_broken`
   */
  models(): readonly ModelRef[];
  /**
   * Receipts of contribution of one participant on Sui.
   * @param member its address @throws FloeError `usage` for a run on no network,
   * `ledger_unavailable`
   */
  receipts(member: string): Promise<readonly Receipt[]>;
  close(): Promise<void>;
}

const verify = async (
  source: Source,
  { signal, onProgress }: VerifyOptions,
): Promise<RunVerification> => {
  const { spec, transcript, store, gate, ledger, published, files, version } = source;
  // A version counts only where the signed records name the same model.
  if (version !== undefined) modelOfVersion(source, version);
  const verification = await verifyRun({
    spec,
    transcript,
    store,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(gate === undefined ? {} : { gate }),
    ...(ledger === undefined ? {} : { ledger }),
    ...(published === undefined ? {} : { published }),
  });
  if (files === undefined) return verification;
  const report = await examineFolder({
    files,
    spec,
    transcript,
    verification,
    topology: () => topologyOfSpec(spec),
    ...(signal === undefined ? {} : { signal }),
  });
  return { ...verification, ok: verification.ok && report.wrong.length === 0, files: report };
};

/** The version that an object is, or the one of `attempt`, or the latest. */
const chooseModel = (source: Source, attempt: number | undefined): ModelRef => {
  const { version } = source;
  if (version !== undefined) {
    if (attempt !== undefined && attempt !== version.attempt)
      throw new FloeError(
        'usage',
        `--attempt: the version ${version.id} is of attempt ${version.attempt}`,
      );
    return modelOfVersion(source, version);
  }
  const models = modelsOf(source);
  const model =
    attempt === undefined ? models.at(-1) : models.find((known) => known.version === attempt);
  if (model !== undefined) return model;
  const known = models.map((published) => published.version).join(', ');
  throw new FloeError(
    'usage',
    `--attempt: expected one of ${known === '' ? 'none yet' : known}, got ${attempt ?? 'the latest'}`,
  );
};

/** @throws FloeError `round_removed` where the run keeps that round no more */
const fetchModel = async (
  source: Source,
  model: ModelRef,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> => {
  const { spec, store } = source;
  try {
    return await store.get(model.blob, signal === undefined ? {} : { signal });
  } catch (thrown) {
    const { retention } = spec;
    const isGone = thrown instanceof FloeError && thrown.code === 'blob_not_found';
    const newer = modelsOf(source).filter(({ version }) => version > model.version).length;
    if (!isGone || retention === undefined || newer <= retention.rounds) throw thrown;
    throw new FloeError(
      'round_removed',
      `the model of attempt ${model.version} was removed: the run keeps ${plural(retention.rounds, 'round')}, and ${newer} newer models stand`,
      {},
      { cause: thrown },
    );
  }
};

const pull = async (source: Source, { attempt, signal }: PullOptions): Promise<PulledModel> => {
  const { spec, gate } = source;
  if (gate === undefined)
    throw new FloeError(
      'access_denied',
      'expected a key to open the model: --keystore FOLDER with --passphrase-file FILE, --key-file or --keystore-file',
    );
  await cryptoReady;
  const model = chooseModel(source, attempt);
  const cipher = await fetchModel(source, model, signal);
  const run = hashRunSpec(spec);
  const opened = await openVersion({ run, model, cipher }, spec.model, gate);
  return { model, round: roundOf(source, model), ...opened };
};

const fork = async (
  name: string,
  source: Source,
  signal: AbortSignal | undefined,
): Promise<Beginning> => {
  const { spec, version, gate } = source;
  const run = toHex(hashRunSpec(spec));
  if (version === undefined)
    throw new FloeError(
      'usage',
      `${name} is a run; expected one of its versions, which floe models lists`,
    );
  if (gate === undefined)
    throw new FloeError(
      'usage',
      'expected a key that the model opens for: --keystore FOLDER with --passphrase-file FILE, --key-file, --keystore-file or FLOE_SUI_KEY',
    );
  await cryptoReady;
  const { architectureHash } = await import('../../protocol/net/network-ports.ts');
  if (!equalBytes(architectureHash(spec), fromHex(version.architectureHash)))
    throw new FloeError(
      'verification_failed',
      `the version ${version.id} is of another architecture than its run, ${run}`,
    );
  const { model, weights, state } = await pull(source, signal === undefined ? {} : { signal });
  // The new run begins with this version, so the seed of the old run must not apply.
  const { seed: _, ...architecture } = spec.model;
  const object = fromHex(version.id.replace(/^0x/u, ''));
  const stateHash = model.state;
  return {
    model: architecture,
    weights,
    ...(spec.data === undefined ? {} : { data: spec.data }),
    ...(stateHash === undefined ? {} : { carried: { state, strategy: spec.strategy } }),
    parent: {
      modelHash: model.hash,
      ...(stateHash === undefined ? {} : { stateHash }),
      object,
    },
  };
};

const receipts = async ({ network, spec }: Source, member: string): Promise<readonly Receipt[]> => {
  if (network === undefined)
    throw new FloeError('usage', 'the run is on no network, which has no receipts');
  const [{ registryOf }, { findRun }, { receiptsOf }] = await Promise.all([
    import('../../protocol/net/registry.ts'),
    import('../../protocol/net/sui/run.ts'),
    import('../../protocol/net/sui/receipts.ts'),
  ]);
  await cryptoReady;
  const registry = registryOf(network);
  const owner = addressOf(spec.coordinator);
  const found = await findRun({ ...registry, owner }, hashRunSpec(spec));
  return found === undefined ? [] : receiptsOf(registry, member, found.run);
};

const openAnywhere = async (
  source: string,
  options: OpenRunOptions,
  resources: AsyncDisposableStack,
): Promise<Source> => {
  if (isObjectId(source)) {
    const { openObject } = await import('./on-chain.ts');
    return openObject(source.toLowerCase(), options, resources);
  }
  const base = httpBase(source);
  return base === undefined
    ? openFolder(source, options, resources)
    : openCoordinator(base, options, resources);
};

/**
 * Opens a run for reading.
 *
 * @param source a run's folder, a coordinator's address (`http`, `ws`), or the object id of a run
 * or of a model version on Sui, for which `options.network` (or `runFolder`) says where to look
 * @example await using run = await openRun('runs/latest'); const { ok, culprit } = await
 * run.verify();
 * @throws FloeError `file_not_found`, `run_unfinished`, `run_outdated`, `usage`, `spec_invalid`,
 * `spec_mismatch`, `network_mismatch`,
 * `connection_lost`, `journal_corrupt`, `ledger_unavailable`, `verification_failed`
 */
export const openRun = async (source: string, options: OpenRunOptions = {}): Promise<RunReader> => {
  await using opening = new AsyncDisposableStack();
  const opened = await openAnywhere(source, options, opening);
  const { spec, transcript, reader, ledger, network, version } = opened;
  requireRecordVersion(transcript);
  const id = hashRunSpec(spec);
  const { expectRun } = options;
  if (expectRun !== undefined && !equalBytes(expectRun, id))
    throw new FloeError('spec_mismatch', `expected run ${toHex(expectRun)}, got ${toHex(id)}`);
  const resources = opening.move();
  const close = (): Promise<void> => resources.disposeAsync();
  return {
    id,
    spec,
    transcript,
    reader,
    ledger: ledger?.kind,
    network,
    version,
    verify: (how = {}) => verify(opened, how),
    pull: (how = {}) => pull(opened, how),
    fork: ({ signal } = {}) => fork(source, opened, signal),
    models: () => modelsOf(opened),
    receipts: (member) => receipts(opened, member),
    close,
    [Symbol.asyncDispose]: close,
  };
};
