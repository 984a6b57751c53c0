/// Attributes of a blob: text by text.
module walrus::metadata;

use std::string::String;
use sui::vec_map::{Self, VecMap};

public struct Metadata has copy, drop, store {
    metadata: VecMap<String, String>,
}

public fun new(): Metadata {
    Metadata { metadata: vec_map::empty() }
}

public fun insert_or_update(self: &mut Metadata, key: String, value: String) {
    if (self.metadata.contains(&key)) {
        self.metadata.remove(&key);
    };
    self.metadata.insert(key, value);
}

public fun remove(self: &mut Metadata, key: &String): (String, String) {
    self.metadata.remove(key)
}
