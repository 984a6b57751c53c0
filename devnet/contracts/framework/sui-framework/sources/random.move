/// A value that changes its type from version to version, kept in a dynamic field.
module sui::versioned {
    use sui::dynamic_field;
    use sui::object;

    public struct Versioned has key, store { id: UID, version: u64 }

    public fun create<T: store>(init_version: u64, init_value: T, ctx: &mut TxContext): Versioned {
        let mut self = Versioned { id: object::new(ctx), version: init_version };
        dynamic_field::add(&mut self.id, init_version, init_value);
        self
    }

    public fun version(self: &Versioned): u64 {
        self.version
    }

    public fun load_value<T: store>(self: &Versioned): &T {
        dynamic_field::borrow(&self.id, self.version)
    }

    public fun load_value_mut<T: store>(self: &mut Versioned): &mut T {
        dynamic_field::borrow_mut(&mut self.id, self.version)
    }
}

/// The chain's randomness, at 0x8. The chain itself renews it before every transaction that reads
/// it.
module sui::random {
    use std::bcs;
    use sui::hmac::hmac_sha3_256;
    use sui::versioned::Versioned;
    #[test_only]
    use sui::object;
    #[test_only]
    use sui::versioned;

    const EWrongInnerVersion: u64 = 1;

    const VERSION: u64 = 1;
    /// Bytes of one block.
    const BLOCK: u16 = 32;

    public struct Random has key { id: UID, inner: Versioned }

    #[allow(unused_field)]
    public struct RandomInner has store {
        version: u64,
        epoch: u64,
        randomness_round: u64,
        random_bytes: vector<u8>,
    }

    /// A stream of its own for each time that one is made.
    public struct RandomGenerator has drop { seed: vector<u8>, counter: u16, buffer: vector<u8> }

    public fun new_generator(r: &Random, ctx: &mut TxContext): RandomGenerator {
        assert!(r.inner.version() == VERSION, EWrongInnerVersion);
        let inner: &RandomInner = r.inner.load_value();
        let own = ctx.fresh_object_address();
        let seed = hmac_sha3_256(&inner.random_bytes, &own.to_bytes());
        RandomGenerator { seed, counter: 0, buffer: vector[] }
    }

    /// Whole blocks come straight from the stream; what is left over is taken from the end of the
    /// buffer.
    public fun generate_bytes(g: &mut RandomGenerator, num_of_bytes: u16): vector<u8> {
        let mut bytes = vector[];
        (num_of_bytes / BLOCK).do!(|_| bytes.append(next_block(g)));
        let rest = (num_of_bytes % BLOCK) as u64;
        if (g.buffer.length() < rest) {
            let block = next_block(g);
            g.buffer.append(block);
        };
        rest.do!(|_| bytes.push_back(g.buffer.pop_back()));
        bytes
    }

    fun next_block(g: &mut RandomGenerator): vector<u8> {
        g.counter = g.counter + 1;
        hmac_sha3_256(&g.seed, &bcs::to_bytes(&g.counter))
    }

    #[test_only]
    public fun create_for_testing(ctx: &mut TxContext) {
        let inner = RandomInner {
            version: VERSION,
            epoch: ctx.epoch(),
            randomness_round: 0,
            random_bytes: vector[],
        };
        sui::transfer::share_object(Random {
            id: object::new(ctx),
            inner: versioned::create(VERSION, inner, ctx),
        })
    }

    #[test_only]
    public fun update_randomness_state_for_testing(
        self: &mut Random,
        new_round: u64,
        new_bytes: vector<u8>,
        ctx: &TxContext,
    ) {
        let inner: &mut RandomInner = self.inner.load_value_mut();
        inner.epoch = ctx.epoch();
        inner.randomness_round = new_round;
        inner.random_bytes = new_bytes;
    }
}
