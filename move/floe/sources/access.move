/// What can be bought or given to read a run's models: passes and subscriptions.
module floe::access;

use floe::run::{Run, RunCap};
use sui::clock::Clock;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;
use sui::table::{Self, Table};

const VERSION: u64 = 1;

const EWrongVersion: u64 = 40;
const ENotOwner: u64 = 41;
const EWrongPrice: u64 = 42;
const EWrongOffer: u64 = 43;
const EClosed: u64 = 44;

/// Shared. Terms on which the models of attempts `first` to `last` of a run are read.
public struct Offer has key {
    id: UID,
    version: u64,
    run: ID,
    beneficiary: address,
    pass_price: u64,
    period_price: u64,
    period_ms: u64,
    first: u64,
    last: u64,
    open: bool,
    /// By id of the pass.
    revoked: Table<ID, bool>,
}

/// Of whoever owns it; may be given on. Nothing else can be done with it: frozen or shared it would
/// be everybody's, and one would open all models of its offer to all.
public struct Pass has key { id: UID, offer: ID }

/// Bound to its owner; ends.
public struct Subscription has key { id: UID, offer: ID, expires_ms: u64 }

public struct PassIssued has copy, drop { offer: ID, pass: ID, holder: address }

public struct Subscribed has copy, drop { offer: ID, subscription: ID, expires_ms: u64 }

public fun create_offer(
    cap: &RunCap,
    run: &mut Run,
    beneficiary: address,
    pass_price: u64,
    period_price: u64,
    period_ms: u64,
    first: u64,
    last: u64,
    ctx: &mut TxContext,
) {
    floe::run::check(cap, run);
    floe::run::check_attempts(first, last);
    let offer = Offer {
        id: object::new(ctx),
        version: VERSION,
        run: object::id(run),
        beneficiary,
        pass_price,
        period_price,
        period_ms,
        first,
        last,
        open: true,
        revoked: table::new(ctx),
    };
    floe::run::list_offer(run, object::id(&offer));
    transfer::share_object(offer)
}

/// Stops sales; passes stay good.
public fun close_offer(cap: &RunCap, offer: &mut Offer) {
    check_owner(cap, offer);
    offer.open = false;
}

/// Buys a pass for exactly its price.
public fun buy_pass(offer: &Offer, payment: Coin<SUI>, ctx: &mut TxContext) {
    let pass = sell(offer, payment, ctx);
    transfer::transfer(pass, ctx.sender())
}

/// To another owner.
public fun give_pass(pass: Pass, holder: address) {
    transfer::transfer(pass, holder)
}

/// Gives a pass away.
public fun grant_pass(cap: &RunCap, offer: &Offer, holder: address, ctx: &mut TxContext) {
    check_owner(cap, offer);
    let pass = issue(offer, holder, ctx);
    transfer::transfer(pass, holder)
}

public fun revoke_pass(cap: &RunCap, offer: &mut Offer, pass: ID) {
    check_owner(cap, offer);
    offer.revoked.add(pass, true)
}

/// Buys one period.
public fun subscribe(offer: &Offer, payment: Coin<SUI>, clock: &Clock, ctx: &mut TxContext) {
    pay_period(offer, payment);
    let expires_ms = clock.timestamp_ms() + offer.period_ms;
    let subscription = Subscription { id: object::new(ctx), offer: object::id(offer), expires_ms };
    announce(&subscription);
    transfer::transfer(subscription, ctx.sender())
}

/// Adds one period, from now or from the end of what is paid.
public fun renew(
    offer: &Offer,
    subscription: &mut Subscription,
    payment: Coin<SUI>,
    clock: &Clock,
) {
    assert!(subscription.offer == object::id(offer), EWrongOffer);
    pay_period(offer, payment);
    let from = subscription.expires_ms.max(clock.timestamp_ms());
    subscription.expires_ms = from + offer.period_ms;
    announce(subscription)
}

public fun burn_pass(pass: Pass) {
    let Pass { id, offer: _ } = pass;
    id.delete()
}

public(package) fun run(offer: &Offer): address {
    offer.run.to_address()
}

public(package) fun admits_pass(offer: &Offer, pass: &Pass, attempt: u64): bool {
    covers(offer, attempt) &&
    pass.offer == object::id(offer) &&
    !offer.revoked.contains(object::id(pass))
}

public(package) fun admits_subscription(
    offer: &Offer,
    subscription: &Subscription,
    attempt: u64,
    now_ms: u64,
): bool {
    covers(offer, attempt) &&
    subscription.offer == object::id(offer) &&
    now_ms < subscription.expires_ms
}

fun covers(offer: &Offer, attempt: u64): bool {
    check_version(offer);
    attempt >= offer.first && attempt <= offer.last
}

fun sell(offer: &Offer, payment: Coin<SUI>, ctx: &mut TxContext): Pass {
    check_version(offer);
    assert!(offer.open, EClosed);
    assert!(payment.value() == offer.pass_price, EWrongPrice);
    transfer::public_transfer(payment, offer.beneficiary);
    issue(offer, ctx.sender(), ctx)
}

fun issue(offer: &Offer, holder: address, ctx: &mut TxContext): Pass {
    let pass = Pass { id: object::new(ctx), offer: object::id(offer) };
    event::emit(PassIssued { offer: pass.offer, pass: object::id(&pass), holder });
    pass
}

fun pay_period(offer: &Offer, payment: Coin<SUI>) {
    check_version(offer);
    assert!(offer.open, EClosed);
    assert!(payment.value() == offer.period_price, EWrongPrice);
    transfer::public_transfer(payment, offer.beneficiary)
}

fun announce(subscription: &Subscription) {
    event::emit(Subscribed {
        offer: subscription.offer,
        subscription: object::id(subscription),
        expires_ms: subscription.expires_ms,
    })
}

fun check_version(offer: &Offer) {
    assert!(offer.version == VERSION, EWrongVersion)
}

fun check_owner(cap: &RunCap, offer: &Offer) {
    check_version(offer);
    assert!(floe::run::cap_run(cap) == offer.run, ENotOwner)
}

#[test_only]
public fun test_buy(offer: &Offer, payment: Coin<SUI>, ctx: &mut TxContext): Pass {
    sell(offer, payment, ctx)
}
