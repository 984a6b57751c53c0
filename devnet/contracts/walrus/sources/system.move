/// The storage system: committee, prices, space; registration and certification of blobs.
///
/// The field order of the structs is that of the real system object, which clients read as bytes.
module walrus::system;

use sui::balance::Balance;
use sui::bcs;
use sui::bls12381::{Self, G1};
use sui::coin::Coin;
use sui::dynamic_field;
use sui::group_ops::Element;
use sui::vec_map::VecMap;
use walrus::blob::{Self, Blob};
use walrus::storage_resource::{Self, Storage};
use walrus::wal::WAL;

const EEpochs: u64 = 0;
const ESpace: u64 = 1;
const ENotEnoughWeight: u64 = 2;
const ESignature: u64 = 3;
const EMessage: u64 = 4;
const EEpoch: u64 = 5;
const EBitmap: u64 = 6;

const MAX_EPOCHS_AHEAD: u32 = 53;
const UNIT: u64 = 1_048_576;
/// A message that certifies a blob: intent type, intent version, application id.
const CERTIFY_INTENT: vector<u8> = x"010003";

public struct System has key {
    id: UID,
    version: u64,
    package_id: ID,
    new_package_id: Option<ID>,
}

public struct BlsCommitteeMember has copy, drop, store {
    public_key: Element<G1>,
    weight: u16,
    node_id: ID,
}

public struct BlsCommittee has copy, drop, store {
    members: vector<BlsCommitteeMember>,
    n_shards: u16,
    epoch: u32,
    total_aggregated_key: Element<G1>,
}

public struct FutureAccounting has store {
    epoch: u32,
    used_capacity: u64,
    rewards_to_distribute: Balance<WAL>,
}

public struct FutureAccountingRingBuffer has store {
    current_index: u32,
    length: u32,
    ring_buffer: vector<FutureAccounting>,
}

public struct EventBlob has copy, drop, store {
    blob_id: u256,
    ending_checkpoint_sequence_number: u64,
}

public struct EventBlobCertificationState has store {
    latest_certified_blob: Option<EventBlob>,
    aggregate_weight_per_blob: VecMap<EventBlob, u16>,
}

public struct ExtendedField has key, store { id: UID }

public struct SystemStateInnerV1 has store {
    committee: BlsCommittee,
    total_capacity_size: u64,
    used_capacity_size: u64,
    storage_price_per_unit_size: u64,
    write_price_per_unit_size: u64,
    future_accounting: FutureAccountingRingBuffer,
    event_blob_certification_state: EventBlobCertificationState,
    deny_list_sizes: ExtendedField,
}

fun inner(self: &System): &SystemStateInnerV1 {
    dynamic_field::borrow(&self.id, self.version)
}

fun inner_mut(self: &mut System): &mut SystemStateInnerV1 {
    dynamic_field::borrow_mut(&mut self.id, self.version)
}

fun units(bytes: u64): u64 { (bytes + UNIT - 1) / UNIT }

/// Space from the current epoch on, paid exactly from `payment`.
public fun reserve_space(
    self: &mut System,
    storage_amount: u64,
    epochs_ahead: u32,
    payment: &mut Coin<WAL>,
    ctx: &mut TxContext,
): Storage {
    let state = self.inner_mut();
    assert!(epochs_ahead > 0 && epochs_ahead <= MAX_EPOCHS_AHEAD, EEpochs);
    let epoch = state.committee.epoch;
    state.pay_for_epochs(storage_amount, 0, epochs_ahead, payment);
    state.book(storage_amount, 0, epochs_ahead);
    storage_resource::new(epoch, epoch + epochs_ahead, storage_amount, ctx)
}

public fun register_blob(
    self: &mut System,
    storage: Storage,
    blob_id: u256,
    root_hash: u256,
    size: u64,
    encoding_type: u8,
    deletable: bool,
    write_payment: &mut Coin<WAL>,
    ctx: &mut TxContext,
): Blob {
    let state = self.inner_mut();
    let n_shards = state.committee.n_shards;
    let blob = blob::new(
        storage,
        blob_id,
        root_hash,
        size,
        encoding_type,
        deletable,
        state.committee.epoch,
        n_shards,
        ctx,
    );
    let price = units(blob::encoded_length(size, n_shards)) * state.write_price_per_unit_size;
    let paid = write_payment.balance_mut().split(price);
    state.slot(0).rewards_to_distribute.join(paid);
    blob
}

/// Accepts the signatures of storage nodes that hold more than two thirds of the shards.
public fun certify_blob(
    self: &System,
    blob: &mut Blob,
    signature: vector<u8>,
    signers_bitmap: vector<u8>,
    message: vector<u8>,
) {
    let committee = &self.inner().committee;
    committee.verify_certificate(&signature, &signers_bitmap, &message);
    let mut bytes = bcs::new(message);
    CERTIFY_INTENT.do!(|byte| assert!(bytes.peel_u8() == byte, EMessage));
    assert!(bytes.peel_u32() == committee.epoch, EEpoch);
    let blob_id = bytes.peel_u256();
    let object = match (bytes.peel_u8()) {
        0 => option::none(),
        1 => option::some(bytes.peel_address()),
        _ => abort EMessage,
    };
    assert!(bytes.into_remainder_bytes().is_empty(), EMessage);
    blob.certify(blob_id, object, committee.epoch);
}

public fun delete_blob(self: &System, blob: Blob): Storage {
    blob.delete(self.inner().committee.epoch)
}

public fun extend_blob(
    self: &mut System,
    blob: &mut Blob,
    extended_epochs: u32,
    payment: &mut Coin<WAL>,
) {
    let state = self.inner_mut();
    let epoch = state.committee.epoch;
    blob.extend(extended_epochs, epoch);
    let last = blob.end_epoch() - epoch;
    assert!(extended_epochs > 0 && last <= MAX_EPOCHS_AHEAD, EEpochs);
    let amount = blob.storage().size();
    state.pay_for_epochs(amount, last - extended_epochs, last, payment);
    state.book(amount, last - extended_epochs, last);
}

public fun epoch(self: &System): u32 { self.inner().committee.epoch }

public fun n_shards(self: &System): u16 { self.inner().committee.n_shards }

/// The accounting of the epoch `ahead` of the current one.
fun slot(self: &mut SystemStateInnerV1, ahead: u32): &mut FutureAccounting {
    let ring = &mut self.future_accounting;
    let index = (ring.current_index + ahead) % ring.length;
    &mut ring.ring_buffer[index as u64]
}

fun pay_for_epochs(
    self: &mut SystemStateInnerV1,
    amount: u64,
    from: u32,
    to: u32,
    payment: &mut Coin<WAL>,
) {
    let price = units(amount) * self.storage_price_per_unit_size;
    let mut ahead = from;
    while (ahead < to) {
        let paid = payment.balance_mut().split(price);
        self.slot(ahead).rewards_to_distribute.join(paid);
        ahead = ahead + 1;
    }
}

fun book(self: &mut SystemStateInnerV1, amount: u64, from: u32, to: u32) {
    let capacity = self.total_capacity_size;
    let mut ahead = from;
    while (ahead < to) {
        let accounting = self.slot(ahead);
        accounting.used_capacity = accounting.used_capacity + amount;
        assert!(accounting.used_capacity <= capacity, ESpace);
        ahead = ahead + 1;
    };
    if (from == 0) { self.used_capacity_size = self.used_capacity_size + amount };
}

fun verify_certificate(
    self: &BlsCommittee,
    signature: &vector<u8>,
    signers_bitmap: &vector<u8>,
    message: &vector<u8>,
) {
    let mut weight = 0;
    let mut key = bls12381::g1_identity();
    let count = self.members.length();
    let bits = signers_bitmap.length() * 8;
    assert!(bits >= count && bits < count + 8, EBitmap);
    let mut index = 0;
    while (index < bits) {
        let set = (signers_bitmap[index / 8] >> ((index % 8) as u8)) & 1 == 1;
        if (set) {
            assert!(index < count, EBitmap);
            let member = &self.members[index];
            weight = weight + (member.weight as u64);
            key = bls12381::g1_add(&key, &member.public_key);
        };
        index = index + 1;
    };
    assert!(3 * weight >= 2 * (self.n_shards as u64) + 1, ENotEnoughWeight);
    assert!(bls12381::bls12381_min_pk_verify(signature, key.bytes(), message), ESignature);
}
