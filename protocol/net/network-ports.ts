/**
 * @module Everything of a run on a network, from its configuration and one key: blobs on Walrus,
 * keys at Seal, freezes and versions on Sui. The key that signs records is the key that pays and
 * asks for keys.
 */
import { suiSignerOf } from './sui/signer.ts';
import type { ClientWithCoreApi } from '@mysten/sui/client';
import type { Signer } from '@mysten/sui/cryptography';
import type { AccessGate } from '../ports/access-gate.ts';
import { sealGate, type SealGateInit } from './seal/gate.ts';
import { memoryUploadJournal, type UploadJournal } from '../ports/upload-journal.ts';
import { suiClientOf, walrusClientOf } from './walrus/client.ts';
import { walrusStore, type WalrusStore, type WalrusStoreInit } from './walrus/store.ts';
import { sha256, utf8 } from '../bytes.ts';
import { encodeCbor } from '../wire/cbor.ts';
import { FloeError } from '../errors.ts';
import { addressOf, cryptoReady, type Identity } from '../ports/identity.ts';
import { suiPublications } from './sui/publication.ts';
import { suiLedger, type SuiLedger } from './sui/ledger.ts';
import type { NetworkConfig } from './config.ts';
import type { PublicationLedger } from '../records/publication.ts';
import { hashRunSpec, type RunSpec } from '../spec/run-spec.ts';
import type { Clock } from '../ports/clock.ts';
import { serialQueue } from '../queue.ts';
import { createSender, type Sender } from './sui/transactions.ts';

export interface ConnectOptions {
  readonly spec: RunSpec;
  /**
   * Where unfinished uploads are kept; in memory where missing, which is enough for who never
   * uploads.
   */
  readonly journal?: UploadJournal;
  readonly store?: Partial<
    Pick<
      WalrusStoreInit,
      | 'epochs'
      | 'deletable'
      | 'uploadTimeoutMs'
      | 'readTimeoutMs'
      | 'missingMs'
      | 'stragglerMs'
      | 'cacheBytes'
      | 'threadBytes'
    >
  >;
  readonly gate?: Partial<
    Pick<SealGateInit, 'timeoutMs' | 'serverTimeoutMs' | 'denialRetries' | 'holdings'>
  >;
  readonly warn?: (message: string) => void;
  readonly clock?: Clock;
}

export interface Connected {
  readonly client: ClientWithCoreApi;
  readonly sender: Sender;
  readonly store: WalrusStore;
  readonly gate: AccessGate;
  /** The gate as another of the run's identities sees it. */
  gateFor(signer: Signer): AccessGate;
  /** Writes when the key is the coordinator's, else reads. */
  readonly ledger: SuiLedger;
  /** Where the coordinator writes down what it has published of the run. */
  readonly publications: PublicationLedger;
  close(): Promise<void>;
}

/** What the ledger says of a run's architecture. */
export const architectureHash = ({ model }: RunSpec): Uint8Array => {
  // Which weights a run begins with is no part of its architecture: forks keep the hash.
  const { seed: _seed, ...architecture } = model;
  return sha256(utf8('floe/architecture/v1'), encodeCbor(architecture));
};

/** @throws FloeError `spec_invalid` when the configuration names no Floe package */
export const connectNetwork = async (
  network: NetworkConfig,
  signer: Signer,
  {
    spec,
    journal = memoryUploadJournal(),
    store: storeOptions = {},
    gate,
    warn,
    clock,
  }: ConnectOptions,
): Promise<Connected> => {
  await cryptoReady;
  const packageId = network.floe?.packageId;
  if (packageId === undefined)
    throw new FloeError('spec_invalid', 'network configuration: expected floe.packageId');
  const client = suiClientOf(network);
  const onRetry = (error: FloeError, attempt: number): void =>
    warn?.(`attempt ${attempt}: ${error.message}`);
  const sender = createSender({ client, signer, queue: serialQueue(), onRetry, clock });
  const run = hashRunSpec(spec);
  const owner = addressOf(spec.coordinator);
  const auditorKeys = [spec.coordinator, ...spec.auditors];
  const ledger = suiLedger({
    client,
    packageId,
    owner,
    name: spec.name,
    auditors: [...new Set(auditorKeys.map(addressOf))],
    architecture: architectureHash(spec),
    sender: sender.address === owner ? sender : undefined,
    clock,
  });
  const store = walrusStore({
    network,
    client,
    sender,
    journal,
    walrus: walrusClientOf(network, client),
    clock,
    ...storeOptions,
    ...(warn === undefined ? {} : { warn }),
  });
  const gateFor = (reader: Signer): AccessGate =>
    sealGate({
      packageId,
      client,
      signer: reader,
      run,
      seal: network.seal,
      runObject: () => ledger.runObject(run),
      auditors: auditorKeys,
      models: spec.access?.models,
      clock,
      ...gate,
    });
  return {
    client,
    sender,
    store,
    ledger,
    publications: suiPublications({ client, packageId, clock }, sender, () =>
      ledger.runObject(run),
    ),
    gateFor,
    gate: gateFor(signer),
    close: () => store.close(),
  };
};

/** A connection, and gates for any of the run's identities. */
export interface ConnectedIdentity extends Omit<Connected, 'gateFor'> {
  gateFor(other: Identity): Promise<AccessGate>;
}

/**
 * The same for an identity of Floe, whose key is the key on chain: what coordinators, participants,
 * readers and simulations connect with. `localPorts` in ports/local-ports.ts is its counterpart.
 *
 * @throws FloeError `spec_invalid` when the configuration names no Floe package
 */
export const connectIdentity = async (
  network: NetworkConfig,
  identity: Identity,
  options: ConnectOptions,
): Promise<ConnectedIdentity> => {
  const connected = await connectNetwork(network, suiSignerOf(identity), options);
  return {
    ...connected,
    gateFor: async (other) => connected.gateFor(suiSignerOf(other)),
  };
};
