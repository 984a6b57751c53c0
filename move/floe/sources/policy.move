/// Access policies of keys. Seal's servers evaluate these functions on the latest state and hand
/// out a key if none aborts: they change nothing, cannot be called by other code, and check the
/// name of the key to its last byte.
module floe::policy;

use floe::access::{Offer, Pass, Subscription};
use floe::identity;
use floe::run::Run;
use sui::clock::Clock;

const ENoAccess: u64 = 200;

/// Members of the attempt's cohort and of earlier ones, unless revoked.
entry fun seal_approve_cohort(id: vector<u8>, run: &Run, ctx: &TxContext) {
    let attempt = named(id, run, identity::cohort());
    assert!(run.has_joined(attempt, ctx.sender()), ENoAccess)
}

/// The run's auditors.
entry fun seal_approve_auditor(id: vector<u8>, run: &Run, ctx: &TxContext) {
    named(id, run, identity::auditor());
    assert!(run.is_auditor(ctx.sender()), ENoAccess)
}

/// A compute node with a grant for this attempt that has not ended.
entry fun seal_approve_compute(id: vector<u8>, run: &Run, clock: &Clock, ctx: &TxContext) {
    let attempt = named(id, run, identity::compute());
    assert!(run.is_granted(attempt, ctx.sender(), clock.timestamp_ms()), ENoAccess)
}

/// The bundle of unmasking shares, once the survivors are frozen: the parties that recompute the
/// attempt are the aggregator, the auditors, the attempt's cohort, and the cohorts that train on
/// the model that the attempt made and check it before.
entry fun seal_approve_unmask(id: vector<u8>, run: &Run, ctx: &TxContext) {
    let attempt = named(id, run, identity::unmask());
    let sender = ctx.sender();
    let may =
        sender == run.aggregator() || run.is_auditor(sender) || run.is_member(attempt, sender) ||
        run.is_successor(attempt, sender);
    assert!(run.survivors_frozen(attempt) && may, ENoAccess)
}

/// The owner of a pass of an offer of this run.
entry fun seal_approve_pass(id: vector<u8>, offer: &Offer, pass: &Pass) {
    let attempt = identity::check(id, offer.run(), identity::pass());
    assert!(offer.admits_pass(pass, attempt), ENoAccess)
}

/// The owner of a subscription of an offer of this run that has not ended.
entry fun seal_approve_subscription(
    id: vector<u8>,
    offer: &Offer,
    subscription: &Subscription,
    clock: &Clock,
) {
    let attempt = identity::check(id, offer.run(), identity::subscription());
    assert!(offer.admits_subscription(subscription, attempt, clock.timestamp_ms()), ENoAccess)
}

/// Everybody, from a time on.
entry fun seal_approve_time(id: vector<u8>, run: &Run, clock: &Clock) {
    let attempt = named(id, run, identity::time());
    assert!(run.is_unlocked(attempt, clock.timestamp_ms()), ENoAccess)
}

fun named(id: vector<u8>, run: &Run, role: u8): u64 {
    floe::run::check_version(run);
    identity::check(id, object::id_address(run), role)
}

#[test_only]
public fun test_cohort(id: vector<u8>, run: &Run, ctx: &TxContext) {
    seal_approve_cohort(id, run, ctx)
}

#[test_only]
public fun test_auditor(id: vector<u8>, run: &Run, ctx: &TxContext) {
    seal_approve_auditor(id, run, ctx)
}

#[test_only]
public fun test_compute(id: vector<u8>, run: &Run, clock: &Clock, ctx: &TxContext) {
    seal_approve_compute(id, run, clock, ctx)
}

#[test_only]
public fun test_unmask(id: vector<u8>, run: &Run, ctx: &TxContext) {
    seal_approve_unmask(id, run, ctx)
}

#[test_only]
public fun test_pass(id: vector<u8>, offer: &Offer, pass: &Pass) {
    seal_approve_pass(id, offer, pass)
}

#[test_only]
public fun test_subscription(
    id: vector<u8>,
    offer: &Offer,
    subscription: &Subscription,
    clock: &Clock,
) {
    seal_approve_subscription(id, offer, subscription, clock)
}

#[test_only]
public fun test_time(id: vector<u8>, run: &Run, clock: &Clock) {
    seal_approve_time(id, run, clock)
}
