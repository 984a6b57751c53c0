/// Text of characters 0 to 127.
module std::ascii;

public use fun std::string::from_ascii as String.to_string;

const EInvalidASCIICharacter: u64 = 0x10000;
const EInvalidIndex: u64 = 0x10001;

public struct String has copy, drop, store { bytes: vector<u8> }

public struct Char has copy, drop, store { byte: u8 }

public fun char(byte: u8): Char {
    assert!(is_valid_char(byte), EInvalidASCIICharacter);
    Char { byte }
}

public fun string(bytes: vector<u8>): String {
    let x = try_string(bytes);
    assert!(x.is_some(), EInvalidASCIICharacter);
    x.destroy_some()
}

public fun try_string(bytes: vector<u8>): Option<String> {
    if (bytes.all!(|byte| is_valid_char(*byte))) option::some(String { bytes })
    else option::none()
}

public fun all_characters_printable(string: &String): bool {
    string.bytes.all!(|byte| is_printable_char(*byte))
}

public fun push_char(string: &mut String, char: Char) {
    string.bytes.push_back(char.byte);
}

public fun pop_char(string: &mut String): Char {
    Char { byte: string.bytes.pop_back() }
}

public fun length(string: &String): u64 {
    string.bytes.length()
}

public fun append(string: &mut String, other: String) {
    string.bytes.append(other.into_bytes())
}

public fun substring(string: &String, i: u64, j: u64): String {
    assert!(i <= j && j <= string.length(), EInvalidIndex);
    let mut bytes = vector[];
    let mut k = i;
    while (k < j) {
        bytes.push_back(string.bytes[k]);
        k = k + 1;
    };
    String { bytes }
}

public fun as_bytes(string: &String): &vector<u8> {
    &string.bytes
}

public fun into_bytes(string: String): vector<u8> {
    let String { bytes } = string;
    bytes
}

public fun byte(char: Char): u8 {
    let Char { byte } = char;
    byte
}

public fun is_valid_char(byte: u8): bool {
    byte <= 0x7F
}

public fun is_printable_char(byte: u8): bool {
    byte >= 0x20 && byte <= 0x7E
}

public fun is_empty(string: &String): bool {
    string.bytes.is_empty()
}
