/// The registry of a run: who owns it, who took part in which attempt at a round, who survived it,
/// on which model. A cohort and its survivors are frozen once; nothing here changes them afterwards
/// or takes them away, so that the attempts on one model are a list without gaps: an update may be
/// part of one sum only.
module floe::run;

use std::string::String;
use sui::address;
use sui::clock::Clock;
use sui::event;
use sui::hash::blake2b256;
use sui::random::Random;
use sui::table::{Self, Table};
use sui::vec_map::{Self, VecMap};
use sui::vec_set::{Self, VecSet};

/// Of the code; shared objects carry the version that may use them.
const VERSION: u64 = 1;
const MAX_COHORT: u64 = 255;
const MAX_LIST: u64 = 256;
const HASH: u64 = 32;
/// Bytes of an Ed25519 public key, and the flag of the scheme that Sui puts before it in an
/// address.
const KEY: u64 = 32;
const ED25519: u8 = 0;
const BEACON_TAG: vector<u8> = b"floe/chain-beacon/v1";

const EWrongVersion: u64 = 0;
const ENotOwner: u64 = 1;
const EAlreadyFrozen: u64 = 2;
const ENotFrozen: u64 = 3;
const ECohortSize: u64 = 4;
const EDuplicate: u64 = 5;
const ENotInCohort: u64 = 6;
const EBadHash: u64 = 7;
const EListFull: u64 = 8;
const EBadAttempts: u64 = 9;
const EBadKey: u64 = 10;
/// The auditor is part of the agreement that the members have joined.
const EAgreed: u64 = 11;

/// Shared. `attempts` grows; nothing is taken out of it.
public struct Run has key {
    id: UID,
    version: u64,
    name: String,
    spec_hash: vector<u8>,
    aggregator: address,
    /// As the specification names them, with the coordinator: they stay as long as the run.
    agreed: VecSet<address>,
    /// Those that the owner has added since; it may remove them.
    auditors: VecSet<address>,
    revoked: Table<address, bool>,
    grants: VecMap<address, Grant>,
    time_locks: vector<TimeLock>,
    /// Of `floe::access`, so that buyers find them.
    offers: vector<ID>,
    attempts: Table<u64, Attempt>,
    last_attempt: u64,
    /// Hash of the parameters of every published version, by its attempt.
    models: Table<u64, vector<u8>>,
    /// The newest of them.
    newest: Option<u64>,
    /// By hash of a model: the latest attempt on it. `Attempt::previous` leads to those before.
    latest: Table<vector<u8>, u64>,
    /// Of everybody who was ever in a cohort: the first one.
    joined: Table<address, u64>,
}

/// The right to write to a run. It stays with whoever made the run: nobody can hand its coordinator
/// a run that others have prepared, and a coordinator cannot put away a run, with what is frozen in
/// it, and show another.
public struct RunCap has key { id: UID, run: ID }

public struct Attempt has store {
    /// Ed25519 keys, and the addresses that follow from them.
    members: vector<vector<u8>>,
    cohort: vector<address>,
    /// Merkle root over the members' keys.
    cohort_root: vector<u8>,
    /// What the members put into the beacon.
    entropy: vector<u8>,
    /// From the chain's randomness, drawn with the freeze, and the entropy.
    beacon: vector<u8>,
    /// Hash of the newest model at the freeze, which is the one that is trained on; empty where
    /// none was published.
    model_hash: vector<u8>,
    /// The attempt before this one on a model of this hash.
    previous: Option<u64>,
    cohort_ms: u64,
    survivors: Option<vector<address>>,
    /// Over the members, the attempt's context and the records of their uploads.
    survivors_hash: vector<u8>,
    /// Merkle root over the records of the uploads that count.
    data_commitment: vector<u8>,
    survivors_ms: u64,
}

/// A compute node may read the models of attempts `first` to `last` until `expires_ms`.
public struct Grant has copy, drop, store { first: u64, last: u64, expires_ms: u64 }

/// Everybody may read the models of attempts `first` to `last` from `opens_ms` on; there is no way
/// back.
public struct TimeLock has copy, drop, store { first: u64, last: u64, opens_ms: u64 }

public struct RunCreated has copy, drop { run: ID, owner: address, spec_hash: vector<u8> }

public struct CohortFrozen has copy, drop {
    run: ID,
    attempt: u64,
    size: u64,
    beacon: vector<u8>,
    model_hash: vector<u8>,
}

public struct SurvivorsFrozen has copy, drop {
    run: ID,
    attempt: u64,
    survivors: vector<address>,
    survivors_hash: vector<u8>,
    data_commitment: vector<u8>,
    model_hash: vector<u8>,
}

public struct TimeLocked has copy, drop { run: ID, first: u64, last: u64, opens_ms: u64 }

public struct AccessChanged has copy, drop { run: ID, member: address, list: u8, admitted: bool }

const LIST_AUDITOR: u8 = 0;
const LIST_REVOKED: u8 = 1;
const LIST_COMPUTE: u8 = 2;

/// Makes a run with the auditors of its specification; it is shared, the capability returned.
public(package) fun create(
    name: String,
    spec_hash: vector<u8>,
    aggregator: address,
    auditors: vector<address>,
    ctx: &mut TxContext,
): RunCap {
    check_hash(&spec_hash);
    assert!(auditors.length() <= MAX_LIST, EListFull);
    let run = Run {
        id: object::new(ctx),
        version: VERSION,
        name,
        spec_hash,
        aggregator,
        agreed: vec_set::from_keys(auditors),
        auditors: vec_set::empty(),
        revoked: table::new(ctx),
        grants: vec_map::empty(),
        time_locks: vector[],
        offers: vector[],
        attempts: table::new(ctx),
        last_attempt: 0,
        models: table::new(ctx),
        newest: option::none(),
        latest: table::new(ctx),
        joined: table::new(ctx),
    };
    let id = object::id(&run);
    event::emit(RunCreated { run: id, owner: ctx.sender(), spec_hash });
    transfer::share_object(run);
    RunCap { id: object::new(ctx), run: id }
}

/// Registers a run; the capability goes to the sender.
entry fun create_and_keep(
    name: String,
    spec_hash: vector<u8>,
    aggregator: address,
    auditors: vector<address>,
    ctx: &mut TxContext,
) {
    let cap = create(name, spec_hash, aggregator, auditors, ctx);
    transfer::transfer(cap, ctx.sender())
}

/// Freezes who takes part in an attempt, by Ed25519 keys, and draws the beacon that its masks are
/// bound to. The cohort stands when the randomness of the transaction becomes known, and no other
/// code can call this to undo a draw that it does not like.
entry fun freeze_cohort(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    members: vector<vector<u8>>,
    cohort_root: vector<u8>,
    entropy: vector<u8>,
    random: &Random,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let cohort = members.map_ref!(|key| address_of(key));
    let drawn = random.new_generator(ctx).generate_bytes(HASH as u16);
    record_cohort(cap, run, attempt, members, cohort, cohort_root, entropy, drawn, clock)
}

fun record_cohort(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    members: vector<vector<u8>>,
    cohort: vector<address>,
    cohort_root: vector<u8>,
    entropy: vector<u8>,
    drawn: vector<u8>,
    clock: &Clock,
) {
    check(cap, run);
    check_hash(&cohort_root);
    check_hash(&entropy);
    assert!(!run.attempts.contains(attempt), EAlreadyFrozen);
    let size = cohort.length();
    assert!(size > 0 && size <= MAX_COHORT, ECohortSize);
    check_distinct(&cohort);
    let beacon = beacon_of(drawn, cohort_root, entropy);
    let model_hash = run.newest.map!(|version| run.models[version]).destroy_or!(vector[]);
    let previous = follow(run, model_hash, attempt);
    cohort.do_ref!(|member| join(run, *member, attempt));
    let record = Attempt {
        members,
        cohort,
        cohort_root,
        entropy,
        beacon,
        model_hash,
        previous,
        cohort_ms: clock.timestamp_ms(),
        survivors: option::none(),
        survivors_hash: vector[],
        data_commitment: vector[],
        survivors_ms: 0,
    };
    run.attempts.add(attempt, record);
    run.last_attempt = run.last_attempt.max(attempt);
    event::emit(CohortFrozen { run: object::id(run), attempt, size, beacon, model_hash });
}

/// SHA-256 over the tag, what the chain drew, the cohort and what its members put in.
fun beacon_of(drawn: vector<u8>, cohort_root: vector<u8>, entropy: vector<u8>): vector<u8> {
    let mut bytes = BEACON_TAG;
    bytes.append(drawn);
    bytes.append(cohort_root);
    bytes.append(entropy);
    std::hash::sha2_256(bytes)
}

/// Makes this the latest attempt on a model; returns the one before.
fun follow(run: &mut Run, model_hash: vector<u8>, attempt: u64): Option<u64> {
    if (run.latest.contains(model_hash)) {
        let latest = &mut run.latest[model_hash];
        let previous = *latest;
        *latest = attempt;
        option::some(previous)
    } else {
        run.latest.add(model_hash, attempt);
        option::none()
    }
}

fun join(run: &mut Run, member: address, attempt: u64) {
    if (run.joined.contains(member)) {
        let first = &mut run.joined[member];
        *first = (*first).min(attempt);
    } else run.joined.add(member, attempt)
}

/// As Sui derives it.
fun address_of(key: &vector<u8>): address {
    assert!(key.length() == KEY, EBadKey);
    let mut bytes = vector[ED25519];
    bytes.append(*key);
    address::from_bytes(blake2b256(&bytes))
}

/// Freezes whose uploads count, and which uploads. Survivors come in the order of the cohort.
public fun freeze_survivors(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    survivors: vector<address>,
    survivors_hash: vector<u8>,
    data_commitment: vector<u8>,
    clock: &Clock,
) {
    check(cap, run);
    check_hash(&survivors_hash);
    check_hash(&data_commitment);
    assert!(run.attempts.contains(attempt), ENotFrozen);
    let id = object::id(run);
    let record = &mut run.attempts[attempt];
    assert!(record.survivors.is_none(), EAlreadyFrozen);
    check_subset(&survivors, &record.cohort);
    record.survivors.fill(survivors);
    record.survivors_hash = survivors_hash;
    record.data_commitment = data_commitment;
    record.survivors_ms = clock.timestamp_ms();
    let model_hash = record.model_hash;
    event::emit(SurvivorsFrozen {
        run: id,
        attempt,
        survivors,
        survivors_hash,
        data_commitment,
        model_hash,
    });
}

/// One more than was agreed.
public fun add_auditor(cap: &RunCap, run: &mut Run, auditor: address) {
    check(cap, run);
    assert!(!run.agreed.contains(&auditor), EAgreed);
    assert!(run.auditors.length() < MAX_LIST, EListFull);
    run.auditors.insert(auditor);
    changed(run, auditor, LIST_AUDITOR, true);
}

/// One that was added; those that were agreed stay.
public fun remove_auditor(cap: &RunCap, run: &mut Run, auditor: address) {
    check(cap, run);
    assert!(!run.agreed.contains(&auditor), EAgreed);
    run.auditors.remove(&auditor);
    changed(run, auditor, LIST_AUDITOR, false);
}

/// A revoked member gets no key any more, of any attempt.
public fun revoke(cap: &RunCap, run: &mut Run, member: address) {
    check(cap, run);
    run.revoked.add(member, true);
    changed(run, member, LIST_REVOKED, true);
}

public fun readmit(cap: &RunCap, run: &mut Run, member: address) {
    check(cap, run);
    run.revoked.remove(member);
    changed(run, member, LIST_REVOKED, false);
}

/// Lets a compute node read the models of some attempts for a while; replaces an earlier grant.
public fun grant_compute(
    cap: &RunCap,
    run: &mut Run,
    node: address,
    first: u64,
    last: u64,
    expires_ms: u64,
) {
    check(cap, run);
    check_attempts(first, last);
    if (run.grants.contains(&node)) {
        run.grants.remove(&node);
    };
    assert!(run.grants.length() < MAX_LIST, EListFull);
    run.grants.insert(node, Grant { first, last, expires_ms });
    changed(run, node, LIST_COMPUTE, true);
}

public fun revoke_compute(cap: &RunCap, run: &mut Run, node: address) {
    check(cap, run);
    run.grants.remove(&node);
    changed(run, node, LIST_COMPUTE, false);
}

/// Lets everybody read the models of some attempts from a time on.
public fun add_time_lock(cap: &RunCap, run: &mut Run, first: u64, last: u64, opens_ms: u64) {
    check(cap, run);
    check_attempts(first, last);
    assert!(run.time_locks.length() < MAX_LIST, EListFull);
    run.time_locks.push_back(TimeLock { first, last, opens_ms });
    event::emit(TimeLocked { run: object::id(run), first, last, opens_ms });
}

/// Moves a run to this version of the code.
public fun migrate(cap: &RunCap, run: &mut Run) {
    assert!(cap.run == object::id(run), ENotOwner);
    assert!(run.version < VERSION, EWrongVersion);
    run.version = VERSION;
}

public fun is_member(run: &Run, attempt: u64, member: address): bool {
    !run.revoked.contains(member) && in_cohort(run, attempt, member)
}

/// Whether it was in the cohort of this or of an earlier attempt.
public fun has_joined(run: &Run, attempt: u64, member: address): bool {
    !run.revoked.contains(member) && run.joined.contains(member) && run.joined[member] <= attempt
}

/// Whether it was in a cohort that trains on the model that this attempt made, and so has to check
/// it before.
public fun is_successor(run: &Run, attempt: u64, member: address): bool {
    if (run.revoked.contains(member) || !run.models.contains(attempt)) return false;
    let model_hash = run.models[attempt];
    if (!run.latest.contains(model_hash)) return false;
    let mut next = option::some(run.latest[model_hash]);
    while (next.is_some()) {
        let at = next.destroy_some();
        if (in_cohort(run, at, member)) return true;
        next = run.attempts[at].previous;
    };
    false
}

fun in_cohort(run: &Run, attempt: u64, member: address): bool {
    run.attempts.contains(attempt) && run.attempts[attempt].cohort.contains(&member)
}

public fun is_survivor(run: &Run, attempt: u64, member: address): bool {
    survivors_frozen(run, attempt) && run.attempts[attempt].survivors.borrow().contains(&member)
}

public fun survivors_frozen(run: &Run, attempt: u64): bool {
    run.attempts.contains(attempt) && run.attempts[attempt].survivors.is_some()
}

public fun is_auditor(run: &Run, member: address): bool {
    run.agreed.contains(&member) || run.auditors.contains(&member)
}

public fun is_granted(run: &Run, attempt: u64, node: address, now_ms: u64): bool {
    if (!run.grants.contains(&node)) return false;
    let grant = run.grants[&node];
    attempt >= grant.first && attempt <= grant.last && now_ms < grant.expires_ms
}

public fun is_unlocked(run: &Run, attempt: u64, now_ms: u64): bool {
    run.time_locks.any!(|lock| attempt >= lock.first && attempt <= lock.last && now_ms >= lock.opens_ms)
}

public fun aggregator(run: &Run): address {
    run.aggregator
}

public fun data_commitment(run: &Run, attempt: u64): vector<u8> {
    assert!(survivors_frozen(run, attempt), ENotFrozen);
    run.attempts[attempt].data_commitment
}

public fun cap_run(cap: &RunCap): ID {
    cap.run
}

/// Notes a published version; cohorts that are frozen from now on train on it.
public(package) fun note_model(run: &mut Run, version: u64, model_hash: vector<u8>) {
    run.models.add(version, model_hash);
    let newest = run.newest.destroy_or!(version);
    run.newest = option::some(newest.max(version))
}

public(package) fun list_offer(run: &mut Run, offer: ID) {
    assert!(run.offers.length() < MAX_LIST, EListFull);
    run.offers.push_back(offer)
}

public(package) fun check_attempts(first: u64, last: u64) {
    assert!(first <= last, EBadAttempts);
}

public(package) fun uid_mut(run: &mut Run): &mut UID {
    &mut run.id
}

public(package) fun check(cap: &RunCap, run: &Run) {
    check_version(run);
    assert!(cap.run == object::id(run), ENotOwner);
}

public(package) fun check_version(run: &Run) {
    assert!(run.version == VERSION, EWrongVersion);
}

public(package) fun check_hash(hash: &vector<u8>) {
    assert!(hash.length() == HASH, EBadHash);
}

/// One walk through both, which also finds what is there twice.
fun check_subset(members: &vector<address>, cohort: &vector<address>) {
    let mut at = 0;
    members.do_ref!(|member| {
        while (at < cohort.length() && &cohort[at] != member) at = at + 1;
        assert!(at < cohort.length(), ENotInCohort);
        at = at + 1;
    })
}

fun check_distinct(members: &vector<address>) {
    let mut i = 0;
    while (i < members.length()) {
        let (_, first) = members.index_of(&members[i]);
        assert!(first == i, EDuplicate);
        i = i + 1;
    }
}

fun changed(run: &Run, member: address, list: u8, admitted: bool) {
    event::emit(AccessChanged { run: object::id(run), member, list, admitted })
}

#[test_only]
public fun set_version_for_testing(run: &mut Run, version: u64) {
    run.version = version;
}

#[test_only]
public fun attempt_bytes(run: &Run, attempt: u64): vector<u8> {
    std::bcs::to_bytes(&run.attempts[attempt])
}

/// A freeze without keys and with a given draw.
#[test_only]
public fun test_freeze(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    cohort: vector<address>,
    cohort_root: vector<u8>,
    drawn: vector<u8>,
    clock: &Clock,
) {
    let keys = cohort.map!(|member| member.to_bytes());
    record_cohort(cap, run, attempt, keys, cohort, cohort_root, cohort_root, drawn, clock)
}

#[test_only]
public fun test_freeze_cohort(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    members: vector<vector<u8>>,
    cohort_root: vector<u8>,
    entropy: vector<u8>,
    random: &Random,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    freeze_cohort(cap, run, attempt, members, cohort_root, entropy, random, clock, ctx)
}

#[test_only]
public fun beacon(run: &Run, attempt: u64): vector<u8> {
    run.attempts[attempt].beacon
}

#[test_only]
public fun previous(run: &Run, attempt: u64): Option<u64> {
    run.attempts[attempt].previous
}

#[test_only]
public fun survivors(run: &Run, attempt: u64): vector<address> {
    *run.attempts[attempt].survivors.borrow()
}

#[test_only]
public fun test_create(
    name: String,
    spec_hash: vector<u8>,
    aggregator: address,
    auditors: vector<address>,
    ctx: &mut TxContext,
) {
    create_and_keep(name, spec_hash, aggregator, auditors, ctx)
}

#[test_only]
public fun keep(cap: RunCap, owner: address) {
    transfer::transfer(cap, owner)
}
