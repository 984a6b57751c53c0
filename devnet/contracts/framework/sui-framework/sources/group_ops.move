/// Elements of the groups behind pairings, as bytes.
module sui::group_ops {
    const EInvalidInput: u64 = 1;

    public struct Element<phantom T> has copy, drop, store { bytes: vector<u8> }

    public fun bytes<G>(e: &Element<G>): &vector<u8> {
        &e.bytes
    }

    public fun equal<G>(e1: &Element<G>, e2: &Element<G>): bool {
        &e1.bytes == &e2.bytes
    }

    public(package) fun from_bytes<G>(type_: u8, bytes: vector<u8>, is_trusted: bool): Element<G> {
        assert!(is_trusted || internal_validate(type_, &bytes), EInvalidInput);
        Element { bytes }
    }

    public(package) fun add<G>(type_: u8, e1: &Element<G>, e2: &Element<G>): Element<G> {
        Element { bytes: internal_add(type_, &e1.bytes, &e2.bytes) }
    }

    native fun internal_validate(type_: u8, bytes: &vector<u8>): bool;
    native fun internal_add(type_: u8, e1: &vector<u8>, e2: &vector<u8>): vector<u8>;
}
