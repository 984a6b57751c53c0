/// Helpers of u8.
#[defines_primitive(u8)]
module std::u8 {
    use std::string::String;

    public fun bitwise_not(x: u8): u8 {
        x ^ max_value!()
    }

    public fun max(x: u8, y: u8): u8 {
        if (x > y) x else y
    }

    public fun min(x: u8, y: u8): u8 {
        if (x < y) x else y
    }

    public fun diff(x: u8, y: u8): u8 {
        if (x > y) x - y else y - x
    }

    public fun divide_and_round_up(x: u8, y: u8): u8 {
        if (x % y == 0) x / y else x / y + 1
    }

    public fun pow(mut base: u8, mut exponent: u8): u8 {
        let mut result = 1;
        while (exponent >= 1) {
            if (exponent % 2 == 0) {
                base = base * base;
                exponent = exponent / 2;
            } else {
                result = result * base;
                exponent = exponent - 1;
            }
        };
        result
    }

    /// Largest root whose square is not above `x`.
    public fun sqrt(x: u8): u8 {
        if (x == 0) return 0;
        let mut low = 1u256;
        let mut high = (1u256 << 4) - 1;
        while (low < high) {
            let middle = (low + high + 1) / 2;
            if (middle * middle <= (x as u256)) low = middle else high = middle - 1;
        };
        low as u8
    }

    public fun to_string(mut x: u8): String {
        if (x == 0) return b"0".to_string();
        let mut digits = vector[];
        while (x != 0) {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
        };
        digits.reverse();
        digits.to_string()
    }

    public macro fun max_value(): u8 {
        0xFF
    }

    public macro fun range_do<$R: drop>($start: u8, $stop: u8, $f: |u8| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    public macro fun do<$R: drop>($stop: u8, $f: |u8| -> $R) {
        range_do!(0, $stop, $f)
    }
}

/// Helpers of u16.
#[defines_primitive(u16)]
module std::u16 {
    use std::string::String;

    public fun bitwise_not(x: u16): u16 {
        x ^ max_value!()
    }

    public fun max(x: u16, y: u16): u16 {
        if (x > y) x else y
    }

    public fun min(x: u16, y: u16): u16 {
        if (x < y) x else y
    }

    public fun diff(x: u16, y: u16): u16 {
        if (x > y) x - y else y - x
    }

    public fun divide_and_round_up(x: u16, y: u16): u16 {
        if (x % y == 0) x / y else x / y + 1
    }

    public fun pow(mut base: u16, mut exponent: u8): u16 {
        let mut result = 1;
        while (exponent >= 1) {
            if (exponent % 2 == 0) {
                base = base * base;
                exponent = exponent / 2;
            } else {
                result = result * base;
                exponent = exponent - 1;
            }
        };
        result
    }

    /// Largest root whose square is not above `x`.
    public fun sqrt(x: u16): u16 {
        if (x == 0) return 0;
        let mut low = 1u256;
        let mut high = (1u256 << 8) - 1;
        while (low < high) {
            let middle = (low + high + 1) / 2;
            if (middle * middle <= (x as u256)) low = middle else high = middle - 1;
        };
        low as u16
    }

    public fun try_as_u8(x: u16): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    public fun to_string(mut x: u16): String {
        if (x == 0) return b"0".to_string();
        let mut digits = vector[];
        while (x != 0) {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
        };
        digits.reverse();
        digits.to_string()
    }

    public macro fun max_value(): u16 {
        0xFFFF
    }

    public macro fun range_do<$R: drop>($start: u16, $stop: u16, $f: |u16| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    public macro fun do<$R: drop>($stop: u16, $f: |u16| -> $R) {
        range_do!(0, $stop, $f)
    }
}

/// Helpers of u32.
#[defines_primitive(u32)]
module std::u32 {
    use std::string::String;

    public fun bitwise_not(x: u32): u32 {
        x ^ max_value!()
    }

    public fun max(x: u32, y: u32): u32 {
        if (x > y) x else y
    }

    public fun min(x: u32, y: u32): u32 {
        if (x < y) x else y
    }

    public fun diff(x: u32, y: u32): u32 {
        if (x > y) x - y else y - x
    }

    public fun divide_and_round_up(x: u32, y: u32): u32 {
        if (x % y == 0) x / y else x / y + 1
    }

    public fun pow(mut base: u32, mut exponent: u8): u32 {
        let mut result = 1;
        while (exponent >= 1) {
            if (exponent % 2 == 0) {
                base = base * base;
                exponent = exponent / 2;
            } else {
                result = result * base;
                exponent = exponent - 1;
            }
        };
        result
    }

    /// Largest root whose square is not above `x`.
    public fun sqrt(x: u32): u32 {
        if (x == 0) return 0;
        let mut low = 1u256;
        let mut high = (1u256 << 16) - 1;
        while (low < high) {
            let middle = (low + high + 1) / 2;
            if (middle * middle <= (x as u256)) low = middle else high = middle - 1;
        };
        low as u32
    }

    public fun try_as_u8(x: u32): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    public fun try_as_u16(x: u32): Option<u16> {
        if (x > 0xFFFF) option::none() else option::some(x as u16)
    }

    public fun to_string(mut x: u32): String {
        if (x == 0) return b"0".to_string();
        let mut digits = vector[];
        while (x != 0) {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
        };
        digits.reverse();
        digits.to_string()
    }

    public macro fun max_value(): u32 {
        0xFFFF_FFFF
    }

    public macro fun range_do<$R: drop>($start: u32, $stop: u32, $f: |u32| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    public macro fun do<$R: drop>($stop: u32, $f: |u32| -> $R) {
        range_do!(0, $stop, $f)
    }
}

/// Helpers of u64.
#[defines_primitive(u64)]
module std::u64 {
    use std::string::String;

    public fun bitwise_not(x: u64): u64 {
        x ^ max_value!()
    }

    public fun max(x: u64, y: u64): u64 {
        if (x > y) x else y
    }

    public fun min(x: u64, y: u64): u64 {
        if (x < y) x else y
    }

    public fun diff(x: u64, y: u64): u64 {
        if (x > y) x - y else y - x
    }

    public fun divide_and_round_up(x: u64, y: u64): u64 {
        if (x % y == 0) x / y else x / y + 1
    }

    public fun pow(mut base: u64, mut exponent: u8): u64 {
        let mut result = 1;
        while (exponent >= 1) {
            if (exponent % 2 == 0) {
                base = base * base;
                exponent = exponent / 2;
            } else {
                result = result * base;
                exponent = exponent - 1;
            }
        };
        result
    }

    /// Largest root whose square is not above `x`.
    public fun sqrt(x: u64): u64 {
        if (x == 0) return 0;
        let mut low = 1u256;
        let mut high = (1u256 << 32) - 1;
        while (low < high) {
            let middle = (low + high + 1) / 2;
            if (middle * middle <= (x as u256)) low = middle else high = middle - 1;
        };
        low as u64
    }

    public fun try_as_u8(x: u64): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    public fun try_as_u16(x: u64): Option<u16> {
        if (x > 0xFFFF) option::none() else option::some(x as u16)
    }

    public fun try_as_u32(x: u64): Option<u32> {
        if (x > 0xFFFF_FFFF) option::none() else option::some(x as u32)
    }

    public fun to_string(mut x: u64): String {
        if (x == 0) return b"0".to_string();
        let mut digits = vector[];
        while (x != 0) {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
        };
        digits.reverse();
        digits.to_string()
    }

    public macro fun max_value(): u64 {
        0xFFFF_FFFF_FFFF_FFFF
    }

    public macro fun range_do<$R: drop>($start: u64, $stop: u64, $f: |u64| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    public macro fun do<$R: drop>($stop: u64, $f: |u64| -> $R) {
        range_do!(0, $stop, $f)
    }
}

/// Helpers of u128.
#[defines_primitive(u128)]
module std::u128 {
    use std::string::String;

    public fun bitwise_not(x: u128): u128 {
        x ^ max_value!()
    }

    public fun max(x: u128, y: u128): u128 {
        if (x > y) x else y
    }

    public fun min(x: u128, y: u128): u128 {
        if (x < y) x else y
    }

    public fun diff(x: u128, y: u128): u128 {
        if (x > y) x - y else y - x
    }

    public fun divide_and_round_up(x: u128, y: u128): u128 {
        if (x % y == 0) x / y else x / y + 1
    }

    public fun pow(mut base: u128, mut exponent: u8): u128 {
        let mut result = 1;
        while (exponent >= 1) {
            if (exponent % 2 == 0) {
                base = base * base;
                exponent = exponent / 2;
            } else {
                result = result * base;
                exponent = exponent - 1;
            }
        };
        result
    }

    /// Largest root whose square is not above `x`.
    public fun sqrt(x: u128): u128 {
        if (x == 0) return 0;
        let mut low = 1u256;
        let mut high = (1u256 << 64) - 1;
        while (low < high) {
            let middle = (low + high + 1) / 2;
            if (middle * middle <= (x as u256)) low = middle else high = middle - 1;
        };
        low as u128
    }

    public fun try_as_u8(x: u128): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    public fun try_as_u16(x: u128): Option<u16> {
        if (x > 0xFFFF) option::none() else option::some(x as u16)
    }

    public fun try_as_u32(x: u128): Option<u32> {
        if (x > 0xFFFF_FFFF) option::none() else option::some(x as u32)
    }

    public fun try_as_u64(x: u128): Option<u64> {
        if (x > 0xFFFF_FFFF_FFFF_FFFF) option::none() else option::some(x as u64)
    }

    public fun to_string(mut x: u128): String {
        if (x == 0) return b"0".to_string();
        let mut digits = vector[];
        while (x != 0) {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
        };
        digits.reverse();
        digits.to_string()
    }

    public macro fun max_value(): u128 {
        0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF
    }

    public macro fun range_do<$R: drop>($start: u128, $stop: u128, $f: |u128| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    public macro fun do<$R: drop>($stop: u128, $f: |u128| -> $R) {
        range_do!(0, $stop, $f)
    }
}

/// Helpers of u256.
#[defines_primitive(u256)]
module std::u256 {
    use std::string::String;

    public fun bitwise_not(x: u256): u256 {
        x ^ max_value!()
    }

    public fun max(x: u256, y: u256): u256 {
        if (x > y) x else y
    }

    public fun min(x: u256, y: u256): u256 {
        if (x < y) x else y
    }

    public fun diff(x: u256, y: u256): u256 {
        if (x > y) x - y else y - x
    }

    public fun divide_and_round_up(x: u256, y: u256): u256 {
        if (x % y == 0) x / y else x / y + 1
    }

    public fun pow(mut base: u256, mut exponent: u8): u256 {
        let mut result = 1;
        while (exponent >= 1) {
            if (exponent % 2 == 0) {
                base = base * base;
                exponent = exponent / 2;
            } else {
                result = result * base;
                exponent = exponent - 1;
            }
        };
        result
    }

    public fun try_as_u8(x: u256): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    public fun try_as_u16(x: u256): Option<u16> {
        if (x > 0xFFFF) option::none() else option::some(x as u16)
    }

    public fun try_as_u32(x: u256): Option<u32> {
        if (x > 0xFFFF_FFFF) option::none() else option::some(x as u32)
    }

    public fun try_as_u64(x: u256): Option<u64> {
        if (x > 0xFFFF_FFFF_FFFF_FFFF) option::none() else option::some(x as u64)
    }

    public fun try_as_u128(x: u256): Option<u128> {
        if (x > 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF) option::none() else option::some(x as u128)
    }

    public fun to_string(mut x: u256): String {
        if (x == 0) return b"0".to_string();
        let mut digits = vector[];
        while (x != 0) {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
        };
        digits.reverse();
        digits.to_string()
    }

    public macro fun max_value(): u256 {
        0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF
    }

    public macro fun range_do<$R: drop>($start: u256, $stop: u256, $f: |u256| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    public macro fun do<$R: drop>($stop: u256, $f: |u256| -> $R) {
        range_do!(0, $stop, $f)
    }
}
