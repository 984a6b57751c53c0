/// Hash functions of 32 bytes.
module sui::hash {
    public native fun blake2b256(data: &vector<u8>): vector<u8>;
    public native fun keccak256(data: &vector<u8>): vector<u8>;
}

/// HMAC with SHA3-256.
module sui::hmac {
    public native fun hmac_sha3_256(key: &vector<u8>, msg: &vector<u8>): vector<u8>;
}

/// Signatures on edwards25519.
module sui::ed25519 {
    public native fun ed25519_verify(
        signature: &vector<u8>,
        public_key: &vector<u8>,
        msg: &vector<u8>,
    ): bool;
}

/// Signatures on secp256k1.
module sui::ecdsa_k1 {
    /// `hash` is 0 for keccak256, 1 for SHA-256.
    public native fun secp256k1_verify(
        signature: &vector<u8>,
        public_key: &vector<u8>,
        msg: &vector<u8>,
        hash: u8,
    ): bool;
}

/// BLS signatures on BLS12-381.
module sui::bls12381 {
    use sui::group_ops::{Self, Element};

    public struct G1 {}

    const G1_TYPE: u8 = 1;
    const G1_IDENTITY_BYTES: vector<u8> =
        x"c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

    public fun g1_from_bytes(bytes: &vector<u8>): Element<G1> {
        group_ops::from_bytes(G1_TYPE, *bytes, false)
    }

    public fun g1_identity(): Element<G1> {
        group_ops::from_bytes(G1_TYPE, G1_IDENTITY_BYTES, true)
    }

    public fun g1_add(e1: &Element<G1>, e2: &Element<G1>): Element<G1> {
        group_ops::add(G1_TYPE, e1, e2)
    }

    /// Signature in G1 (48 bytes), key in G2 (96).
    public native fun bls12381_min_sig_verify(
        signature: &vector<u8>,
        public_key: &vector<u8>,
        msg: &vector<u8>,
    ): bool;

    /// Signature in G2 (96 bytes), key in G1 (48).
    public native fun bls12381_min_pk_verify(
        signature: &vector<u8>,
        public_key: &vector<u8>,
        msg: &vector<u8>,
    ): bool;
}

/// Bytes as hex text.
module sui::hex {
    const EInvalidHexLength: u64 = 0;
    const ENotValidHexCharacter: u64 = 1;

    public fun encode(bytes: vector<u8>): vector<u8> {
        let mut text = vector[];
        bytes.do!(|byte| {
            text.push_back(digit(byte >> 4));
            text.push_back(digit(byte & 15));
        });
        text
    }

    public fun decode(hex: vector<u8>): vector<u8> {
        assert!(hex.length() % 2 == 0, EInvalidHexLength);
        let mut bytes = vector[];
        let mut i = 0;
        while (i < hex.length()) {
            bytes.push_back(value(hex[i]) << 4 | value(hex[i + 1]));
            i = i + 2;
        };
        bytes
    }

    fun digit(n: u8): u8 {
        if (n < 10) 48 + n else 87 + n
    }

    fun value(c: u8): u8 {
        if (c >= 48 && c <= 57) c - 48
        else if (c >= 65 && c <= 70) c - 55
        else if (c >= 97 && c <= 102) c - 87
        else abort ENotValidHexCharacter
    }
}

/// Reading of BCS.
module sui::bcs {
    const EOutOfRange: u64 = 0;
    const ENotBool: u64 = 1;
    const ELenOutOfRange: u64 = 2;

    /// The bytes still to be read, last first.
    public struct BCS has copy, drop, store { bytes: vector<u8> }

    public fun to_bytes<T>(value: &T): vector<u8> {
        std::bcs::to_bytes(value)
    }

    public fun new(mut bytes: vector<u8>): BCS {
        bytes.reverse();
        BCS { bytes }
    }

    public fun into_remainder_bytes(bcs: BCS): vector<u8> {
        let BCS { mut bytes } = bcs;
        bytes.reverse();
        bytes
    }

    public fun peel_address(bcs: &mut BCS): address {
        assert!(bcs.bytes.length() >= 32, EOutOfRange);
        let mut raw = vector[];
        32u64.do!(|_| raw.push_back(bcs.bytes.pop_back()));
        sui::address::from_bytes(raw)
    }

    public fun peel_bool(bcs: &mut BCS): bool {
        let byte = bcs.peel_u8();
        assert!(byte <= 1, ENotBool);
        byte == 1
    }

    public fun peel_u8(bcs: &mut BCS): u8 {
        assert!(bcs.bytes.length() >= 1, EOutOfRange);
        bcs.bytes.pop_back()
    }

    public fun peel_u16(bcs: &mut BCS): u16 {
        bcs.little(2) as u16
    }

    public fun peel_u32(bcs: &mut BCS): u32 {
        bcs.little(4) as u32
    }

    public fun peel_u64(bcs: &mut BCS): u64 {
        bcs.little(8) as u64
    }

    public fun peel_u128(bcs: &mut BCS): u128 {
        bcs.little(16) as u128
    }

    public fun peel_u256(bcs: &mut BCS): u256 {
        bcs.little(32)
    }

    fun little(bcs: &mut BCS, width: u64): u256 {
        assert!(bcs.bytes.length() >= width, EOutOfRange);
        let mut value = 0u256;
        let mut i = 0;
        while (i < width) {
            value = value | (bcs.bytes.pop_back() as u256) << ((i * 8) as u8);
            i = i + 1;
        };
        value
    }

    /// A length: ULEB128 of at most 32 bits.
    public fun peel_vec_length(bcs: &mut BCS): u64 {
        let mut total = 0u64;
        let mut shift = 0;
        let mut length = 0;
        loop {
            assert!(length <= 4, ELenOutOfRange);
            let byte = bcs.bytes.pop_back() as u64;
            length = length + 1;
            total = total | ((byte & 0x7f) << shift);
            if ((byte & 0x80) == 0) break;
            shift = shift + 7;
        };
        total
    }

    public macro fun peel_vec<$T>($bcs: &mut BCS, $peel: |&mut BCS| -> $T): vector<$T> {
        let bcs = $bcs;
        let n = bcs.peel_vec_length();
        let mut v = vector[];
        n.do!(|_| v.push_back($peel(bcs)));
        v
    }

    public fun peel_vec_address(bcs: &mut BCS): vector<address> {
        bcs.peel_vec!(|b| b.peel_address())
    }

    public fun peel_vec_bool(bcs: &mut BCS): vector<bool> {
        bcs.peel_vec!(|b| b.peel_bool())
    }

    public fun peel_vec_u8(bcs: &mut BCS): vector<u8> {
        bcs.peel_vec!(|b| b.peel_u8())
    }

    public fun peel_vec_vec_u8(bcs: &mut BCS): vector<vector<u8>> {
        bcs.peel_vec!(|b| b.peel_vec_u8())
    }

    public fun peel_vec_u64(bcs: &mut BCS): vector<u64> {
        bcs.peel_vec!(|b| b.peel_u64())
    }

    public fun peel_enum_tag(bcs: &mut BCS): u32 {
        let tag = bcs.peel_vec_length();
        tag as u32
    }

    public macro fun peel_option<$T>($bcs: &mut BCS, $peel: |&mut BCS| -> $T): Option<$T> {
        let bcs = $bcs;
        if (bcs.peel_bool()) option::some($peel(bcs)) else option::none()
    }

    public fun peel_option_address(bcs: &mut BCS): Option<address> {
        bcs.peel_option!(|b| b.peel_address())
    }

    public fun peel_option_u64(bcs: &mut BCS): Option<u64> {
        bcs.peel_option!(|b| b.peel_u64())
    }
}
