/// Serialisation of any value.
module std::bcs {
    public native fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;
}

/// Hash functions of 32 bytes.
module std::hash {
    public native fun sha2_256(data: vector<u8>): vector<u8>;
    public native fun sha3_256(data: vector<u8>): vector<u8>;
}

/// Names of types as text.
module std::type_name {
    use std::ascii::{Self, String};

    /// Not a type of a package.
    const ENonModuleType: u64 = 0;

    public struct TypeName has copy, drop, store { name: String }

    public native fun with_defining_ids<T>(): TypeName;
    public native fun with_original_ids<T>(): TypeName;

    public fun as_string(self: &TypeName): &String {
        &self.name
    }

    public fun into_string(self: TypeName): String {
        self.name
    }

    /// A type without a package: a primitive or a vector.
    public fun is_primitive(self: &TypeName): bool {
        let name = self.name.as_bytes();
        name.length() < 64 || name[0] == 118
    }

    /// The 64 hex digits of the package.
    public fun address_string(self: &TypeName): String {
        assert!(!self.is_primitive(), ENonModuleType);
        self.name.substring(0, 64)
    }

    public fun module_string(self: &TypeName): String {
        assert!(!self.is_primitive(), ENonModuleType);
        let name = self.name.as_bytes();
        let mut end = 66;
        while (name[end] != 58) end = end + 1;
        ascii::substring(&self.name, 66, end)
    }
}

/// Tests.
#[test_only]
module std::unit_test {
    /// Makes a test module unpublishable.
    public native fun poison();

    public macro fun assert_eq<$T: drop>($a: $T, $b: $T) {
        assert!($a == $b)
    }
}
