/**
 * @module What a project of Sui, Walrus and Seal does on the devnet, with the SDKs of Mysten Labs
 * only: get coins, publish a Move package (an allowlist), encrypt and decrypt under its policy with
 * Seal, be denied without it, write and read a Walrus blob and a quilt. It starts a devnet of its
 * own, or uses one that runs already, given the file of `floe-devnet --config-out FILE`:
 *
 *   npx node examples/devnet/stock-sdk.ts [FILE]
 */
import { readFile } from 'node:fs/promises';
import { NoAccessError, SealClient, SessionKey } from '@mysten/seal';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { SuiGrpcClient } from '@mysten/sui/grpc';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction } from '@mysten/sui/transactions';
import { fromHex } from '@mysten/sui/utils';
import { WalrusClient, WalrusFile } from '@mysten/walrus';
import { startDevnet } from 'floe-devnet';

interface Network {
  readonly rpcUrl: string;
  readonly faucetUrl: string;
  readonly walrus: { readonly systemObjectId: string; readonly stakingPoolId: string };
  readonly seal: {
    readonly servers: readonly { readonly objectId: string }[];
    readonly threshold: number;
  };
}

const isNetwork = (value: unknown): value is Network =>
  typeof value === 'object' && value !== null && 'rpcUrl' in value && 'seal' in value;

/** The outcome, for a test to look at. */
export interface StockSdkResult {
  readonly packageId: string;
  readonly decrypted: string;
  readonly denied: readonly string[];
  readonly blobId: string;
  readonly blobEqual: boolean;
  readonly quilt: Readonly<Record<string, string>>;
}

/** One account on one network. */
interface Account {
  readonly network: Network;
  readonly suiClient: SuiGrpcClient;
  readonly owner: Ed25519Keypair;
}

/** Executes a transaction; gives the id of a changed object by the end of its type. */
const execute = async (
  { suiClient, owner }: Account,
  build: (transaction: Transaction) => void,
): Promise<(suffix: string) => string> => {
  const transaction = new Transaction();
  build(transaction);
  const result = await suiClient.signAndExecuteTransaction({
    transaction,
    signer: owner,
    include: { objectTypes: true },
  });
  if (result.$kind !== 'Transaction')
    throw new Error(result.FailedTransaction.status.error?.message ?? 'the transaction failed');
  await suiClient.waitForTransaction({ digest: result.Transaction.digest });
  const types = Object.entries(result.Transaction.objectTypes);
  return (suffix) => {
    const [id] = types.find(([, type]) => type.endsWith(suffix)) ?? [];
    if (id === undefined) throw new Error(`no ${suffix} among ${types.join()}`);
    return id;
  };
};

interface Allowlist {
  readonly packageId: string;
  readonly listId: string;
  change(what: 'add' | 'remove', reader: Ed25519Keypair): Promise<unknown>;
}

/** A Move package of our own: compiled from allowlist/sources. */
const publishAllowlist = async (account: Account): Promise<Allowlist> => {
  const { default: compiled } = await import('./allowlist/compiled.json', {
    with: { type: 'json' },
  });
  const published = await execute(account, (transaction) => {
    const capability = transaction.publish(compiled);
    transaction.transferObjects([capability], account.owner.toSuiAddress());
  });
  const packageId = published('package');
  const created = await execute(account, (transaction) => {
    transaction.moveCall({ target: `${packageId}::allowlist::create` });
  });
  const listId = created('::allowlist::List');
  const capId = created('::allowlist::Cap');
  return {
    packageId,
    listId,
    change: (what, reader) =>
      execute(account, (transaction) => {
        transaction.moveCall({
          target: `${packageId}::allowlist::${what}`,
          arguments: [
            transaction.object(listId),
            transaction.object(capId),
            transaction.pure.address(reader.toSuiAddress()),
          ],
        });
      }),
  };
};

/** Seal: encrypt under the list, decrypt as a reader, be denied as anyone else. */
const useSeal = async (
  { network, suiClient, owner }: Account,
  list: Allowlist,
): Promise<Pick<StockSdkResult, 'decrypted' | 'denied'>> => {
  const { packageId, listId } = list;
  const sealClient = (): SealClient =>
    new SealClient({
      suiClient,
      serverConfigs: network.seal.servers.map(({ objectId }) => ({ objectId, weight: 1 })),
      verifyKeyServers: true,
    });
  const id = `${listId}01`;
  const { encryptedObject } = await sealClient().encrypt({
    threshold: network.seal.threshold,
    packageId,
    id,
    data: new TextEncoder().encode('read me'),
  });
  const decrypt = async (reader: Ed25519Keypair): Promise<string> => {
    const transaction = new Transaction();
    transaction.moveCall({
      target: `${packageId}::allowlist::seal_approve`,
      arguments: [transaction.pure.vector('u8', fromHex(id)), transaction.object(listId)],
    });
    const sessionKey = await SessionKey.create({
      address: reader.toSuiAddress(),
      packageId,
      ttlMin: 5,
      signer: reader,
      suiClient,
    });
    const txBytes = await transaction.build({ client: suiClient, onlyTransactionKind: true });
    const plain = await sealClient().decrypt({ data: encryptedObject, sessionKey, txBytes });
    return new TextDecoder().decode(plain);
  };
  const denied: string[] = [];
  const expectDenied = async (name: string, reader: Ed25519Keypair): Promise<void> => {
    try {
      await decrypt(reader);
    } catch (error) {
      if (!(error instanceof NoAccessError)) throw error;
      denied.push(name);
    }
  };
  await expectDenied('owner before being added', owner);
  await list.change('add', owner);
  const decrypted = await decrypt(owner);
  await expectDenied('outsider', Ed25519Keypair.generate());
  await list.change('remove', owner);
  await expectDenied('removed reader', owner);
  return { decrypted, denied };
};

/** Walrus: a blob and a quilt of two files. */
const useWalrus = async ({
  network,
  suiClient,
  owner,
}: Account): Promise<Pick<StockSdkResult, 'blobId' | 'blobEqual' | 'quilt'>> => {
  const walrus = new WalrusClient({
    suiClient,
    packageConfig: {
      systemObjectId: network.walrus.systemObjectId,
      stakingPoolId: network.walrus.stakingPoolId,
    },
    storageNodeUrlScheme: 'http',
  });
  const blob = new Uint8Array(10_000).map((_, index) => index % 251);
  const { blobId } = await walrus.writeBlob({ blob, deletable: true, epochs: 3, signer: owner });
  const read = await walrus.readBlob({ blobId });
  const files = await walrus.writeFiles({
    files: ['one', 'two'].map((identifier) =>
      WalrusFile.from({ contents: new TextEncoder().encode(`file ${identifier}`), identifier }),
    ),
    epochs: 3,
    deletable: true,
    signer: owner,
  });
  const quilt: Record<string, string> = {};
  for (const file of await walrus.getFiles({ ids: files.map((item) => item.id) }))
    quilt[(await file.getIdentifier()) ?? ''] = await file.text();
  const blobEqual = read.length === blob.length && read.every((byte, at) => byte === blob[at]);
  return { blobId, blobEqual, quilt };
};

/** Runs the whole story on a network. */
export const runStockSdk = async (network: Network): Promise<StockSdkResult> => {
  const suiClient = new SuiGrpcClient({ network: 'localnet', baseUrl: network.rpcUrl });
  const owner = Ed25519Keypair.generate();
  await requestSuiFromFaucetV2({ host: network.faucetUrl, recipient: owner.toSuiAddress() });
  const account = { network, suiClient, owner };
  const list = await publishAllowlist(account);
  const seal = await useSeal(account, list);
  return { packageId: list.packageId, ...seal, ...(await useWalrus(account)) };
};

/** Runs the example on a new devnet in this process. */
const runAlone = async (): Promise<StockSdkResult> => {
  const devnet = await startDevnet();
  try {
    return await runStockSdk(devnet.config);
  } finally {
    await devnet.stop();
  }
};

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) console.log(await runAlone());
  else {
    const network: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (!isNetwork(network)) throw new Error(`${file} was not written by floe-devnet`);
    console.log(await runStockSdk(network));
  }
}
