/**
 * @module What the tests of the adapters share: a devnet in this process, identities with coins,
 * connections.
 */
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import type { Signer } from '@mysten/sui/cryptography';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import {
  connectNetwork,
  type Connected,
  type ConnectOptions,
} from '../../protocol/net/network-ports.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import { parseNetworkConfig } from '../../protocol/net/config.ts';
import { makeRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { keyFromSeed } from '../../protocol/net/sui/keys.ts';
import type { Devnet, DevnetOptions } from 'floe-devnet';
import { networkFileOf, startFloeDevnet } from '../../move/floe-devnet.ts';

/** 13 nodes of one shard: tolerates 4, blobs up to 2.9 MB, fast. */
export const startNetwork = (options: DevnetOptions = {}): Promise<Devnet> =>
  startFloeDevnet({ nodes: 13, shardsPerNode: 1, ...options });

export const networkOf = (devnet: Devnet): NetworkConfig =>
  parseNetworkConfig(networkFileOf(devnet.config));

export const packageOf = ({ config }: Devnet): string => {
  const { floe } = networkFileOf(config);
  if (floe === undefined) throw new Error('the devnet has no Floe package');
  return floe.packageId;
};

/** Without helpers between client and nodes, so that faults of the nodes are met. */
export const bareNetworkOf = (devnet: Devnet): NetworkConfig => {
  const network = networkOf(devnet);
  const { relayUrl: _relay, aggregatorUrl: _aggregator, ...walrus } = network.walrus;
  return { ...network, walrus };
};

/** A key that follows from a number, so that runs are alike. */
export const keyOf = (index: number): Ed25519Keypair => keyFromSeed(new Uint8Array(32).fill(index));

export const publicKeyOf = (key: Ed25519Keypair): Uint8Array => key.getPublicKey().toRawBytes();

export const fund = async <Key extends Signer>(devnet: Devnet, key: Key): Promise<Key> => {
  await requestSuiFromFaucetV2({ host: devnet.config.faucetUrl, recipient: key.toSuiAddress() });
  return key;
};

let runs = 0;
/** A run of its own for each call, coordinated by `owner`. */
export const specFor = (owner: Ed25519Keypair, auditors: readonly Uint8Array[] = []): RunSpec => {
  runs += 1;
  return makeRunSpec({
    id: new Uint8Array(16).fill(runs),
    name: `run ${runs}`,
    coordinator: publicKeyOf(owner),
    auditors: [...auditors],
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [4], dtype: 'float32' }] },
    rounds: 3,
    cohort: { size: 3, minimum: 3 },
  });
};

/** Faults on purpose are answered in test time, not in operators' time. */
export const quick: NonNullable<ConnectOptions['store']> = {
  missingMs: 1_500,
  readTimeoutMs: 20_000,
  uploadTimeoutMs: 20_000,
  stragglerMs: 200,
};

export const connect = async (
  devnet: Devnet,
  key: Ed25519Keypair,
  spec: RunSpec,
  options: Partial<ConnectOptions> & { readonly network?: NetworkConfig } = {},
): Promise<Connected> => {
  const { network = networkOf(devnet), ...rest } = options;
  return connectNetwork(network, key, { store: quick, ...rest, spec });
};
