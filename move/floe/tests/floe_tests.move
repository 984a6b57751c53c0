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

/// Cohort of round 3 is Alice and Bob; with `survivors`, Alice alone survives.
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

fun name(run: &Run, round: u64, role: u8): vector<u8> {
    identity::name(object::id_address(run), round, role)
}

use fun run::freeze_cohort as RunCap.freeze_cohort;
use fun run::freeze_survivors as RunCap.freeze_survivors;

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

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun member_of_another_round_is_denied() {
    let (mut scenario, clock) = start();
    let (cap, run) = frozen(&scenario, &clock, false);
    put_back(&scenario, cap, run);
    scenario.next_tx(ALICE);
    let run = scenario.take_shared<Run>();
    policy::test_cohort(name(&run, 4, 0), &run, scenario.ctx());
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

/// An offer of rounds 3 to 4, Bob's pass of it, and what it is asked for.
fun show_pass(round: u64, revoked: bool) {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let mut offer = scenario.take_shared<access::Offer>();
    let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
    let pass = access::test_buy(&offer, payment, scenario.ctx());
    if (revoked) access::revoke_pass(&cap, &mut offer, object::id(&pass));
    policy::test_pass(name(&run, round, 2), &offer, &pass);
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
fun pass_opens_the_last_round_of_its_offer() {
    show_pass(4, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun pass_opens_no_earlier_round() {
    show_pass(2, false)
}

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun pass_opens_no_later_round() {
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

/// A lock of rounds 3 to 4 that opens at 5000.
fun try_lock(round: u64, now_ms: u64) {
    let (mut scenario, mut clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::add_time_lock(&cap, &mut run, 3, 4, 5_000);
    put_back(&scenario, cap, run);
    scenario.next_tx(OUTSIDER);
    let run = scenario.take_shared<Run>();
    clock.set_for_testing(now_ms);
    policy::test_time(name(&run, round, 4), &run, &clock);
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
fun time_lock_opens_its_rounds_only() {
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
            model::metrics(100, 970_000, 60_000),
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
        model::metrics(0, 0, 0),
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

#[test, expected_failure(abort_code = model::ENoSuchRound)]
fun model_of_an_open_round_is_not_published() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, false);
    model::publish(
        &cap,
        &mut run,
        3,
        HASH,
        HASH,
        model::metrics(0, 0, 0),
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
    assert!(receipt.receipt_round() == 3);
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

#[test, expected_failure(abort_code = policy::ENoAccess)]
fun attack_the_coordinator_removes_an_agreed_auditor() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    run::remove_auditor(&cap, &mut run, AUDITOR);
    put_back(&scenario, cap, run);
    scenario.next_tx(AUDITOR);
    let run = scenario.take_shared<Run>();
    policy::test_auditor(name(&run, 3, 1), &run, scenario.ctx());
    abort 0
}

/// The 257th revocation is refused: whoever buys 256 passes and has them revoked keeps the next one alive.
#[test, expected_failure(abort_code = access::EListFull)]
fun attack_revocations_of_passes_end() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    access::create_offer(&cap, &mut run, OWNER, 70, 30, 500, 3, 4, scenario.ctx());
    scenario.next_tx(OWNER);
    let mut offer = scenario.take_shared<access::Offer>();
    257u64.do!(|_| {
        let payment = coin::mint_for_testing<SUI>(70, scenario.ctx());
        let pass = access::test_buy(&offer, payment, scenario.ctx());
        access::revoke_pass(&cap, &mut offer, object::id(&pass));
        pass.burn_pass();
    });
    abort 0
}

#[test, expected_failure(abort_code = run::EListFull)]
fun attack_revocations_of_members_end() {
    let (mut scenario, clock) = start();
    let (cap, mut run) = frozen(&scenario, &clock, true);
    257u64.do!(|_| {
        let member = scenario.ctx().fresh_object_address();
        run::revoke(&cap, &mut run, member);
    });
    put_back(&scenario, cap, run);
    abort 0
}
