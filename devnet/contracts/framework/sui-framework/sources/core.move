/// Addresses as numbers, bytes and text.
#[defines_primitive(address)]
module sui::address {
    use std::ascii;
    use std::string;
    use sui::hex;

    const EAddressParseError: u64 = 0;

    public use fun sui::object::id_from_address as address.to_id;

    public native fun to_u256(a: address): u256;
    public native fun from_u256(n: u256): address;
    public native fun from_bytes(bytes: vector<u8>): address;

    public fun to_bytes(a: address): vector<u8> {
        std::bcs::to_bytes(&a)
    }

    /// 64 hex digits, without `0x`.
    public fun to_ascii_string(a: address): ascii::String {
        hex::encode(to_bytes(a)).to_ascii_string()
    }

    public fun to_string(a: address): string::String {
        string::from_ascii(to_ascii_string(a))
    }

    public fun from_ascii_bytes(bytes: &vector<u8>): address {
        assert!(bytes.length() == 64, EAddressParseError);
        from_bytes(hex::decode(*bytes))
    }

    public fun length(): u64 {
        32
    }

    public fun max(): u256 {
        0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF
    }
}

/// Identity of objects.
module sui::object {
    use sui::address;
    use sui::tx_context;

    const ENotSystemAddress: u64 = 0;

    public use fun id_to_address as ID.to_address;
    public use fun id_to_bytes as ID.to_bytes;
    public use fun uid_as_inner as UID.as_inner;
    public use fun uid_to_inner as UID.to_inner;
    public use fun uid_to_address as UID.to_address;
    public use fun uid_to_bytes as UID.to_bytes;

    /// A reference to an object, free to copy.
    public struct ID has copy, drop, store { bytes: address }

    /// The identity of an object: one alive for each id.
    public struct UID has store { id: ID }

    public fun id_to_bytes(id: &ID): vector<u8> {
        std::bcs::to_bytes(&id.bytes)
    }

    public fun id_to_address(id: &ID): address {
        id.bytes
    }

    public fun id_from_bytes(bytes: vector<u8>): ID {
        ID { bytes: address::from_bytes(bytes) }
    }

    public fun id_from_address(bytes: address): ID {
        ID { bytes }
    }

    public fun uid_as_inner(uid: &UID): &ID {
        &uid.id
    }

    public fun uid_to_inner(uid: &UID): ID {
        uid.id
    }

    public fun uid_to_bytes(uid: &UID): vector<u8> {
        std::bcs::to_bytes(&uid.id.bytes)
    }

    public fun uid_to_address(uid: &UID): address {
        uid.id.bytes
    }

    public fun new(ctx: &mut TxContext): UID {
        UID { id: ID { bytes: tx_context::fresh_object_address(ctx) } }
    }

    public fun delete(id: UID) {
        let UID { id: ID { bytes } } = id;
        delete_impl(bytes)
    }

    public fun id<T: key>(obj: &T): ID {
        borrow_uid(obj).id
    }

    public fun borrow_id<T: key>(obj: &T): &ID {
        &borrow_uid(obj).id
    }

    public fun id_bytes<T: key>(obj: &T): vector<u8> {
        std::bcs::to_bytes(&borrow_uid(obj).id)
    }

    public fun id_address<T: key>(obj: &T): address {
        borrow_uid(obj).id.bytes
    }

    native fun borrow_uid<T: key>(obj: &T): &UID;

    /// An identity derived from a hash, for dynamic fields.
    public(package) fun new_uid_from_hash(bytes: address): UID {
        record_new_uid(bytes);
        UID { id: ID { bytes } }
    }

    /// The clock of the chain, at 0x6; called by the chain itself.
    #[allow(unused_function)]
    fun sui_clock_object_id(): UID {
        UID { id: ID { bytes: @0x6 } }
    }

    public(package) fun clock(): UID {
        UID { id: ID { bytes: @0x6 } }
    }

    native fun delete_impl(id: address);
    native fun record_new_uid(id: address);

    #[test_only]
    public fun last_created(ctx: &TxContext): ID {
        ID { bytes: tx_context::last_created_object_id(ctx) }
    }
}

/// What a transaction knows of itself.
module sui::tx_context {
    #[test_only]
    const ENoIDsCreated: u64 = 1;

    #[allow(unused_field)]
    public struct TxContext has drop {
        sender: address,
        tx_hash: vector<u8>,
        epoch: u64,
        epoch_timestamp_ms: u64,
        ids_created: u64,
    }

    public fun sender(_self: &TxContext): address {
        native_sender()
    }

    public fun digest(self: &TxContext): &vector<u8> {
        &self.tx_hash
    }

    public fun epoch(_self: &TxContext): u64 {
        native_epoch()
    }

    public fun epoch_timestamp_ms(_self: &TxContext): u64 {
        native_epoch_timestamp_ms()
    }

    public fun sponsor(_self: &TxContext): Option<address> {
        let mut sponsor = native_sponsor();
        if (sponsor.is_empty()) option::none() else option::some(sponsor.pop_back())
    }

    public fun fresh_object_address(_ctx: &mut TxContext): address {
        fresh_id()
    }

    public fun reference_gas_price(_self: &TxContext): u64 {
        native_rgp()
    }

    public fun gas_price(_self: &TxContext): u64 {
        native_gas_price()
    }

    native fun native_sender(): address;
    native fun native_epoch(): u64;
    native fun native_epoch_timestamp_ms(): u64;
    native fun native_rgp(): u64;
    native fun native_gas_price(): u64;
    native fun native_gas_budget(): u64;
    native fun native_ids_created(): u64;
    native fun native_sponsor(): vector<address>;
    native fun fresh_id(): address;
    native fun derive_id(tx_hash: vector<u8>, ids_created: u64): address;

    #[allow(unused_function)]
    fun gas_budget(_self: &TxContext): u64 {
        native_gas_budget()
    }

    #[test_only]
    native fun replace(
        sender: address,
        tx_hash: vector<u8>,
        epoch: u64,
        epoch_timestamp_ms: u64,
        ids_created: u64,
        rgp: u64,
        gas_price: u64,
        gas_budget: u64,
        sponsor: vector<address>,
    );
    #[test_only]
    native fun last_created_id(): address;

    /// A context of a transaction with this number.
    #[test_only]
    public fun new_from_hint(
        sender: address,
        hint: u64,
        epoch: u64,
        epoch_timestamp_ms: u64,
        ids_created: u64,
    ): TxContext {
        let mut tx_hash = std::bcs::to_bytes(&hint);
        while (tx_hash.length() < 32) tx_hash.push_back(0);
        replace(sender, tx_hash, epoch, epoch_timestamp_ms, ids_created, 0, 0, 0, vector[]);
        TxContext { sender, tx_hash, epoch, epoch_timestamp_ms, ids_created }
    }

    #[test_only]
    public fun dummy(): TxContext {
        new_from_hint(@0x0, 0, 0, 0, 0)
    }

    #[test_only]
    public fun get_ids_created(_self: &TxContext): u64 {
        native_ids_created()
    }

    #[test_only]
    public fun last_created_object_id(_self: &TxContext): address {
        assert!(native_ids_created() > 0, ENoIDsCreated);
        last_created_id()
    }

    #[test_only]
    public fun increment_epoch_number(self: &mut TxContext) {
        let TxContext { sender, tx_hash, epoch, epoch_timestamp_ms, ids_created: _ } = self;
        *epoch = *epoch + 1;
        replace(*sender, *tx_hash, *epoch, *epoch_timestamp_ms, native_ids_created(), 0, 0, 0, vector[]);
    }

    #[test_only]
    public fun increment_epoch_timestamp(self: &mut TxContext, delta_ms: u64) {
        let TxContext { sender, tx_hash, epoch, epoch_timestamp_ms, ids_created: _ } = self;
        *epoch_timestamp_ms = *epoch_timestamp_ms + delta_ms;
        replace(*sender, *tx_hash, *epoch, *epoch_timestamp_ms, native_ids_created(), 0, 0, 0, vector[]);
    }

    #[test_only]
    #[allow(unused_function)]
    fun derive(tx_hash: vector<u8>, ids_created: u64): address {
        derive_id(tx_hash, ids_created)
    }
}

/// Owners of objects.
module sui::transfer {
    #[allow(unused_const)]
    const ESharedNonNewObject: u64 = 0;
    #[allow(unused_const)]
    const EReceivingObjectTypeMismatch: u64 = 2;
    #[allow(unused_const)]
    const EUnableToReceiveObject: u64 = 3;

    /// The right to receive an object that was sent to another object.
    public struct Receiving<phantom T: key> has drop { id: sui::object::ID, version: u64 }

    public fun transfer<T: key>(obj: T, recipient: address) {
        transfer_impl(obj, recipient)
    }

    public fun public_transfer<T: key + store>(obj: T, recipient: address) {
        transfer_impl(obj, recipient)
    }

    public fun freeze_object<T: key>(obj: T) {
        freeze_object_impl(obj)
    }

    public fun public_freeze_object<T: key + store>(obj: T) {
        freeze_object_impl(obj)
    }

    public fun share_object<T: key>(obj: T) {
        share_object_impl(obj)
    }

    public fun public_share_object<T: key + store>(obj: T) {
        share_object_impl(obj)
    }

    public fun receive<T: key>(parent: &mut sui::object::UID, to_receive: Receiving<T>): T {
        let Receiving { id, version } = to_receive;
        receive_impl(parent.to_address(), id, version)
    }

    public fun public_receive<T: key + store>(
        parent: &mut sui::object::UID,
        to_receive: Receiving<T>,
    ): T {
        let Receiving { id, version } = to_receive;
        receive_impl(parent.to_address(), id, version)
    }

    public fun receiving_object_id<T: key>(receiving: &Receiving<T>): sui::object::ID {
        receiving.id
    }

    public(package) native fun transfer_impl<T: key>(obj: T, recipient: address);
    public(package) native fun freeze_object_impl<T: key>(obj: T);
    public(package) native fun share_object_impl<T: key>(obj: T);
    native fun receive_impl<T: key>(parent: address, to_receive: sui::object::ID, version: u64): T;

    #[test_only]
    public fun make_receiver<T: key>(id: sui::object::ID, version: u64): Receiving<T> {
        Receiving { id, version }
    }
}

/// Things that happened, for those who watch.
module sui::event {
    public native fun emit<T: copy + drop>(event: T);

    #[test_only]
    public native fun num_events(): u32;
    #[test_only]
    public native fun events_by_type<T: copy + drop>(): vector<T>;
}

/// Facts about types.
module sui::types {
    /// Whether the value is the witness that `init` of its module is given once.
    public native fun is_one_time_witness<T: drop>(_: &T): bool;
}
