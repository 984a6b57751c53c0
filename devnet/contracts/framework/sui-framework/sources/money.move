/// The chain's time, at 0x6.
module sui::clock {
    use sui::object;

    public struct Clock has key { id: UID, timestamp_ms: u64 }

    public fun timestamp_ms(clock: &Clock): u64 {
        clock.timestamp_ms
    }

    #[test_only]
    public fun create_for_testing(ctx: &mut TxContext): Clock {
        Clock { id: object::new(ctx), timestamp_ms: 0 }
    }

    #[test_only]
    public fun share_for_testing(clock: Clock) {
        sui::transfer::share_object(clock)
    }

    #[test_only]
    public fun increment_for_testing(clock: &mut Clock, tick: u64) {
        clock.timestamp_ms = clock.timestamp_ms + tick;
    }

    #[test_only]
    public fun set_for_testing(clock: &mut Clock, timestamp_ms: u64) {
        assert!(timestamp_ms >= clock.timestamp_ms);
        clock.timestamp_ms = timestamp_ms;
    }

    #[test_only]
    public fun destroy_for_testing(clock: Clock) {
        let Clock { id, timestamp_ms: _ } = clock;
        id.delete();
    }
}

/// Amounts that can only be split, joined and, with the right, made.
module sui::balance {
    const ENonZero: u64 = 0;
    const EOverflow: u64 = 1;
    const ENotEnough: u64 = 2;

    public struct Supply<phantom T> has store { value: u64 }

    public struct Balance<phantom T> has store { value: u64 }

    public fun value<T>(self: &Balance<T>): u64 {
        self.value
    }

    public fun supply_value<T>(supply: &Supply<T>): u64 {
        supply.value
    }

    /// `T`'s module makes its witness, so only it can do this.
    public fun create_supply<T: drop>(_: T): Supply<T> {
        Supply { value: 0 }
    }

    public fun increase_supply<T>(self: &mut Supply<T>, value: u64): Balance<T> {
        assert!(value < 18446744073709551615u64 - self.value, EOverflow);
        self.value = self.value + value;
        Balance { value }
    }

    public fun decrease_supply<T>(self: &mut Supply<T>, balance: Balance<T>): u64 {
        let Balance { value } = balance;
        assert!(self.value >= value, EOverflow);
        self.value = self.value - value;
        value
    }

    public fun zero<T>(): Balance<T> {
        Balance { value: 0 }
    }

    public fun join<T>(self: &mut Balance<T>, balance: Balance<T>): u64 {
        let Balance { value } = balance;
        self.value = self.value + value;
        self.value
    }

    public fun split<T>(self: &mut Balance<T>, value: u64): Balance<T> {
        assert!(self.value >= value, ENotEnough);
        self.value = self.value - value;
        Balance { value }
    }

    public fun withdraw_all<T>(self: &mut Balance<T>): Balance<T> {
        let value = self.value;
        split(self, value)
    }

    public fun destroy_zero<T>(balance: Balance<T>) {
        assert!(balance.value == 0, ENonZero);
        let Balance { value: _ } = balance;
    }

    public(package) fun destroy_supply<T>(self: Supply<T>): u64 {
        let Supply { value } = self;
        value
    }

    #[test_only]
    public fun create_for_testing<T>(value: u64): Balance<T> {
        Balance { value }
    }

    #[test_only]
    public fun destroy_for_testing<T>(self: Balance<T>): u64 {
        let Balance { value } = self;
        value
    }
}

/// Amounts as objects, and the right to make them.
module sui::coin {
    use std::ascii;
    use std::string;
    use sui::balance::{Self, Balance, Supply};
    use sui::object;
    use sui::url::Url;

    const EBadWitness: u64 = 0;
    const EInvalidArg: u64 = 1;
    const ENotEnough: u64 = 2;

    public struct Coin<phantom T> has key, store { id: UID, balance: Balance<T> }

    public struct CoinMetadata<phantom T> has key, store {
        id: UID,
        decimals: u8,
        name: string::String,
        symbol: ascii::String,
        description: string::String,
        icon_url: Option<Url>,
    }

    public struct TreasuryCap<phantom T> has key, store { id: UID, total_supply: Supply<T> }

    public fun total_supply<T>(cap: &TreasuryCap<T>): u64 {
        cap.total_supply.supply_value()
    }

    public fun treasury_into_supply<T>(treasury: TreasuryCap<T>): Supply<T> {
        let TreasuryCap { id, total_supply } = treasury;
        id.delete();
        total_supply
    }

    public fun supply_immut<T>(treasury: &TreasuryCap<T>): &Supply<T> {
        &treasury.total_supply
    }

    public fun supply_mut<T>(treasury: &mut TreasuryCap<T>): &mut Supply<T> {
        &mut treasury.total_supply
    }

    public fun value<T>(self: &Coin<T>): u64 {
        self.balance.value()
    }

    public fun balance<T>(coin: &Coin<T>): &Balance<T> {
        &coin.balance
    }

    public fun balance_mut<T>(coin: &mut Coin<T>): &mut Balance<T> {
        &mut coin.balance
    }

    public fun from_balance<T>(balance: Balance<T>, ctx: &mut TxContext): Coin<T> {
        Coin { id: object::new(ctx), balance }
    }

    public fun into_balance<T>(coin: Coin<T>): Balance<T> {
        let Coin { id, balance } = coin;
        id.delete();
        balance
    }

    public fun take<T>(balance: &mut Balance<T>, value: u64, ctx: &mut TxContext): Coin<T> {
        Coin { id: object::new(ctx), balance: balance.split(value) }
    }

    public fun put<T>(balance: &mut Balance<T>, coin: Coin<T>) {
        balance.join(into_balance(coin));
    }

    public entry fun join<T>(self: &mut Coin<T>, c: Coin<T>) {
        let Coin { id, balance } = c;
        id.delete();
        self.balance.join(balance);
    }

    public fun split<T>(self: &mut Coin<T>, split_amount: u64, ctx: &mut TxContext): Coin<T> {
        take(&mut self.balance, split_amount, ctx)
    }

    public fun divide_into_n<T>(self: &mut Coin<T>, n: u64, ctx: &mut TxContext): vector<Coin<T>> {
        assert!(n > 0, EInvalidArg);
        assert!(n <= self.value(), ENotEnough);
        let each = self.value() / n;
        vector::tabulate!(n - 1, |_| self.split(each, ctx))
    }

    public fun zero<T>(ctx: &mut TxContext): Coin<T> {
        Coin { id: object::new(ctx), balance: balance::zero() }
    }

    public fun destroy_zero<T>(c: Coin<T>) {
        let Coin { id, balance } = c;
        id.delete();
        balance.destroy_zero()
    }

    public fun create_currency<T: drop>(
        witness: T,
        decimals: u8,
        symbol: vector<u8>,
        name: vector<u8>,
        description: vector<u8>,
        icon_url: Option<Url>,
        ctx: &mut TxContext,
    ): (TreasuryCap<T>, CoinMetadata<T>) {
        assert!(sui::types::is_one_time_witness(&witness), EBadWitness);
        (
            TreasuryCap { id: object::new(ctx), total_supply: balance::create_supply(witness) },
            CoinMetadata {
                id: object::new(ctx),
                decimals,
                name: string::utf8(name),
                symbol: ascii::string(symbol),
                description: string::utf8(description),
                icon_url,
            },
        )
    }

    public fun mint<T>(cap: &mut TreasuryCap<T>, value: u64, ctx: &mut TxContext): Coin<T> {
        Coin { id: object::new(ctx), balance: cap.total_supply.increase_supply(value) }
    }

    public fun mint_balance<T>(cap: &mut TreasuryCap<T>, value: u64): Balance<T> {
        cap.total_supply.increase_supply(value)
    }

    public entry fun burn<T>(cap: &mut TreasuryCap<T>, c: Coin<T>): u64 {
        let Coin { id, balance } = c;
        id.delete();
        cap.total_supply.decrease_supply(balance)
    }

    public entry fun mint_and_transfer<T>(
        c: &mut TreasuryCap<T>,
        amount: u64,
        recipient: address,
        ctx: &mut TxContext,
    ) {
        sui::transfer::public_transfer(mint(c, amount, ctx), recipient)
    }

    public fun get_decimals<T>(metadata: &CoinMetadata<T>): u8 {
        metadata.decimals
    }

    public fun get_name<T>(metadata: &CoinMetadata<T>): string::String {
        metadata.name
    }

    public fun get_symbol<T>(metadata: &CoinMetadata<T>): ascii::String {
        metadata.symbol
    }

    public fun get_description<T>(metadata: &CoinMetadata<T>): string::String {
        metadata.description
    }

    public fun get_icon_url<T>(metadata: &CoinMetadata<T>): Option<Url> {
        metadata.icon_url
    }

    #[test_only]
    public fun mint_for_testing<T>(value: u64, ctx: &mut TxContext): Coin<T> {
        Coin { id: object::new(ctx), balance: balance::create_for_testing(value) }
    }

    #[test_only]
    public fun burn_for_testing<T>(coin: Coin<T>): u64 {
        let Coin { id, balance } = coin;
        id.delete();
        balance.destroy_for_testing()
    }
}

/// The coin that pays for gas.
module sui::sui {
    public struct SUI has drop {}

    public entry fun transfer(c: sui::coin::Coin<SUI>, recipient: address) {
        sui::transfer::public_transfer(c, recipient)
    }
}

/// Addresses of pages.
module sui::url {
    use std::ascii::String;

    public struct Url has copy, drop, store { url: String }

    public fun new_unsafe(url: String): Url {
        Url { url }
    }

    public fun new_unsafe_from_bytes(bytes: vector<u8>): Url {
        Url { url: bytes.to_ascii_string() }
    }

    public fun inner_url(self: &Url): String {
        self.url
    }

    public fun update(self: &mut Url, url: String) {
        self.url = url;
    }
}

/// Proof of authorship, and the right to upgrade a package.
module sui::package {
    use std::ascii::String;
    use sui::object;

    const ENotOneTimeWitness: u64 = 0;
    const ETooPermissive: u64 = 1;
    const EAlreadyAuthorized: u64 = 2;
    const ENotAuthorized: u64 = 3;
    const EWrongUpgradeCap: u64 = 4;

    const COMPATIBLE: u8 = 0;
    const ADDITIVE: u8 = 128;
    const DEP_ONLY: u8 = 192;

    public struct Publisher has key, store { id: UID, package: String, module_name: String }

    public struct UpgradeCap has key, store { id: UID, package: ID, version: u64, policy: u8 }

    public struct UpgradeTicket { cap: ID, package: ID, policy: u8, digest: vector<u8> }

    public struct UpgradeReceipt { cap: ID, package: ID }

    public fun claim<OTW: drop>(otw: OTW, ctx: &mut TxContext): Publisher {
        assert!(sui::types::is_one_time_witness(&otw), ENotOneTimeWitness);
        let name = std::type_name::with_original_ids<OTW>();
        Publisher {
            id: object::new(ctx),
            package: name.address_string(),
            module_name: name.module_string(),
        }
    }

    #[allow(lint(self_transfer))]
    public fun claim_and_keep<OTW: drop>(otw: OTW, ctx: &mut TxContext) {
        let publisher = claim(otw, ctx);
        sui::transfer::public_transfer(publisher, ctx.sender())
    }

    public fun burn_publisher(self: Publisher) {
        let Publisher { id, package: _, module_name: _ } = self;
        id.delete();
    }

    public fun from_package<T>(self: &Publisher): bool {
        std::type_name::with_original_ids<T>().address_string() == self.package
    }

    public fun from_module<T>(self: &Publisher): bool {
        let name = std::type_name::with_original_ids<T>();
        name.address_string() == self.package && name.module_string() == self.module_name
    }

    public fun published_module(self: &Publisher): &String {
        &self.module_name
    }

    public fun published_package(self: &Publisher): &String {
        &self.package
    }

    public fun upgrade_package(cap: &UpgradeCap): ID {
        cap.package
    }

    public fun version(cap: &UpgradeCap): u64 {
        cap.version
    }

    public fun upgrade_policy(cap: &UpgradeCap): u8 {
        cap.policy
    }

    public fun compatible_policy(): u8 {
        COMPATIBLE
    }

    public fun additive_policy(): u8 {
        ADDITIVE
    }

    public fun dep_only_policy(): u8 {
        DEP_ONLY
    }

    public entry fun only_additive_upgrades(cap: &mut UpgradeCap) {
        cap.restrict(ADDITIVE)
    }

    public entry fun only_dep_upgrades(cap: &mut UpgradeCap) {
        cap.restrict(DEP_ONLY)
    }

    /// No more upgrades.
    public entry fun make_immutable(cap: UpgradeCap) {
        let UpgradeCap { id, package: _, version: _, policy: _ } = cap;
        id.delete();
    }

    public fun authorize_upgrade(
        cap: &mut UpgradeCap,
        policy: u8,
        digest: vector<u8>,
    ): UpgradeTicket {
        let zero = object::id_from_address(@0x0);
        assert!(cap.package != zero, EAlreadyAuthorized);
        assert!(policy >= cap.policy, ETooPermissive);
        let package = cap.package;
        cap.package = zero;
        UpgradeTicket { cap: object::id(cap), package, policy, digest }
    }

    public fun commit_upgrade(cap: &mut UpgradeCap, receipt: UpgradeReceipt) {
        let UpgradeReceipt { cap: cap_id, package } = receipt;
        assert!(object::id(cap) == cap_id, EWrongUpgradeCap);
        assert!(cap.package.to_address() == @0x0, ENotAuthorized);
        cap.package = package;
        cap.version = cap.version + 1;
    }

    fun restrict(cap: &mut UpgradeCap, policy: u8) {
        assert!(cap.policy <= policy, ETooPermissive);
        cap.policy = policy;
    }
}
