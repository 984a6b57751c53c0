/// A blob's place on the chain: what was registered, what the storage nodes certified, until when.
module walrus::blob;

use std::bcs;
use std::string::String;
use sui::dynamic_field;
use sui::hash;
use walrus::events;
use walrus::metadata::Metadata;
use walrus::storage_resource::Storage;

const ENotCertified: u64 = 0;
const EExpired: u64 = 1;
const EPeriod: u64 = 2;
const EResourceSize: u64 = 3;
const EAlreadyCertified: u64 = 5;
const EInvalidBlobId: u64 = 6;
const ENotDeletable: u64 = 8;
const EWrongDeletable: u64 = 9;
const EWrongObject: u64 = 10;
const EUnknownEncoding: u64 = 11;

/// Reed-Solomon RedStuff, the one encoding that is accepted.
const RS2: u8 = 1;
const METADATA: vector<u8> = b"metadata";

public struct Blob has key, store {
    id: UID,
    registered_epoch: u32,
    blob_id: u256,
    size: u64,
    encoding_type: u8,
    certified_epoch: Option<u32>,
    storage: Storage,
    deletable: bool,
}

/// blake2b256 of encoding type, size and root of the Merkle tree over the sliver pairs.
public fun derive_blob_id(root_hash: u256, encoding_type: u8, size: u64): vector<u8> {
    let mut bytes = vector[encoding_type];
    bytes.append(bcs::to_bytes(&size));
    bytes.append(bcs::to_bytes(&root_hash));
    hash::blake2b256(&bytes)
}

/// Encoded bytes of a blob of `size` bytes on `n_shards` shards, metadata of every node included.
public fun encoded_length(size: u64, n_shards: u16): u64 {
    let n = n_shards as u64;
    let faulty = (n - 1) / 3;
    let primary = n - 2 * faulty;
    let secondary = n - faulty;
    let source_symbols = primary * secondary;
    let length = if (size == 0) { 1 } else { size };
    let mut symbol = (length - 1) / source_symbols + 1;
    if (symbol % 2 == 1) { symbol = symbol + 1 };
    (primary + secondary) * symbol * n + n * (n * 64 + 32)
}

public(package) fun new(
    storage: Storage,
    blob_id: u256,
    root_hash: u256,
    size: u64,
    encoding_type: u8,
    deletable: bool,
    epoch: u32,
    n_shards: u16,
    ctx: &mut TxContext,
): Blob {
    let id = object::new(ctx);
    assert!(encoding_type == RS2, EUnknownEncoding);
    assert!(storage.start_epoch() <= epoch && epoch < storage.end_epoch(), EPeriod);
    assert!(encoded_length(size, n_shards) <= storage.size(), EResourceSize);
    assert!(derive_blob_id(root_hash, encoding_type, size) == bcs::to_bytes(&blob_id), EInvalidBlobId);
    events::registered(
        epoch,
        blob_id,
        size,
        encoding_type,
        storage.end_epoch(),
        deletable,
        id.to_inner(),
    );
    Blob {
        id,
        registered_epoch: epoch,
        blob_id,
        size,
        encoding_type,
        certified_epoch: option::none(),
        storage,
        deletable,
    }
}

/// `object` is none for a certificate of a permanent blob.
public(package) fun certify(self: &mut Blob, blob_id: u256, object: Option<address>, epoch: u32) {
    assert!(self.blob_id == blob_id, EInvalidBlobId);
    assert!(self.certified_epoch.is_none(), EAlreadyCertified);
    assert!(epoch < self.storage.end_epoch(), EExpired);
    assert!(self.deletable == object.is_some(), EWrongDeletable);
    let object_id = self.id.to_inner();
    if (object.is_some()) {
        assert!(*object.borrow() == object_id.to_address(), EWrongObject);
    };
    self.certified_epoch = option::some(epoch);
    events::certified(epoch, blob_id, self.storage.end_epoch(), self.deletable, object_id, false);
}

public(package) fun extend(self: &mut Blob, epochs: u32, epoch: u32) {
    assert!(self.certified_epoch.is_some(), ENotCertified);
    assert!(epoch < self.storage.end_epoch(), EExpired);
    self.storage.extend(epochs);
    events::certified(
        epoch,
        self.blob_id,
        self.storage.end_epoch(),
        self.deletable,
        self.id.to_inner(),
        true,
    );
}

/// Gives the space back; only a deletable blob that has not run out.
public(package) fun delete(self: Blob, epoch: u32): Storage {
    let Blob { mut id, storage, deletable, blob_id, certified_epoch, .. } = self;
    assert!(deletable, ENotDeletable);
    assert!(epoch < storage.end_epoch(), EExpired);
    if (dynamic_field::exists_(&id, METADATA)) {
        let _: Metadata = dynamic_field::remove(&mut id, METADATA);
    };
    events::deleted(
        epoch,
        blob_id,
        storage.end_epoch(),
        id.to_inner(),
        certified_epoch.is_some(),
    );
    id.delete();
    storage
}

public fun add_metadata(self: &mut Blob, metadata: Metadata) {
    dynamic_field::add(&mut self.id, METADATA, metadata)
}

public fun insert_or_update_metadata_pair(self: &mut Blob, key: String, value: String) {
    let metadata: &mut Metadata = dynamic_field::borrow_mut(&mut self.id, METADATA);
    metadata.insert_or_update(key, value);
}

public fun remove_metadata_pair(self: &mut Blob, key: &String): (String, String) {
    let metadata: &mut Metadata = dynamic_field::borrow_mut(&mut self.id, METADATA);
    metadata.remove(key)
}

public fun blob_id(self: &Blob): u256 { self.blob_id }

public fun object_id(self: &Blob): ID { self.id.to_inner() }

public fun size(self: &Blob): u64 { self.size }

public fun is_deletable(self: &Blob): bool { self.deletable }

public fun certified_epoch(self: &Blob): &Option<u32> { &self.certified_epoch }

public fun registered_epoch(self: &Blob): u32 { self.registered_epoch }

public fun end_epoch(self: &Blob): u32 { self.storage.end_epoch() }

public fun storage(self: &Blob): &Storage { &self.storage }
