/// A list of readers. Whoever is on it may have the keys of everything encrypted under the list's
/// id.
module allowlist::allowlist;

use sui::event;
use sui::table::{Self, Table};

const ENoAccess: u64 = 0;
const EWrongCap: u64 = 1;

public struct List has key {
    id: UID,
    readers: Table<address, bool>,
}

public struct Cap has key, store {
    id: UID,
    list: ID,
}

public struct Added has copy, drop { list: ID, reader: address }

entry fun create(ctx: &mut TxContext) {
    let list = List { id: object::new(ctx), readers: table::new(ctx) };
    let cap = Cap { id: object::new(ctx), list: object::id(&list) };
    transfer::share_object(list);
    transfer::transfer(cap, ctx.sender());
}

public fun add(list: &mut List, cap: &Cap, reader: address) {
    assert!(cap.list == object::id(list), EWrongCap);
    list.readers.add(reader, true);
    event::emit(Added { list: object::id(list), reader });
}

public fun remove(list: &mut List, cap: &Cap, reader: address) {
    assert!(cap.list == object::id(list), EWrongCap);
    list.readers.remove(reader);
}

/// An identity is the list's id followed by anything.
entry fun seal_approve(id: vector<u8>, list: &List, ctx: &TxContext) {
    let prefix = object::id(list).to_bytes();
    assert!(id.length() > prefix.length(), ENoAccess);
    let mut i = 0;
    while (i < prefix.length()) {
        assert!(id[i] == prefix[i], ENoAccess);
        i = i + 1;
    };
    assert!(list.readers.contains(ctx.sender()), ENoAccess);
}
