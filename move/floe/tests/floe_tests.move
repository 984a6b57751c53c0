/// The table of cases of the policies, freezing once, and who may write.
#[test_only]
module floe::floe_tests;

use floe::access;
use floe::identity;
use floe::model;
use floe::policy;
use floe::run::{Self, Run, RunCap};
use sui::clock::{Self, Clock};
use sui::coin;
use sui::random::{Self, Random};
use sui::sui::SUI;
use sui::test_scenario::{Self, Scenario};

const OWNER: address = @0xA;
const ALICE: address = @0xA1;
const BOB: address = @0xB0;
const AUDITOR: address = @0xA0D;
const AGGREGATOR: address = @0xA66;
const OUTSIDER: address = @0xBAD;

const HASH: vector<u8> = x"1111111111111111111111111111111111111111111111111111111111111111";

fun start(): (Scenario, Clock) {
    let mut scenario = test_scenario::begin(OWNER);
    let mut clock = clock::create_for_testing(scenario.ctx());
    clock.set_for_testing(1_000);
    let cap = run::create(b"run".to_string(), HASH, AGGREGATOR, vector[AUDITOR], scenario.ctx());
    run::keep(cap, OWNER);
    scenario.next_tx(OWNER);
    (scenario, clock)
}

fun finish(scenario: Scenario, clock: Clock) {
    clock.destroy_for_testing();
    scenario.end();
}

/// Cohort of attempt 3 is Alice and Bob; with `survivors`, Alice alone survives.
fun frozen(scenario: &Scenario, clock: &Clock, survivors: bool): (RunCap, Run) {
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    cap.freeze_cohort(&mut run, 3, vector[ALICE, BOB], HASH, HASH, clock);
    if (survivors) cap.freeze_survivors(&mut run, 3, vector[ALICE], HASH, HASH, clock);
    (cap, run)
}

fun put_back(scenario: &Scenario, cap: RunCap, run: Run) {
    scenario.return_to_sender(cap);
    test_scenario::return_shared(run);
}

fun name(run: &Run, attempt: u64, role: u8): vector<u8> {
    identity::name(object::id_address(run), attempt, role)
}

use fun run::test_freeze as RunCap.freeze_cohort;

#[test]
fun cohort_member_is_admitted() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 3, 0), &run, scenario.ctx());
    test_scenario::return_shared(run);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun outsider_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(OUTSIDER);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 3, 0), &run, scenario.ctx());
    abort 0
}

#[test]
fun member_of_an_earlier_cohort_is_admitted() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 4, 0), &run, scenario.ctx());
    test_scenario::return_shared(run);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun member_of_a_later_cohort_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 2, 0), &run, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun revoked_member_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    run::revoke(&cap, &mut run, ALICE);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 3, 0), &run, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = identity::EBadIdentity)]
fun name_of_another_role_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 3, 1), &run, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = identity::EBadIdentity)]
fun name_with_one_byte_more_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    let mut id = name(&run, 3, 0);
    id.push_back(0);
    policy::test_cohort(id, &run, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = run::EWrongVersion)]
fun run_of_another_version_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    run.set_version_for_testing(2);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 3, 0), &run, scenario.ctx());
    abort 0
}

#[test]
fun unmasking_opens_with_the_survivors() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, true);
    put_back(&scenario, cap, run);
    scenario.next_tx(AGGREGATOR);
    let run = scenario.take_shared<Run>();
    policy::test_unmask(name(&run, 3, 6), &run, scenario.ctx());
    test_scenario::return_shared(run);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun unmasking_is_closed_before() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(AGGREGATOR);
    let run = scenario.take_shared<Run>();
    policy::test_unmask(name(&run, 3, 6), &run, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun compute_grant_ends() {
    let (mut scenario, mut clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::grant_compute(&cap, &mut run, BOB, 3, 4, 2_000);
    put_back(&scenario, cap, run);
    scenario.next_tx(BOB);
    let run = scenario.take_shared<Run>();
    policy::test_compute(name(&run, 3, 5), &run, &clock, scenario.ctx());
    clock.set_for_testing(2_000);
    policy::test_compute(name(&run, 3, 5), &run, &clock, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun removed_auditor_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::add_auditor(&cap, &mut run, OWNER);
    policy::test_auditor(name(&run, 3, 1), &run, scenario.ctx());
    run::remove_auditor(&cap, &mut run, OWNER);
    policy::test_auditor(name(&run, 3, 1), &run, scenario.ctx());
    put_back(&scenario, cap, run);
    abort clock.timestamp_ms()
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun subscription_ends() {
    let (mut scenario, mut clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    put_back(&scenario, cap, run);
    scenario.next_tx(BOB);
    let run = scenario.take_shared<Run>();
    let offer = scenario.take_shared<access::Offer>();
    let payment = coin::mint_for_testing<SUI>(30, scenario.ctx());
    access::subscribe(&offer, payment, &clock, scenario.ctx());
    scenario.next_tx(BOB);
    let subscription = scenario.take_from_sender<access::Subscription>();
    policy::test_subscription(name(&run, 3, 3), &offer, &subscription, &clock);
    clock.set_for_testing(1_500);
    policy::test_subscription(name(&run, 3, 3), &offer, &subscription, &clock);
    abort 0
}

/// An offer of attempts 3 to 4, Bob's pass of it, and what it is asked for.
fun show_pass(attempt: u64, revoked: bool) {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let mut offer = scenario.take_shared<access::Offer>();
    let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
    let pass = access::test_buy(&offer, payment, scenario.ctx());
    if (revoked) access::revoke_pass(&cap, &mut offer, object::id(&pass));
    policy::test_pass(name(&run, attempt, 2), &offer, &pass);
    pass.burn_pass();
    test_scenario::return_shared(offer);
    put_back(&scenario, cap, run);
    finish(scenario, clock);
}

#[test]
fun pass_opens_the_first_round_of_its_offer() {
    show_pass(3, false)
}

#[test]
fun pass_opens_the_last_attempt_of_its_offer() {
    show_pass(4, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun pass_opens_no_earlier_attempt() {
    show_pass(2, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun pass_opens_no_later_attempt() {
    show_pass(5, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun revoked_pass_is_denied() {
    show_pass(3, true)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun pass_of_another_offer_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let first = scenario.take_shared<access::Offer>();
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let second = scenario.take_shared<access::Offer>();
    let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
    let pass = access::test_buy(&first, payment, scenario.ctx());
    policy::test_pass(name(&run, 3, 2), &second, &pass);
    access::give_pass(pass, BOB);
    put_back(&scenario, cap, run);
    abort clock.timestamp_ms()
}

#[test, expected_failure(abort_code = identity::EBadIdentity)]
fun pass_of_another_run_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, true);
    let other = run::create(b"other".to_string(), HASH, OWNER, vector[], scenario.ctx());
    scenario.next_tx(OWNER);
    let mut sold = scenario.take_shared<Run>();
    access::create_offer(&other, &mut sold, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let offer = scenario.take_shared<access::Offer>();
    let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
    let pass = access::test_buy(&offer, payment, scenario.ctx());
    policy::test_pass(name(&run, 3, 2), &offer, &pass);
    access::give_pass(pass, BOB);
    run::keep(other, BOB);
    put_back(&scenario, cap, run);
    abort clock.timestamp_ms()
}

/// A lock of attempts 3 to 4 that opens at 5000.
fun try_lock(attempt: u64, now_ms: u64) {
    let (mut scenario, mut clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::add_time_lock(&cap, &mut run, 3, 4, 5_000);
    put_back(&scenario, cap, run);
    scenario.next_tx(OUTSIDER);
    let run = scenario.take_shared<Run>();
    clock.set_for_testing(now_ms);
    policy::test_time(name(&run, attempt, 4), &run, &clock);
    test_scenario::return_shared(run);
    finish(scenario, clock);
}

#[test]
fun time_lock_opens() {
    try_lock(3, 5_000)
}

#[test]
fun time_lock_stays_open() {
    try_lock(4, 6_000)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun time_lock_is_closed_before() {
    try_lock(3, 4_999)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun time_lock_opens_its_attempts_only() {
    try_lock(5, 5_000)
}

#[test, expected_failure(abort_code = run::EAlreadyFrozen)]
fun cohort_freezes_once() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    cap.freeze_cohort(&mut run, 3, vector[ALICE], HASH, HASH, &clock);
    abort 0
}

#[test, expected_failure(abort_code = run::EAlreadyFrozen)]
fun survivors_freeze_once() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    cap.freeze_survivors(&mut run, 3, vector[BOB], HASH, HASH, &clock);
    abort 0
}

#[test, expected_failure(abort_code = run::ENotInCohort)]
fun survivors_come_from_the_cohort() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    cap.freeze_survivors(&mut run, 3, vector[OUTSIDER], HASH, HASH, &clock);
    abort 0
}

#[test, expected_failure(abort_code = run::ENotInCohort)]
fun survivors_have_no_twins() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    cap.freeze_survivors(&mut run, 3, vector[ALICE, ALICE], HASH, HASH, &clock);
    abort 0
}

#[test, expected_failure(abort_code = run::ENotInCohort)]
fun survivors_keep_the_order_of_the_cohort() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    cap.freeze_survivors(&mut run, 3, vector[BOB, ALICE], HASH, HASH, &clock);
    abort 0
}

#[test, expected_failure(abort_code = run::EDuplicate)]
fun cohort_has_no_twins() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    cap.freeze_cohort(&mut run, 4, vector[ALICE, BOB, ALICE], HASH, HASH, &clock);
    abort 0
}

#[test, expected_failure(abort_code = run::ENotOwner)]
fun capability_of_another_run_writes_nothing() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    let other = run::create(b"other".to_string(), HASH, BOB, vector[], scenario.ctx());
    other.freeze_cohort(&mut run, 5, vector[ALICE], HASH, HASH, &clock);
    put_back(&scenario, cap, run);
    run::keep(other, OWNER);
    abort 0
}

#[test, expected_failure(abort_code = model::EAlreadyPublished)]
fun model_of_a_round_is_published_once() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    let mut i = 0;
    while (i < 2) {
        model::publish(
            &cap,
            &mut run,
            3,
            HASH,
            HASH,
            vector[],
            model::metrics(60_000, vector[b"loss".to_string(), b"accuracy".to_string()], vector[100, 970_000]),
            model::gaussian(8_000_000, 10),
            option::none(),
            HASH,
            model::blob(7, HASH, 99),
            scenario.ctx(),
        );
        i = i + 1;
    };
    put_back(&scenario, cap, run);
    abort clock.timestamp_ms()
}

fun publish_private(mechanism: u8, epsilon: u64, delta: u64): Option<u64> {
    let (mut scenario, clock) = start();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    model::test_publish(
        &cap,
        &mut run,
        0,
        HASH,
        HASH,
        vector[],
        0,
        vector[],
        vector[],
        mechanism,
        epsilon,
        delta,
        option::none(),
        HASH,
        7,
        HASH,
        99,
        scenario.ctx(),
    );
    put_back(&scenario, cap, run);
    scenario.next_tx(BOB);
    let version = scenario.take_immutable<model::ModelVersion>();
    let stated = version.epsilon();
    test_scenario::return_immutable(version);
    finish(scenario, clock);
    stated
}

#[test]
fun version_without_privacy_states_none() {
    assert!(publish_private(0, 0, 0).is_none());
}

#[test]
fun version_states_its_gaussian() {
    assert!(publish_private(1, 4_000_000, 10) == option::some(4_000_000));
    assert!(model::skellam(1, 2) != model::gaussian(1, 2));
    assert!(model::central(1, 2) != model::skellam(1, 2));
    assert!(model::ftrl(1, 2) != model::skellam(1, 2));
}

#[test]
fun version_states_its_skellam() {
    assert!(publish_private(2, 4_000_000, 10) == option::some(4_000_000));
}

#[test]
fun version_states_its_central_noise() {
    assert!(publish_private(3, 4_000_000, 10) == option::some(4_000_000));
}

#[test]
fun version_states_its_correlated_noise() {
    assert!(publish_private(4, 4_000_000, 10) == option::some(4_000_000));
}

#[test, expected_failure(abort_code = model::EBadPrivacy)]
fun unknown_mechanism_is_refused() {
    publish_private(5, 1, 1);
}

#[test, expected_failure(abort_code = model::EBadPrivacy)]
fun epsilon_without_a_mechanism_is_refused() {
    publish_private(0, 1, 0);
}

#[test, expected_failure(abort_code = model::EBadMetric)]
fun metric_without_a_value_is_refused() {
    model::metrics(1, vector[b"loss".to_string(), b"accuracy".to_string()], vector[100]);
    abort 0
}

#[test, expected_failure(abort_code = model::EBadMetric)]
fun metric_without_a_name_is_refused() {
    model::metrics(1, vector[b"".to_string()], vector[100]);
    abort 0
}

#[test, expected_failure]
fun state_hash_of_another_length_is_refused() {
    let (mut scenario, clock) = start();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    model::publish(
        &cap,
        &mut run,
        0,
        HASH,
        HASH,
        x"0102",
        model::metrics(0, vector[], vector[]),
        model::no_privacy(),
        option::none(),
        HASH,
        model::blob(7, HASH, 99),
        scenario.ctx(),
    );
    abort clock.timestamp_ms()
}

#[test]
fun initial_model_needs_no_survivors() {
    let (mut scenario, clock) = start();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    let id = model::publish(
        &cap,
        &mut run,
        0,
        HASH,
        HASH,
        vector[],
        model::metrics(0, vector[], vector[]),
        model::no_privacy(),
        option::none(),
        HASH,
        model::blob(7, HASH, 99),
        scenario.ctx(),
    );
    put_back(&scenario, cap, run);
    scenario.next_tx(BOB);
    let initial = scenario.take_immutable_by_id<model::ModelVersion>(id);
    assert!(initial.epsilon().is_none());
    assert!(initial.data_commitment() == std::hash::sha2_256(vector[]));
    test_scenario::return_immutable(initial);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = model::ENoSuchAttempt)]
fun model_of_an_open_round_is_not_published() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    model::publish(
        &cap,
        &mut run,
        3,
        HASH,
        HASH,
        vector[],
        model::metrics(0, vector[], vector[]),
        model::no_privacy(),
        option::none(),
        HASH,
        model::blob(7, HASH, 99),
        scenario.ctx(),
    );
    abort 0
}

#[test]
fun receipt_goes_to_the_survivor_whoever_pays() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, true);
    put_back(&scenario, cap, run);
    scenario.next_tx(OUTSIDER);
    let mut run = scenario.take_shared<Run>();
    model::issue_receipt(&mut run, 3, ALICE, scenario.ctx());
    test_scenario::return_shared(run);
    scenario.next_tx(ALICE);
    let receipt = scenario.take_from_sender<model::Receipt>();
    assert!(receipt.receipt_attempt() == 3);
    scenario.return_to_sender(receipt);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = model::ENotSurvivor)]
fun receipt_is_for_survivors() {
    let (mut scenario, clock) = start();
    let (_cap, mut run) = frozen(&scenario, &clock, true);
    model::issue_receipt(&mut run, 3, BOB, scenario.ctx());
    abort 0
}

#[test, expected_failure(abort_code = model::EAlreadyIssued)]
fun receipt_is_issued_once() {
    let (mut scenario, clock) = start();
    let (_cap, mut run) = frozen(&scenario, &clock, true);
    model::issue_receipt(&mut run, 3, ALICE, scenario.ctx());
    model::issue_receipt(&mut run, 3, ALICE, scenario.ctx());
    abort 0
}

#[test]
fun unmasking_opens_for_members_and_auditors() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, true);
    put_back(&scenario, cap, run);
    vector[BOB, AUDITOR].do!(|reader| {
        scenario.next_tx(reader);
        let run = scenario.take_shared<Run>();
        policy::test_unmask(name(&run, 3, 6), &run, scenario.ctx());
        test_scenario::return_shared(run);
    });
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun unmasking_is_closed_to_outsiders() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, true);
    put_back(&scenario, cap, run);
    scenario.next_tx(OUTSIDER);
    let run = scenario.take_shared<Run>();
    policy::test_unmask(name(&run, 3, 6), &run, scenario.ctx());
    abort 0
}


#[test, expected_failure(abort_code = run::EAgreed)]
fun agreed_auditor_stays() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::remove_auditor(&cap, &mut run, AUDITOR);
    abort 0
}

/// Added and removed again it would be gone, were it in both lists.
#[test, expected_failure(abort_code = run::EAgreed)]
fun agreed_auditor_is_not_added() {
    let (scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::add_auditor(&cap, &mut run, AUDITOR);
    abort 0
}

#[test]
fun agreed_auditor_is_admitted_after_any_number_of_changes() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::add_auditor(&cap, &mut run, BOB);
    run::remove_auditor(&cap, &mut run, BOB);
    run::revoke(&cap, &mut run, AUDITOR);
    put_back(&scenario, cap, run);
    scenario.next_tx(AUDITOR);
    let run = scenario.take_shared<Run>();
    policy::test_auditor(name(&run, 3, 1), &run, scenario.ctx());
    policy::test_unmask(name(&run, 3, 6), &run, scenario.ctx());
    test_scenario::return_shared(run);
    finish(scenario, clock);
}

/// Three hundred passes of an offer are revoked, one after the other; the last of them is shown, or
/// one that was not.
fun revoke_many(show_revoked: bool) {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let mut offer = scenario.take_shared<access::Offer>();
    300u64.do!(|i| {
        let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
        let pass = access::test_buy(&offer, payment, scenario.ctx());
        access::revoke_pass(&cap, &mut offer, object::id(&pass));
        if (show_revoked && i == 299) policy::test_pass(name(&run, 3, 2), &offer, &pass);
        pass.burn_pass();
    });
    let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
    let pass = access::test_buy(&offer, payment, scenario.ctx());
    policy::test_pass(name(&run, 3, 2), &offer, &pass);
    pass.burn_pass();
    test_scenario::return_shared(offer);
    put_back(&scenario, cap, run);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun the_three_hundredth_revoked_pass_is_denied() {
    revoke_many(true)
}

#[test]
fun pass_beside_three_hundred_revoked_ones_is_admitted() {
    revoke_many(false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun the_three_hundredth_revoked_member_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    299u64.do!(|_| {
        let member = scenario.ctx().fresh_object_address();
        run::revoke(&cap, &mut run, member);
    });
    run::revoke(&cap, &mut run, ALICE);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 3, 0), &run, scenario.ctx());
    abort 0
}

const MODEL: vector<u8> = x"2222222222222222222222222222222222222222222222222222222222222222";
const OTHER_MODEL: vector<u8> = x"3333333333333333333333333333333333333333333333333333333333333333";

fun publish(cap: &RunCap, run: &mut Run, attempt: u64, model_hash: vector<u8>, ctx: &mut TxContext) {
    model::publish(
        cap,
        run,
        attempt,
        HASH,
        model_hash,
        vector[],
        model::metrics(0, vector[], vector[]),
        model::no_privacy(),
        option::none(),
        HASH,
        model::blob(7, HASH, 99),
        ctx,
    );
}

/// Attempts 1, 2 and 4 are on the first model: the first was aborted after its survivors were
/// frozen, the second before. Attempt 4 commits; 5 is on its result. What an abort leaves stays in
/// the list, and nothing is left out of it.
#[test]
fun attempts_on_a_model_are_a_list_without_gaps() {
    let (mut scenario, clock) = start();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    publish(&cap, &mut run, 0, MODEL, scenario.ctx());
    cap.freeze_cohort(&mut run, 1, vector[ALICE, BOB], HASH, HASH, &clock);
    cap.freeze_survivors(&mut run, 1, vector[BOB], HASH, HASH, &clock);
    cap.freeze_cohort(&mut run, 2, vector[ALICE], HASH, HASH, &clock);
    cap.freeze_cohort(&mut run, 4, vector[ALICE, BOB], HASH, HASH, &clock);
    cap.freeze_survivors(&mut run, 4, vector[ALICE], HASH, HASH, &clock);
    publish(&cap, &mut run, 4, OTHER_MODEL, scenario.ctx());
    cap.freeze_cohort(&mut run, 5, vector[OUTSIDER], HASH, HASH, &clock);
    assert!(run.previous(4) == option::some(2));
    assert!(run.previous(2) == option::some(1));
    assert!(run.previous(1).is_none());
    assert!(run.previous(5).is_none());
    assert!(run.survivors(1) == vector[BOB]);
    put_back(&scenario, cap, run);
    finish(scenario, clock);
}

/// A model that did not move is one model, whatever its version is called.
#[test]
fun attempts_on_an_unmoved_model_are_one_list() {
    let (mut scenario, clock) = start();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    publish(&cap, &mut run, 0, MODEL, scenario.ctx());
    cap.freeze_cohort(&mut run, 1, vector[ALICE, BOB], HASH, HASH, &clock);
    cap.freeze_survivors(&mut run, 1, vector[ALICE], HASH, HASH, &clock);
    publish(&cap, &mut run, 1, MODEL, scenario.ctx());
    cap.freeze_cohort(&mut run, 2, vector[BOB], HASH, HASH, &clock);
    assert!(run.previous(2) == option::some(1));
    put_back(&scenario, cap, run);
    finish(scenario, clock);
}

/// The bundle of attempt 3, which `survivors` of Alice and Bob made, and the cohort of an attempt
/// on its model.
fun show_bundle(reader: address, on_its_model: bool, revoked: bool) {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    if (on_its_model) publish(&cap, &mut run, 3, MODEL, scenario.ctx());
    cap.freeze_cohort(&mut run, 5, vector[OUTSIDER], HASH, HASH, &clock);
    cap.freeze_cohort(&mut run, 6, vector[OWNER], HASH, HASH, &clock);
    if (!on_its_model) publish(&cap, &mut run, 3, MODEL, scenario.ctx());
    if (revoked) run::revoke(&cap, &mut run, reader);
    put_back(&scenario, cap, run);
    scenario.next_tx(reader);
    let run = scenario.take_shared<Run>();
    policy::test_unmask(name(&run, 3, 6), &run, scenario.ctx());
    test_scenario::return_shared(run);
    finish(scenario, clock);
}

#[test]
fun bundle_opens_for_the_cohort_after() {
    show_bundle(OUTSIDER, true, false)
}

#[test]
fun bundle_opens_for_every_attempt_after() {
    show_bundle(OWNER, true, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun bundle_stays_closed_to_cohorts_on_another_model() {
    show_bundle(OUTSIDER, false, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun bundle_stays_closed_to_revoked_members_of_the_cohort_after() {
    show_bundle(OUTSIDER, true, true)
}

const KEY: vector<u8> = x"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// SHA-256 over the tag, the draw, the root and what the members put in.
#[test]
fun the_beacon_holds_the_draw_and_what_members_put_in() {
    let (scenario, clock) = start();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    cap.freeze_cohort(&mut run, 3, vector[ALICE], HASH, MODEL, &clock);
    let mut bytes = b"floe/chain-beacon/v1";
    bytes.append(MODEL);
    bytes.append(HASH);
    bytes.append(HASH);
    assert!(run.beacon(3) == std::hash::sha2_256(bytes));
    put_back(&scenario, cap, run);
    finish(scenario, clock);
}

#[test]
fun every_freeze_draws_and_admits_the_owners_of_its_keys() {
    let (mut scenario, clock) = start();
    random::create_for_testing(scenario.ctx());
    scenario.next_tx(OWNER);
    let mut random = scenario.take_shared<Random>();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    random.update_randomness_state_for_testing(1, x"01", scenario.ctx());
    vector[3, 4].do!(|attempt| {
        let ctx = scenario.ctx();
        let keys = vector[KEY];
        run::test_freeze_cohort(&cap, &mut run, attempt, keys, HASH, HASH, &random, &clock, ctx);
    });
    assert!(run.beacon(3) != run.beacon(4));
    // blake2b-256 of the scheme's flag and the key.
    let mut flagged = vector[0];
    flagged.append(KEY);
    let member = sui::address::from_bytes(sui::hash::blake2b256(&flagged));
    assert!(run.is_member(3, member));
    test_scenario::return_shared(random);
    put_back(&scenario, cap, run);
    finish(scenario, clock);
}

#[test, expected_failure(abort_code = run::EBadKey)]
fun cohort_is_of_keys() {
    let (mut scenario, clock) = start();
    random::create_for_testing(scenario.ctx());
    scenario.next_tx(OWNER);
    let random = scenario.take_shared<Random>();
    let cap = scenario.take_from_sender<RunCap>();
    let mut run = scenario.take_shared<Run>();
    let ctx = scenario.ctx();
    run::test_freeze_cohort(&cap, &mut run, 3, vector[x"00"], HASH, HASH, &random, &clock, ctx);
    abort 0
}
