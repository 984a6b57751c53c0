/// The names under which Seal keeps keys: [object 32][attempt 8, little endian][role 1][nonce 16],
/// 57 bytes, no more, no less. The object is the run, so that a model is sealed before anything
/// that opens it is offered. The role says which policy decides; one key for two audiences is
/// sealed under two names.
module floe::identity;

use sui::bcs;

const LENGTH: u64 = 57;
const NONCE: u64 = 16;

const COHORT: u8 = 0;
const AUDITOR: u8 = 1;
const PASS: u8 = 2;
const SUBSCRIPTION: u8 = 3;
const TIME: u8 = 4;
const COMPUTE: u8 = 5;
const UNMASK: u8 = 6;

/// The bytes are not a name of this object and role.
const EBadIdentity: u64 = 100;

public(package) fun cohort(): u8 { COHORT }

public(package) fun auditor(): u8 { AUDITOR }

public(package) fun pass(): u8 { PASS }

public(package) fun subscription(): u8 { SUBSCRIPTION }

public(package) fun time(): u8 { TIME }

public(package) fun compute(): u8 { COMPUTE }

public(package) fun unmask(): u8 { UNMASK }

/// Checks length, object and role; returns the attempt.
public(package) fun check(id: vector<u8>, object: address, role: u8): u64 {
    assert!(id.length() == LENGTH, EBadIdentity);
    let mut reader = bcs::new(id);
    assert!(reader.peel_address() == object, EBadIdentity);
    let attempt = reader.peel_u64();
    assert!(reader.peel_u8() == role, EBadIdentity);
    assert!(reader.into_remainder_bytes().length() == NONCE, EBadIdentity);
    attempt
}

#[test_only]
public fun name(object: address, attempt: u64, role: u8): vector<u8> {
    let mut id = bcs::to_bytes(&object);
    id.append(bcs::to_bytes(&attempt));
    id.push_back(role);
    id.append(x"000102030405060708090a0b0c0d0e0f");
    id
}
