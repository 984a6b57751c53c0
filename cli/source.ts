/**
 * @module Where `verify` and `pull` read a run from: a folder, a coordinator over HTTP, or an object on Sui. With the key to
 * open its models, if there is one.
 */
import { join } from 'node:path';
import { chooseNetwork } from '../client/network.ts';
import type { FolderFiles } from '../client/reader/examine-folder.ts';
import { listFolder } from '../client/reader/folder-files.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { readAnnouncement } from '../protocol/records/announcement.ts';
import { sealedBoxGate } from '../protocol/ports/sealed-box-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { httpBlobStore } from '../protocol/ports/http-store.ts';
import { withLocalCopies } from '../protocol/ports/round-store.ts';
import { equalBytes, toHex } from '../protocol/bytes.ts';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { identityFromSeed, type Identity } from '../protocol/ports/identity.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import { networkDifference, type NetworkConfig } from '../protocol/net/config.ts';
import { systemRandom } from '../protocol/ports/random.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { readRun } from '../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { hexKey } from './flags.ts';
import { isThere } from '../protocol/ports/files.ts';
import { isObjectId, namedNetwork, readNetworkFile } from './network.ts';
import { chooseReader, type ReaderFlags } from './reader.ts';
import { httpBase, readTranscript } from './remote.ts';
import { reachNetwork, type FoundNetworkFlags, type Reading } from './run-network.ts';

export interface SourceOptions extends ReaderFlags, FoundNetworkFlags {
  readonly expectRun?: string;
  readonly remote?: boolean;
}

export interface Source {
  readonly spec: RunSpec;
  readonly transcript: Uint8Array;
  readonly store: BlobStore;
  readonly ledger: Ledger | undefined;
  /** Absent without a key. */
  readonly gate: AccessGate | undefined;
  /** Address of the key's identity. */
  readonly reader: string | undefined;
  /** The version that was asked for, where the source is one's object. */
  readonly version: VersionFacts | undefined;
  /** The round up to and with which the run was published, where that is what was read. */
  readonly published: number | undefined;
  /** What was in the run's folder before anything was opened, where it is one. */
  readonly files: FolderFiles | undefined;
}

/** What is not asked for by an object. */
const WHOLE = { version: undefined, published: undefined, files: undefined };

/** The rest of a run that lies on a network. */
export const connectReader = async (
  network: NetworkConfig,
  spec: RunSpec,
  reader: Identity | undefined,
  { resources }: Reading,
): Promise<{ store: BlobStore; ledger: Ledger; gate: AccessGate | undefined }> => {
  const { connectNetwork } = await import('../protocol/net/connect.ts');
  // Blobs and the ledger are read without a key; a connection wants some.
  const identity = reader ?? (await identityFromSeed(systemRandom(32)));
  const connected = await connectNetwork(network, await identity.suiSigner(), { spec });
  resources.defer(() => connected.close());
  const { store, ledger } = connected;
  return { store, ledger, gate: reader && connected.gate };
};

const openJournalLedger = async (
  folder: string,
  { resources }: Reading,
): Promise<Ledger | undefined> => {
  const path = join(folder, RUN_FILES.journal);
  if (!(await isThere(path))) return undefined;
  const { journalLedger, openJournal } = await import('../coordinator/index.ts');
  const corrupt = (thrown: unknown): FloeError => {
    const { code, message } = toFloeError(thrown);
    const own = code === 'internal' ? 'journal_corrupt' : code;
    return new FloeError(own, `${path}: ${message}`, {}, { cause: thrown });
  };
  const named = <Result>(work: () => Promise<Result>): Promise<Result> =>
    work().catch((thrown: unknown) => {
      throw corrupt(thrown);
    });
  try {
    const journal = await openJournal(path);
    resources.defer(() => journal.close());
    const ledger = journalLedger(journal);
    return {
      ...ledger,
      readCohort: (...what) => named(() => ledger.readCohort(...what)),
      readSurvivors: (...what) => named(() => ledger.readSurvivors(...what)),
      readModel: (...what) => named(() => ledger.readModel(...what)),
    };
  } catch (thrown) {
    throw corrupt(thrown);
  }
};

/** The network that the reader trusts to say what is on chain, where it names one; else a folder names its own. */
const ownNetwork = async (
  options: SourceOptions,
  ofFolder: NetworkConfig,
): Promise<NetworkConfig | undefined> => {
  if (options.network === undefined) return undefined;
  const { network } = await readNetworkFile(options);
  const difference = networkDifference(network, ofFolder);
  if (difference === undefined) return network;
  throw new FloeError('network_mismatch', `the run took place on another network: ${difference}`);
};

const openFolder = async (
  path: string,
  options: SourceOptions,
  reading: Reading,
): Promise<Source> => {
  const { folder, spec, transcript, auditorSeed, network } = await readRun(path);
  const onChain = network !== undefined;
  const reader = await chooseReader(options, auditorSeed, onChain);
  const copies = directoryStore(join(folder, RUN_FILES.blobs));
  const files = await listFolder(folder);
  const same = { ...WHOLE, spec, transcript, reader: reader?.address, files };
  if (network === undefined) {
    if (options.remote === true || options.network !== undefined)
      throw new FloeError(
        'usage',
        `--${options.remote === true ? 'remote' : 'network'}: the run in ${path} took place on no network`,
      );
    const gate = reader && sealedBoxGate(reader);
    return { ...same, store: copies, ledger: await openJournalLedger(folder, reading), gate };
  }
  const config =
    (await ownNetwork(options, network)) ?? (await reachNetwork(folder, network, reading));
  const connected = await connectReader(config, spec, reader, reading);
  const { store } = connected;
  return {
    ...same,
    ...connected,
    store: options.remote === true ? store : withLocalCopies(store, copies),
  };
};

const openCoordinator = async (
  url: string,
  options: SourceOptions,
  reading: Reading,
): Promise<Source> => {
  const { signal } = reading;
  const { spec, network: announced } = await readAnnouncement(url, signal);
  const transcript = await readTranscript(url, signal);
  if (options.network !== undefined && announced === undefined)
    throw new FloeError('network_mismatch', `${url} keeps its run itself; leave --network out`);
  // Where the run is on no network, a variable that names one is meant for other commands.
  const onChain = announced !== undefined && namedNetwork(options) !== undefined;
  const reader = await chooseReader(options, undefined, onChain);
  const same = { ...WHOLE, spec, transcript, reader: reader?.address };
  if (onChain) {
    const { network } = await readNetworkFile(options);
    chooseNetwork(network, announced);
    return { ...same, ...(await connectReader(network, spec, reader, reading)) };
  }
  // Reading blobs needs no identity; the store wants one for uploads, which do not happen here.
  const identity = reader ?? (await identityFromSeed(systemRandom(32)));
  const store = httpBlobStore({ url, identity, run: hashRunSpec(spec) });
  return { ...same, store, ledger: undefined, gate: reader && sealedBoxGate(reader) };
};

const openAnywhere = async (
  source: string,
  options: SourceOptions,
  reading: Reading,
): Promise<Source> => {
  if (isObjectId(source)) {
    const { openObject } = await import('./object-source.ts');
    return openObject(source.toLowerCase(), options, reading);
  }
  const base = httpBase(source);
  return base === undefined
    ? openFolder(source, options, reading)
    : openCoordinator(base, options, reading);
};

/**
 * Opens a run's folder, a coordinator's address or an object on Sui for reading.
 *
 * @throws FloeError `file_not_found`, `usage`, `spec_mismatch`, `store_unavailable`, `ledger_unavailable`, `passphrase_missing`
 */
export const openSource = async (
  source: string,
  options: SourceOptions,
  reading: Reading,
): Promise<Source> => {
  const { expectRun } = options;
  const expected = expectRun === undefined ? undefined : hexKey('--expect-run')(expectRun);
  const opened = await openAnywhere(source, options, reading);
  const run = hashRunSpec(opened.spec);
  if (expected !== undefined && !equalBytes(expected, run))
    throw new FloeError('spec_mismatch', `expected run ${toHex(expected)}, got ${toHex(run)}`);
  return opened;
};
