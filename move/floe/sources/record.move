/// What is said of a round beside its members, each kind once: the cohort's Merkle root, the hash of the model's parameters,
/// the root of the transcript. Verifiers compare them with the signed records.
module floe::record;

use floe::run::{Run, RunCap};
use sui::dynamic_field;
use sui::event;

const EAlreadyRecorded: u64 = 60;

public struct RecordKey(u64, u8) has copy, drop, store;

public struct Recorded has copy, drop { run: ID, round: u64, kind: u8, hash: vector<u8> }

/// Records a hash of 32 bytes of a round. The kinds are the client's; the package only keeps them apart.
public fun record(cap: &RunCap, run: &mut Run, round: u64, kind: u8, hash: vector<u8>) {
    floe::run::check(cap, run);
    floe::run::check_hash(&hash);
    let id = object::id(run);
    let uid = floe::run::uid_mut(run);
    let key = RecordKey(round, kind);
    assert!(!dynamic_field::exists_(uid, key), EAlreadyRecorded);
    dynamic_field::add(uid, key, hash);
    event::emit(Recorded { run: id, round, kind, hash });
}
