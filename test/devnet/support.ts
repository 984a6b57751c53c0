/**
 * @module What the devnet's tests share: a small devnet, funded accounts, the allowlist package of
 * the examples, transactions built by hand so that any field of them can be false.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction } from '@mysten/sui/transactions';
import { WalrusClient } from '@mysten/walrus';
import * as v from 'valibot';
import { startDevnet, type Devnet, type DevnetOptions } from '../../devnet/index.ts';

const example = join(import.meta.dirname, '../../examples/devnet/allowlist/compiled.json');
/** Bytecode of the allowlist example. */
export const allowlist = v.parse(
  v.object({ modules: v.array(v.string()), dependencies: v.array(v.string()), digest: v.string() }),
  JSON.parse(readFileSync(example, 'utf8')),
);

/** Few nodes and one key server: for tests that look at the chain. */
export const startSmall = (options: DevnetOptions = {}): Promise<Devnet> =>
  startDevnet({ nodes: 4, shardsPerNode: 1, sealServers: 1, sealThreshold: 1, ...options });

export const suiClientOf = (devnet: Devnet): SuiGrpcClient =>
  new SuiGrpcClient({ network: 'localnet', baseUrl: devnet.config.rpcUrl });

export const walrusClientOf = (devnet: Devnet, relay = false): WalrusClient =>
  new WalrusClient({
    suiClient: suiClientOf(devnet),
    packageConfig: {
      systemObjectId: devnet.config.walrus.systemObjectId,
      stakingPoolId: devnet.config.walrus.stakingPoolId,
    },
    storageNodeUrlScheme: 'http',
    storageNodeClientOptions: { timeout: 10_000 },
    ...(relay ? { uploadRelay: { host: devnet.config.walrus.relayUrl } } : {}),
  });

/** A key that follows from a number, so that runs are alike. */
export const keyOf = (index: number): Ed25519Keypair =>
  Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(index));

export const funded = async (devnet: Devnet, index: number): Promise<Ed25519Keypair> => {
  const key = keyOf(index);
  await requestSuiFromFaucetV2({ host: devnet.config.faucetUrl, recipient: key.toSuiAddress() });
  return key;
};

/**
 * Signs, executes and gives the result; throws what the RPC throws, and on a failed transaction.
 */
export const execute = async (
  client: SuiGrpcClient,
  signer: Ed25519Keypair,
  build: (transaction: Transaction) => void,
) => {
  const transaction = new Transaction();
  build(transaction);
  const result = await client.signAndExecuteTransaction({
    transaction,
    signer,
    include: { effects: true, objectTypes: true, events: true, balanceChanges: true },
  });
  if (result.$kind !== 'Transaction')
    throw new Error(result.FailedTransaction.status.error?.message ?? 'failed');
  return result.Transaction;
};

/** The id of the first changed object whose type ends so. */
export const idOf = (result: { objectTypes: Record<string, string> }, suffix: string): string => {
  const [id] = Object.entries(result.objectTypes).find(([, type]) => type.endsWith(suffix)) ?? [];
  if (id === undefined) throw new Error(`no ${suffix} in ${JSON.stringify(result.objectTypes)}`);
  return id;
};

export interface PublishedList {
  readonly packageId: string;
  readonly listId: string;
  readonly capId: string;
  readonly upgradeCapId: string;
}

/** Publishes the allowlist and creates one list owned by `signer`. */
export const publishAllowlist = async (
  client: SuiGrpcClient,
  signer: Ed25519Keypair,
): Promise<PublishedList> => {
  const published = await execute(client, signer, (transaction) => {
    const capability = transaction.publish(allowlist);
    transaction.transferObjects([capability], signer.toSuiAddress());
  });
  const packageId = idOf(published, 'package');
  const created = await execute(client, signer, (transaction) => {
    transaction.moveCall({ target: `${packageId}::allowlist::create` });
  });
  return {
    packageId,
    listId: idOf(created, '::allowlist::List'),
    capId: idOf(created, '::allowlist::Cap'),
    upgradeCapId: idOf(published, '::UpgradeCap'),
  };
};
