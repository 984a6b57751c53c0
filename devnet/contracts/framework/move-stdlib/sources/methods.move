/// Method names on built-in types that std gives everywhere.
module std::address {
    public fun length(): u64 {
        32
    }
}
