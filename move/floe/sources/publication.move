/// Where a run can be read: after an attempt, its specification and its signed records up to there
/// are one blob, named here once. A reader with the run's id can verify it without any other party.
module floe::publication;

use floe::model::{Self, Blob};
use floe::run::{Run, RunCap};
use sui::dynamic_field;
use sui::event;

const EAlreadyPublished: u64 = 70;
const ENoSuchAttempt: u64 = 71;

public struct RunPublicationKey(u64) has copy, drop, store;

public struct RunPublished has copy, drop { run: ID, attempt: u64, blob_id: u256 }

/// Names the blob of a run after an attempt whose survivors are frozen.
public fun publish(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    blob_id: u256,
    sha256: vector<u8>,
    size: u64,
) {
    floe::run::check(cap, run);
    assert!(run.survivors_frozen(attempt), ENoSuchAttempt);
    let id = object::id(run);
    let blob: Blob = model::blob(blob_id, sha256, size);
    let uid = floe::run::uid_mut(run);
    let key = RunPublicationKey(attempt);
    assert!(!dynamic_field::exists_(uid, key), EAlreadyPublished);
    dynamic_field::add(uid, key, blob);
    event::emit(RunPublished { run: id, attempt, blob_id });
}
