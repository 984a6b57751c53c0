/**
 * @module The initial contents of the chain: the framework and the contracts of Walrus and Seal at
 * fixed ids, all SUI and all WAL in the faucet's account, and the packages of the options.
 */
import { normalizeStructTag } from '@mysten/sui/utils';
import type { Transaction } from '@mysten/sui/transactions';
import { DevnetError } from './errors.ts';
import type { Chain } from './chain/chain.ts';
import { coinType, SUI_COIN, SUI_TYPE } from './chain/commands.ts';
import { addressBytes, u64le, type SystemObject } from './chain/objects.ts';
import type { CoinInfo } from './chain/rpc.ts';
import type { PublishablePackage } from './config.ts';
import { executeOwn } from './faucet.ts';
import { moduleBytes, STD_ID, SUI_ID } from './move/index.ts';
import { deriveId, type deriveKeypair } from './seeds.ts';

/** All SUI and all WAL there is, in MIST and FROST: the faucet's at genesis. */
const SUPPLY = 4_000_000_000_000_000_000n;

/** Makes the framework, which the machine already has, readable on the chain. */
export const installFramework = (chain: Chain): void => {
  for (const id of [STD_ID, SUI_ID]) {
    const info = chain.vm.getPackage(id);
    if (!info) throw new DevnetError('internal', `the machine lacks the framework package ${id}`);
    chain.installPackage(info);
  }
};

/** Publishes a compiled package at a fixed id, as part of genesis. */
export const installContract = (
  chain: Chain,
  storageId: string,
  compiled: PublishablePackage,
): void => {
  const result = chain.vm.publish({
    storageId,
    modules: moduleBytes(compiled.modules),
    dependencies: compiled.dependencies,
  });
  if (result.status === 'failure')
    throw new DevnetError('internal', `a contract of genesis is broken: ${result.failure.message}`);
  chain.installPackage(result.package);
};

const coinObject = (id: string, type: string, owner: string): SystemObject => ({
  id,
  objectType: type,
  contents: Buffer.concat([addressBytes(id), u64le(SUPPLY)]),
  owner: { type: 'address', address: owner },
  hasPublicTransfer: true,
});

/** What the RPC says of the two coins. */
export const coinInfos = (wal: string): ReadonlyMap<string, CoinInfo> =>
  new Map([
    [
      normalizeStructTag(SUI_TYPE),
      { decimals: 9, name: 'Sui', symbol: 'SUI', description: 'Gas of this devnet' },
    ],
    [
      normalizeStructTag(wal),
      { decimals: 9, name: 'WAL', symbol: 'WAL', description: 'Pays for storage on this devnet' },
    ],
  ]);

/** The two coins, whole, of an owner. `wal` is the type of WAL. */
export const allCoins = (seed: Uint8Array, wal: string, owner: string): readonly SystemObject[] => [
  coinObject(deriveId(seed, 'all SUI'), SUI_COIN, owner),
  coinObject(deriveId(seed, 'all WAL'), coinType(wal), owner),
];

/** Publishes a package and destroys its upgrade capability in one transaction; gives its id. */
export const publishImmutable = async (
  chain: Chain,
  signer: ReturnType<typeof deriveKeypair>,
  { modules, dependencies }: PublishablePackage,
): Promise<string> => {
  const budget = 5_000_000_000n;
  const record = await executeOwn(
    chain,
    signer,
    (transaction: Transaction) => {
      const capability = transaction.publish({
        modules: moduleBytes(modules).map((bytes) => [...bytes]),
        dependencies: [...dependencies],
      });
      transaction.moveCall({ target: '0x2::package::make_immutable', arguments: [capability] });
    },
    budget,
  );
  const published = (record.executed.effects?.changedObjects ?? []).find(
    ({ objectType }) => objectType === 'package',
  );
  if (!published?.objectId) throw new DevnetError('internal', 'the package was not published');
  return published.objectId;
};
