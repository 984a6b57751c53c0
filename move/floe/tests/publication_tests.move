/// A run is published once for each attempt, by its owner, after the survivors are frozen.
#[test_only]
module floe::publication_tests;

use floe::publication;
use floe::run::{Self, Run, RunCap};
use sui::clock::{Self, Clock};
use sui::test_scenario::{Self, Scenario};

const OWNER: address = @0xA;
const ALICE: address = @0xA1;
const HASH: vector<u8> = x"1111111111111111111111111111111111111111111111111111111111111111";

fun start(): (Scenario, Clock, RunCap, Run) {
    let mut scenario = test_scenario::begin(OWNER);
    let clock = clock::create_for_testing(scenario.ctx());
    let cap = run::create(b"run".to_string(), HASH, ALICE, vector[], scenario.ctx());
    scenario.next_tx(OWNER);
    let mut run = scenario.take_shared<Run>();
    run::test_freeze(&cap, &mut run, 3, vector[ALICE], HASH, HASH, &clock);
    (scenario, clock, cap, run)
}

fun finish(scenario: Scenario, clock: Clock, cap: RunCap, run: Run) {
    run::keep(cap, OWNER);
    test_scenario::return_shared(run);
    clock.destroy_for_testing();
    scenario.end();
}

#[test]
#[expected_failure(abort_code = 70, location = floe::publication)]
fun a_round_is_published_once() {
    let (scenario, clock, cap, mut run) = start();
    run::freeze_survivors(&cap, &mut run, 3, vector[ALICE], HASH, HASH, &clock);
    publication::publish(&cap, &mut run, 3, 7, HASH, 100);
    publication::publish(&cap, &mut run, 3, 8, HASH, 100);
    finish(scenario, clock, cap, run);
}

#[test]
#[expected_failure(abort_code = 71, location = floe::publication)]
fun not_before_its_survivors_are_frozen() {
    let (scenario, clock, cap, mut run) = start();
    publication::publish(&cap, &mut run, 3, 7, HASH, 100);
    finish(scenario, clock, cap, run);
}

#[test]
#[expected_failure(abort_code = 1, location = floe::run)]
fun not_by_the_owner_of_another_run() {
    let (scenario, clock, cap, mut run) = start();
    let mut scenario = scenario;
    let other = run::create(b"other".to_string(), HASH, ALICE, vector[], scenario.ctx());
    run::freeze_survivors(&cap, &mut run, 3, vector[ALICE], HASH, HASH, &clock);
    publication::publish(&other, &mut run, 3, 7, HASH, 100);
    run::keep(other, OWNER);
    finish(scenario, clock, cap, run);
}
