/**
 * @module BCS layouts of the Walrus objects that clients read, as in the Move sources in
 * `contracts/walrus`: the system, the staking state, a pool. Names and order of the fields are the
 * contract's.
 */
import { bcs, type BcsType } from '@mysten/sui/bcs';

const { Address } = bcs;
const VecMap = <K, KI, V, VI>(key: BcsType<K, KI>, value: BcsType<V, VI>) =>
  bcs.struct('VecMap', { contents: bcs.vector(bcs.struct('Entry', { key, value })) });
const Bytes = bcs.struct('Element', { bytes: bcs.vector(bcs.u8()) });
const Entries = bcs.struct('Entries', { id: Address, size: bcs.u64() });
const Pending = bcs.struct('PendingValues', { values: VecMap(bcs.u32(), bcs.u64()) });

export const System = bcs.struct('System', {
  id: Address,
  version: bcs.u64(),
  packageId: Address,
  newPackageId: bcs.option(Address),
});

export const SystemInner = bcs.struct('SystemStateInnerV1', {
  committee: bcs.struct('BlsCommittee', {
    members: bcs.vector(
      bcs.struct('Member', { publicKey: Bytes, weight: bcs.u16(), nodeId: Address }),
    ),
    nShards: bcs.u16(),
    epoch: bcs.u32(),
    totalAggregatedKey: Bytes,
  }),
  totalCapacity: bcs.u64(),
  usedCapacity: bcs.u64(),
  storagePrice: bcs.u64(),
  writePrice: bcs.u64(),
  futureAccounting: bcs.struct('FutureAccountingRingBuffer', {
    currentIndex: bcs.u32(),
    length: bcs.u32(),
    ringBuffer: bcs.vector(
      bcs.struct('FutureAccounting', {
        epoch: bcs.u32(),
        usedCapacity: bcs.u64(),
        rewards: bcs.u64(),
      }),
    ),
  }),
  eventBlobs: bcs.struct('EventBlobCertificationState', {
    latest: bcs.option(bcs.struct('EventBlob', { blobId: bcs.u256(), ending: bcs.u64() })),
    weights: VecMap(bcs.struct('EventBlob', { blobId: bcs.u256(), ending: bcs.u64() }), bcs.u16()),
  }),
  denyListSizes: Address,
});

const Committee = bcs.struct('Committee', { map: VecMap(Address, bcs.vector(bcs.u16())) });
const EpochState = bcs.enum('EpochState', {
  EpochChangeSync: bcs.u16(),
  EpochChangeDone: bcs.u64(),
  NextParamsSelected: bcs.u64(),
});

export const StakingInner = bcs.struct('StakingInnerV1', {
  nShards: bcs.u16(),
  epochDuration: bcs.u64(),
  firstEpochStart: bcs.u64(),
  pools: Entries,
  epoch: bcs.u32(),
  activeSet: Address,
  nextCommittee: bcs.option(Committee),
  committee: Committee,
  previousCommittee: Committee,
  nextEpochParams: bcs.option(
    bcs.struct('EpochParams', {
      capacity: bcs.u64(),
      storagePrice: bcs.u64(),
      writePrice: bcs.u64(),
    }),
  ),
  epochState: EpochState,
  nextEpochPublicKeys: Address,
});

const Authorized = bcs.enum('Authorized', { Address, ObjectID: Address });

export const StakingPool = bcs.struct('StakingPool', {
  id: Address,
  state: bcs.enum('PoolState', { Active: null, Withdrawing: bcs.u32(), Withdrawn: null }),
  votingParams: bcs.struct('VotingParams', {
    storagePrice: bcs.u64(),
    writePrice: bcs.u64(),
    capacity: bcs.u64(),
  }),
  nodeInfo: bcs.struct('StorageNodeInfo', {
    name: bcs.string(),
    nodeId: Address,
    networkAddress: bcs.string(),
    publicKey: Bytes,
    nextEpochPublicKey: bcs.option(Bytes),
    networkPublicKey: bcs.vector(bcs.u8()),
    metadata: Address,
  }),
  activationEpoch: bcs.u32(),
  latestEpoch: bcs.u32(),
  walBalance: bcs.u64(),
  numShares: bcs.u64(),
  pendingSharesWithdraw: Pending,
  preActiveWithdrawals: Pending,
  pendingCommissionRate: Pending,
  commissionRate: bcs.u16(),
  exchangeRates: Entries,
  pendingStake: Pending,
  rewardsPool: bcs.u64(),
  commission: bcs.u64(),
  commissionReceiver: Authorized,
  governanceAuthorized: Authorized,
  extraFields: Entries,
});
