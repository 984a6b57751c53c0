/// Paid space on the storage nodes, in encoded bytes, from one epoch to before another.
module walrus::storage_resource;

const EEmptyPeriod: u64 = 0;

public struct Storage has key, store {
    id: UID,
    start_epoch: u32,
    end_epoch: u32,
    storage_size: u64,
}

public(package) fun new(
    start_epoch: u32,
    end_epoch: u32,
    storage_size: u64,
    ctx: &mut TxContext,
): Storage {
    assert!(start_epoch < end_epoch, EEmptyPeriod);
    Storage { id: object::new(ctx), start_epoch, end_epoch, storage_size }
}

public(package) fun extend(self: &mut Storage, epochs: u32) {
    self.end_epoch = self.end_epoch + epochs;
}

public fun start_epoch(self: &Storage): u32 { self.start_epoch }

public fun end_epoch(self: &Storage): u32 { self.end_epoch }

public fun size(self: &Storage): u64 { self.storage_size }
