/// Which node holds which shards. Stake on the devnet is kept safe but moves no shards: the devnet
/// decides on those.
module walrus::staking;

use sui::balance::Balance;
use sui::coin::{Self, Coin};
use sui::dynamic_field;
use sui::vec_map::VecMap;
use walrus::staking_pool::{Entries, ExtendedField};
use walrus::wal::WAL;

const EUnknownNode: u64 = 0;
const ENothing: u64 = 1;

public struct Staking has key {
    id: UID,
    version: u64,
    package_id: ID,
    new_package_id: Option<ID>,
}

public struct Committee(VecMap<ID, vector<u16>>) has copy, drop, store;

public struct EpochParams has copy, drop, store {
    total_capacity_size: u64,
    storage_price_per_unit_size: u64,
    write_price_per_unit_size: u64,
}

public enum EpochState has copy, drop, store {
    EpochChangeSync(u16),
    EpochChangeDone(u64),
    NextParamsSelected(u64),
}

public struct StakingInnerV1 has store {
    n_shards: u16,
    epoch_duration: u64,
    first_epoch_start: u64,
    pools: Entries,
    epoch: u32,
    active_set: ExtendedField,
    next_committee: Option<Committee>,
    committee: Committee,
    previous_committee: Committee,
    next_epoch_params: Option<EpochParams>,
    epoch_state: EpochState,
    next_epoch_public_keys: ExtendedField,
}

public struct StakedWal has key, store {
    id: UID,
    node_id: ID,
    principal: Balance<WAL>,
    activation_epoch: u32,
}

fun inner(self: &Staking): &StakingInnerV1 {
    dynamic_field::borrow(&self.id, self.version)
}

/// Stakes a coin with a node of the current committee.
public fun stake_with_pool(
    self: &mut Staking,
    to_stake: Coin<WAL>,
    node_id: ID,
    ctx: &mut TxContext,
): StakedWal {
    let state = self.inner();
    assert!(state.committee.0.contains(&node_id), EUnknownNode);
    assert!(to_stake.value() > 0, ENothing);
    StakedWal {
        id: object::new(ctx),
        node_id,
        principal: to_stake.into_balance(),
        activation_epoch: state.epoch + 1,
    }
}

/// Gives the principal back.
public fun withdraw_stake(
    _self: &mut Staking,
    staked: StakedWal,
    ctx: &mut TxContext,
): Coin<WAL> {
    let StakedWal { id, principal, .. } = staked;
    id.delete();
    coin::from_balance(principal, ctx)
}

public fun epoch(self: &Staking): u32 { self.inner().epoch }
