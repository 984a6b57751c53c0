/**
 * @module The objects of the Walrus package that the devnet writes itself: the system with its
 * committee and prices, the staking state with the assignment of shards, one pool for each storage
 * node.
 */
import { bcs } from '@mysten/sui/bcs';
import { deriveDynamicFieldID } from '@mysten/sui/utils';
import { bls12_381, scalarFromBytes } from '../bls12-381.ts';
import type { Chain } from '../chain/chain.ts';
import type { SystemObject } from '../chain/objects.ts';
import { derive, deriveId, deriveScalar } from '../seeds.ts';
import { StakingInner, StakingPool, System, SystemInner } from './contract-layout.ts';

/** Price of one MiB of encoded bytes, in FROST. */
export interface WalrusPrices {
  readonly storagePerUnit: number;
  readonly writePerUnit: number;
}

/** The identity of a storage node. */
export interface NodeIdentity {
  readonly index: number;
  /** Its pool's object id. */
  readonly id: string;
  readonly secretKey: Uint8Array;
  /** Compressed G1, 48 bytes. */
  readonly publicKey: Uint8Array;
  readonly shards: readonly number[];
}

export interface WalrusIds {
  readonly packageId: string;
  readonly systemObjectId: string;
  readonly stakingPoolId: string;
}

/** Epochs ahead that space can be reserved for; also the ring's length. */
const RING_LENGTH = 53;
const CAPACITY = 1n << 50n;
const FIRST_EPOCH = 1;

/** The nodes of a devnet: `count` of them, each with `shardsPerNode` shards dealt round robin. */
export const nodeIdentities = (
  seed: Uint8Array,
  count: number,
  shardsPerNode: number,
): readonly NodeIdentity[] =>
  Array.from({ length: count }, (_, index) => {
    const secretKey = deriveScalar(seed, `walrus node ${index}`);
    return {
      index,
      id: deriveId(seed, `walrus pool ${index}`),
      secretKey,
      publicKey: bls12_381.G1.Point.BASE.multiply(scalarFromBytes(secretKey)).toBytes(),
      shards: Array.from({ length: shardsPerNode }, (_item, row) => row * count + index),
    };
  });

export const walrusIds = (seed: Uint8Array): WalrusIds => ({
  packageId: deriveId(seed, 'walrus package'),
  systemObjectId: deriveId(seed, 'walrus system'),
  stakingPoolId: deriveId(seed, 'walrus staking'),
});

/** The coin that storage is paid with. */
export const walType = ({ packageId }: WalrusIds): string => `${packageId}::wal::WAL`;

const VERSION = bcs.u64().serialize(1).toBytes();

const innerField = (parent: string, valueType: string, value: Uint8Array): SystemObject => {
  const id = deriveDynamicFieldID(parent, 'u64', VERSION);
  return {
    id,
    objectType: `0x${'0'.repeat(63)}2::dynamic_field::Field<u64, ${valueType}>`,
    contents: Buffer.concat([bcs.Address.serialize(id).toBytes(), VERSION, value]),
    owner: { type: 'object', parent },
  };
};

/**
 * Everything that Walrus has on the chain at genesis. `addresses` are `host:port`, one for each
 * node.
 */
export const walrusGenesis = (options: {
  readonly seed: Uint8Array;
  readonly ids: WalrusIds;
  readonly nodes: readonly NodeIdentity[];
  readonly addresses: readonly string[];
  readonly prices: WalrusPrices;
  readonly nowMs: number;
}): readonly SystemObject[] => {
  const { seed, ids, nodes, addresses, prices, nowMs } = options;
  const shards = nodes.reduce((sum, node) => sum + node.shards.length, 0);
  const keys = nodes.map((node) => bls12_381.G1.Point.fromBytes(node.publicKey));
  const total = keys.reduce((sum, key) => sum.add(key));
  const shared = (id: string, name: string, contents: Uint8Array): SystemObject => ({
    id,
    objectType: `${ids.packageId}::${name}`,
    contents,
    owner: { type: 'shared', version: 1n },
  });
  const handle = (id: string): Uint8Array =>
    System.serialize({ id, version: 1, packageId: ids.packageId, newPackageId: null }).toBytes();
  const system = SystemInner.serialize({
    committee: {
      members: nodes.map((node) => ({
        publicKey: { bytes: node.publicKey },
        weight: node.shards.length,
        nodeId: node.id,
      })),
      nShards: shards,
      epoch: FIRST_EPOCH,
      totalAggregatedKey: { bytes: total.toBytes() },
    },
    totalCapacity: CAPACITY,
    usedCapacity: 0,
    storagePrice: prices.storagePerUnit,
    writePrice: prices.writePerUnit,
    futureAccounting: {
      currentIndex: 0,
      length: RING_LENGTH,
      ringBuffer: Array.from({ length: RING_LENGTH }, (_, ahead) => ({
        epoch: FIRST_EPOCH + ahead,
        usedCapacity: 0,
        rewards: 0,
      })),
    },
    eventBlobs: { latest: null, weights: { contents: [] } },
    denyListSizes: deriveId(seed, 'walrus deny list'),
  }).toBytes();
  const committee = {
    map: { contents: nodes.map((node) => ({ key: node.id, value: [...node.shards] })) },
  };
  const staking = StakingInner.serialize({
    nShards: shards,
    epochDuration: 86_400_000,
    firstEpochStart: nowMs,
    pools: { id: deriveId(seed, 'walrus pools'), size: nodes.length },
    epoch: FIRST_EPOCH,
    activeSet: deriveId(seed, 'walrus active set'),
    nextCommittee: null,
    committee,
    previousCommittee: committee,
    nextEpochParams: null,
    epochState: { EpochChangeDone: nowMs },
    nextEpochPublicKeys: deriveId(seed, 'walrus next keys'),
  }).toBytes();
  return [
    shared(ids.systemObjectId, 'system::System', handle(ids.systemObjectId)),
    innerField(ids.systemObjectId, `${ids.packageId}::system::SystemStateInnerV1`, system),
    shared(ids.stakingPoolId, 'staking::Staking', handle(ids.stakingPoolId)),
    innerField(ids.stakingPoolId, `${ids.packageId}::staking::StakingInnerV1`, staking),
    ...nodes.map((node) =>
      shared(
        node.id,
        'staking_pool::StakingPool',
        poolContents(seed, node, addresses[node.index] ?? '', prices),
      ),
    ),
  ];
};

const poolContents = (
  seed: Uint8Array,
  node: NodeIdentity,
  address: string,
  prices: WalrusPrices,
): Uint8Array => {
  const none = { values: { contents: [] } };
  const own = (label: string): string => deriveId(seed, `walrus pool ${node.index} ${label}`);
  return StakingPool.serialize({
    id: node.id,
    state: { Active: true },
    votingParams: {
      storagePrice: prices.storagePerUnit,
      writePrice: prices.writePerUnit,
      capacity: CAPACITY,
    },
    nodeInfo: {
      name: `devnet-${node.index}`,
      nodeId: node.id,
      networkAddress: address,
      publicKey: { bytes: node.publicKey },
      nextEpochPublicKey: null,
      networkPublicKey: derive(seed, `walrus network key ${node.index}`),
      metadata: own('metadata'),
    },
    activationEpoch: FIRST_EPOCH,
    latestEpoch: FIRST_EPOCH,
    walBalance: 0,
    numShares: 0,
    pendingSharesWithdraw: none,
    preActiveWithdrawals: none,
    pendingCommissionRate: none,
    commissionRate: 0,
    exchangeRates: { id: own('rates'), size: 0 },
    pendingStake: none,
    rewardsPool: 0,
    commission: 0,
    commissionReceiver: { Address: own('receiver') },
    governanceAuthorized: { Address: own('receiver') },
    extraFields: { id: own('extra'), size: 0 },
  }).toBytes();
};

/** Id and name of a dynamic field named by a u64. */
const FIELD_HEAD = 40;
const head = ({ contents }: { readonly contents: Uint8Array }): Uint8Array =>
  contents.slice(0, FIELD_HEAD);

const innerOf = (chain: Chain, parent: string) => {
  const id = deriveDynamicFieldID(parent, 'u64', VERSION);
  const object = chain.state.get(id);
  if (!object) throw new Error(`the inner state of ${parent} is not on the chain`);
  return { object, value: object.contents.slice(FIELD_HEAD) };
};

/** The current Walrus epoch, from the chain. */
export const walrusEpoch = (chain: Chain, ids: WalrusIds): number =>
  StakingInner.parse(innerOf(chain, ids.stakingPoolId).value).epoch;

/**
 * Begins the next Walrus epoch: the accounting ring moves on and its rewards go to the nodes. With
 * `syncing` the staking state says that shards are still being moved, until it is called again for
 * the same epoch with `syncing` false.
 */
export const advanceWalrusEpoch = (
  chain: Chain,
  ids: WalrusIds,
  options: { readonly syncing: boolean },
): number => {
  const systemField = innerOf(chain, ids.systemObjectId);
  const stakingField = innerOf(chain, ids.stakingPoolId);
  const system = SystemInner.parse(systemField.value);
  const staking = StakingInner.parse(stakingField.value);
  const finishing = staking.epochState.$kind === 'EpochChangeSync';
  const epoch = finishing ? staking.epoch : staking.epoch + 1;
  const objects: SystemObject[] = [];
  if (!finishing) {
    const ring = system.futureAccounting;
    const ended = ring.ringBuffer[ring.currentIndex];
    if (!ended) throw new Error('the accounting ring is broken');
    objects.push(...payNodes(chain, staking.committee.map.contents, BigInt(ended.rewards)));
    ring.ringBuffer[ring.currentIndex] = {
      epoch: ended.epoch + ring.length,
      usedCapacity: '0',
      rewards: '0',
    };
    ring.currentIndex = (ring.currentIndex + 1) % ring.length;
    system.usedCapacity = ring.ringBuffer[ring.currentIndex]?.usedCapacity ?? '0';
    system.committee.epoch = epoch;
  }
  objects.push(
    {
      ...systemField.object,
      contents: Buffer.concat([head(systemField.object), SystemInner.serialize(system).toBytes()]),
    },
    {
      ...stakingField.object,
      contents: Buffer.concat([
        head(stakingField.object),
        StakingInner.serialize({
          ...staking,
          epoch,
          previousCommittee: staking.committee,
          epochState: options.syncing ? { EpochChangeSync: 0 } : { EpochChangeDone: chain.timeMs },
        }).toBytes(),
      ]),
    },
  );
  chain.write(objects);
  return epoch;
};

/** The pools of a restored devnet, at the addresses their nodes have now. */
export const poolAddresses = (
  chain: Chain,
  nodes: readonly NodeIdentity[],
  addresses: readonly string[],
): readonly SystemObject[] =>
  nodes.flatMap(({ id, index }) => {
    const object = chain.state.get(id);
    if (!object) return [];
    const pool = StakingPool.parse(object.contents);
    const nodeInfo = { ...pool.nodeInfo, networkAddress: addresses[index] ?? '' };
    return [{ ...object, contents: StakingPool.serialize({ ...pool, nodeInfo }).toBytes() }];
  });

const payNodes = (
  chain: Chain,
  committee: readonly { readonly key: string }[],
  rewards: bigint,
): readonly SystemObject[] => {
  const share = rewards / BigInt(committee.length);
  const rest = rewards - share * BigInt(committee.length);
  if (rewards === 0n) return [];
  return committee.flatMap(({ key }, index) => {
    const object = chain.state.get(key);
    if (!object) return [];
    const pool = StakingPool.parse(object.contents);
    const gained = share + (index === 0 ? rest : 0n);
    const rewardsPool = BigInt(pool.rewardsPool) + gained;
    return [{ ...object, contents: StakingPool.serialize({ ...pool, rewardsPool }).toBytes() }];
  });
};
