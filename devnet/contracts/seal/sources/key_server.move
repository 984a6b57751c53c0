/// Registered key servers: where a server answers and under which public key identities are
/// encrypted for it.
module seal::key_server;

use std::string::String;
use sui::dynamic_field;

const EKeyType: u64 = 0;
const EPublicKey: u64 = 1;

/// Boneh-Franklin over BLS12-381.
const BONEH_FRANKLIN: u8 = 0;
const G2_BYTES: u64 = 96;

public struct KeyServer has key, store {
    id: UID,
    first_version: u64,
    last_version: u64,
}

public struct PartialKeyServer has copy, drop, store {
    name: String,
    url: String,
    partial_pk: vector<u8>,
    party_id: u16,
}

public enum ServerType has drop, store {
    Independent { url: String },
    Committee { version: u32, threshold: u16, partial_key_servers: vector<PartialKeyServer> },
}

public struct KeyServerV2 has store {
    name: String,
    key_type: u8,
    pk: vector<u8>,
    server_type: ServerType,
}

/// Registers an independent server for whoever calls; the object belongs to them.
public fun create(
    name: String,
    url: String,
    key_type: u8,
    pk: vector<u8>,
    ctx: &mut TxContext,
): KeyServer {
    assert!(key_type == BONEH_FRANKLIN, EKeyType);
    assert!(pk.length() == G2_BYTES, EPublicKey);
    let mut server = KeyServer { id: object::new(ctx), first_version: 2, last_version: 2 };
    let server_type = ServerType::Independent { url };
    dynamic_field::add(&mut server.id, 2u64, KeyServerV2 { name, key_type, pk, server_type });
    server
}

/// Moves a server to another address on the network.
public fun update_url(self: &mut KeyServer, url: String) {
    let server: &mut KeyServerV2 = dynamic_field::borrow_mut(&mut self.id, 2u64);
    server.server_type = ServerType::Independent { url };
}

public fun pk(self: &KeyServer): &vector<u8> {
    let server: &KeyServerV2 = dynamic_field::borrow(&self.id, 2u64);
    &server.pk
}
