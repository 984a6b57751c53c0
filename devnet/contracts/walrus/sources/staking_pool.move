/// One storage node as the chain knows it. The object's id is the node's id; the devnet writes
/// these objects.
module walrus::staking_pool;

use std::string::String;
use sui::balance::Balance;
use sui::bls12381::G1;
use sui::group_ops::Element;
use sui::vec_map::VecMap;
use walrus::wal::WAL;

public enum PoolState has copy, drop, store {
    Active,
    Withdrawing(u32),
    Withdrawn,
}

public enum Authorized has copy, drop, store {
    Address(address),
    ObjectID(ID),
}

public struct PendingValues(VecMap<u32, u64>) has copy, drop, store;

public struct VotingParams has copy, drop, store {
    storage_price: u64,
    write_price: u64,
    node_capacity: u64,
}

public struct ExtendedField has key, store { id: UID }

public struct StorageNodeInfo has store {
    name: String,
    node_id: ID,
    network_address: String,
    public_key: Element<G1>,
    next_epoch_public_key: Option<Element<G1>>,
    network_public_key: vector<u8>,
    metadata: ExtendedField,
}

/// Layout of a table: its id and how many entries it has.
public struct Entries has key, store { id: UID, size: u64 }

public struct StakingPool has key, store {
    id: UID,
    state: PoolState,
    voting_params: VotingParams,
    node_info: StorageNodeInfo,
    activation_epoch: u32,
    latest_epoch: u32,
    wal_balance: u64,
    num_shares: u64,
    pending_shares_withdraw: PendingValues,
    pre_active_withdrawals: PendingValues,
    pending_commission_rate: PendingValues,
    commission_rate: u16,
    exchange_rates: Entries,
    pending_stake: PendingValues,
    rewards_pool: Balance<WAL>,
    commission: Balance<WAL>,
    commission_receiver: Authorized,
    governance_authorized: Authorized,
    extra_fields: Entries,
}
