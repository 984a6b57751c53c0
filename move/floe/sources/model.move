/// Versions of the model, each an immutable object that names its parent, and receipts of those who
/// contributed.
module floe::model;

use floe::run::{Run, RunCap};
use std::string::String;
use sui::dynamic_field;
use sui::event;

const ENoSuchAttempt: u64 = 20;
const EAlreadyPublished: u64 = 21;
const ENotSurvivor: u64 = 22;
const EAlreadyIssued: u64 = 23;
const EBadMetric: u64 = 24;
const EBadPrivacy: u64 = 25;

const MAX_METRICS: u64 = 64;
const MAX_NAME: u64 = 60;
/// The Merkle root of no leaves, SHA-256 of nothing: no data made the initial model.
const NO_DATA: vector<u8> = x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a round made. Numbers are scaled: metrics and epsilon by 10^6, delta by 10^12.
public struct ModelVersion has key {
    id: UID,
    run: ID,
    attempt: u64,
    architecture_hash: vector<u8>,
    /// Of the parameters in clear.
    model_hash: vector<u8>,
    /// Of what the strategy of the run carries from round to round; empty where it carries nothing.
    state_hash: vector<u8>,
    /// As it was frozen with the survivors: Merkle root over the records of the uploads that this
    /// model is made of.
    data_commitment: vector<u8>,
    metrics: Metrics,
    privacy: Privacy,
    parent: Option<ID>,
    /// Merkle root over all records of the attempt.
    transcript_root: vector<u8>,
    blob: Blob,
}

/// What the participants measured, by the names that the run's specification declares.
public struct Metrics has copy, drop, store { examples: u64, named: vector<Metric> }

public struct Metric has copy, drop, store { name: String, value: u64 }

/// `None` distinguishes the absence of differential privacy from epsilon 0. `Skellam`: each
/// participant adds its part of the noise. `Central`: the coordinator sees single updates and adds
/// the noise, so that epsilon holds against readers of the models alone. `Ftrl`: as Skellam, and
/// the noise of a round cancels part of that of earlier rounds.
public enum Privacy has copy, drop, store {
    None,
    Gaussian { epsilon: u64, delta: u64 },
    Skellam { epsilon: u64, delta: u64 },
    Central { epsilon: u64, delta: u64 },
    Ftrl { epsilon: u64, delta: u64 },
}

/// Where the encrypted weights are: id on Walrus, hash and length of the ciphertext.
public struct Blob has copy, drop, store { blob_id: u256, sha256: vector<u8>, size: u64 }

/// Cannot be given away: its owner's update is one of those that the data commitment of the attempt
/// stands for. How much it weighed nobody knows where updates are masked.
public struct Receipt has key {
    id: UID,
    run: ID,
    attempt: u64,
    member: address,
    data_commitment: vector<u8>,
}

public struct PublishedKey(u64) has copy, drop, store;

public struct ReceiptKey(u64, address) has copy, drop, store;

public struct ModelPublished has copy, drop { run: ID, attempt: u64, model: ID, blob_id: u256 }

public struct ReceiptIssued has copy, drop { run: ID, attempt: u64, member: address, receipt: ID }

/// Names of 1 to 60 bytes, at most 64, each with its value in millionths.
public fun metrics(examples: u64, names: vector<String>, values: vector<u64>): Metrics {
    let count = names.length();
    assert!(count == values.length() && count <= MAX_METRICS, EBadMetric);
    let mut named = vector[];
    let mut i = 0;
    while (i < count) {
        let name = names[i];
        assert!(name.length() > 0 && name.length() <= MAX_NAME, EBadMetric);
        named.push_back(Metric { name, value: values[i] });
        i = i + 1;
    };
    Metrics { examples, named }
}

public fun no_privacy(): Privacy {
    Privacy::None
}

public fun gaussian(epsilon: u64, delta: u64): Privacy {
    Privacy::Gaussian { epsilon, delta }
}

public fun skellam(epsilon: u64, delta: u64): Privacy {
    Privacy::Skellam { epsilon, delta }
}

public fun central(epsilon: u64, delta: u64): Privacy {
    Privacy::Central { epsilon, delta }
}

public fun ftrl(epsilon: u64, delta: u64): Privacy {
    Privacy::Ftrl { epsilon, delta }
}

/// By number, as the variants are ordered. Without a mechanism there is no epsilon and no delta.
fun privacy_of(mechanism: u8, epsilon: u64, delta: u64): Privacy {
    assert!(mechanism <= 4, EBadPrivacy);
    if (mechanism == 0) {
        assert!(epsilon == 0 && delta == 0, EBadPrivacy);
        return no_privacy()
    };
    if (mechanism == 1) return gaussian(epsilon, delta);
    if (mechanism == 2) return skellam(epsilon, delta);
    if (mechanism == 3) return central(epsilon, delta);
    ftrl(epsilon, delta)
}

public fun blob(blob_id: u256, sha256: vector<u8>, size: u64): Blob {
    floe::run::check_hash(&sha256);
    Blob { blob_id, sha256, size }
}

/// Publishes the model of an attempt whose survivors are frozen, once. Attempt 0 is the initial
/// model, which nobody trained.
public fun publish(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    architecture_hash: vector<u8>,
    model_hash: vector<u8>,
    state_hash: vector<u8>,
    metrics: Metrics,
    privacy: Privacy,
    parent: Option<ID>,
    transcript_root: vector<u8>,
    blob: Blob,
    ctx: &mut TxContext,
): ID {
    floe::run::check(cap, run);
    floe::run::check_hash(&architecture_hash);
    floe::run::check_hash(&model_hash);
    if (!state_hash.is_empty()) floe::run::check_hash(&state_hash);
    floe::run::check_hash(&transcript_root);
    assert!(attempt == 0 || run.survivors_frozen(attempt), ENoSuchAttempt);
    let data_commitment = if (attempt == 0) NO_DATA else run.data_commitment(attempt);
    let run_id = object::id(run);
    let uid = floe::run::uid_mut(run);
    assert!(!dynamic_field::exists_(uid, PublishedKey(attempt)), EAlreadyPublished);
    let model = ModelVersion {
        id: object::new(ctx),
        run: run_id,
        attempt,
        architecture_hash,
        model_hash,
        state_hash,
        data_commitment,
        metrics,
        privacy,
        parent,
        transcript_root,
        blob,
    };
    let id = object::id(&model);
    dynamic_field::add(uid, PublishedKey(attempt), id);
    run.note_model(attempt, model_hash);
    event::emit(ModelPublished { run: run_id, attempt, model: id, blob_id: blob.blob_id });
    transfer::freeze_object(model);
    id
}

/// Publishes with plain arguments, for a transaction of one command. `mechanism`: 0 none, 1
/// Gaussian, 2 Skellam, 3 central, 4 DP-FTRL.
entry fun publish_version(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    architecture_hash: vector<u8>,
    model_hash: vector<u8>,
    state_hash: vector<u8>,
    examples: u64,
    names: vector<String>,
    values: vector<u64>,
    mechanism: u8,
    epsilon: u64,
    delta: u64,
    parent: Option<ID>,
    transcript_root: vector<u8>,
    blob_id: u256,
    blob_sha256: vector<u8>,
    blob_size: u64,
    ctx: &mut TxContext,
) {
    let privacy = privacy_of(mechanism, epsilon, delta);
    publish(
        cap,
        run,
        attempt,
        architecture_hash,
        model_hash,
        state_hash,
        metrics(examples, names, values),
        privacy,
        parent,
        transcript_root,
        blob(blob_id, blob_sha256, blob_size),
        ctx,
    );
}

/// Gives a survivor of an attempt its receipt, once. What it says is on chain already, so anybody
/// may pay for it.
public fun issue_receipt(run: &mut Run, attempt: u64, member: address, ctx: &mut TxContext) {
    floe::run::check_version(run);
    assert!(run.is_survivor(attempt, member), ENotSurvivor);
    let data_commitment = run.data_commitment(attempt);
    let run_id = object::id(run);
    let uid = floe::run::uid_mut(run);
    let key = ReceiptKey(attempt, member);
    assert!(!dynamic_field::exists_(uid, key), EAlreadyIssued);
    let receipt = Receipt { id: object::new(ctx), run: run_id, attempt, member, data_commitment };
    let id = object::id(&receipt);
    dynamic_field::add(uid, key, id);
    event::emit(ReceiptIssued { run: run_id, attempt, member, receipt: id });
    transfer::transfer(receipt, member)
}

public fun run(model: &ModelVersion): ID {
    model.run
}

public fun parent(model: &ModelVersion): Option<ID> {
    model.parent
}

public fun data_commitment(model: &ModelVersion): vector<u8> {
    model.data_commitment
}

public fun receipt_attempt(receipt: &Receipt): u64 {
    receipt.attempt
}

/// Epsilon in millionths; none without differential privacy.
public fun epsilon(model: &ModelVersion): Option<u64> {
    match (&model.privacy) {
        Privacy::None => option::none(),
        Privacy::Gaussian { epsilon, delta: _ } => option::some(*epsilon),
        Privacy::Skellam { epsilon, delta: _ } => option::some(*epsilon),
        Privacy::Central { epsilon, delta: _ } => option::some(*epsilon),
        Privacy::Ftrl { epsilon, delta: _ } => option::some(*epsilon),
    }
}

#[test_only]
public fun test_publish(
    cap: &RunCap,
    run: &mut Run,
    attempt: u64,
    architecture: vector<u8>,
    weights: vector<u8>,
    state: vector<u8>,
    examples: u64,
    names: vector<String>,
    values: vector<u64>,
    mechanism: u8,
    epsilon: u64,
    delta: u64,
    parent: Option<ID>,
    root: vector<u8>,
    blob_id: u256,
    cipher: vector<u8>,
    size: u64,
    ctx: &mut TxContext,
) {
    publish_version(
        cap,
        run,
        attempt,
        architecture,
        weights,
        state,
        examples,
        names,
        values,
        mechanism,
        epsilon,
        delta,
        parent,
        root,
        blob_id,
        cipher,
        size,
        ctx,
    )
}
