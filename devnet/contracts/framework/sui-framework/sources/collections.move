/// Fields added to an object while it lives, by a key of any type.
module sui::dynamic_field {
    use sui::object;

    const EFieldAlreadyExists: u64 = 0;
    #[allow(unused_const)]
    const EFieldDoesNotExist: u64 = 1;
    #[allow(unused_const)]
    const EFieldTypeMismatch: u64 = 2;

    public struct Field<Name: copy + drop + store, Value: store> has key {
        id: UID,
        name: Name,
        value: Value,
    }

    public fun add<Name: copy + drop + store, Value: store>(
        object: &mut UID,
        name: Name,
        value: Value,
    ) {
        let parent = object.to_address();
        let hash = hash_type_and_key(parent, name);
        assert!(!has_child_object(parent, hash), EFieldAlreadyExists);
        add_child_object(parent, Field { id: object::new_uid_from_hash(hash), name, value })
    }

    public fun borrow<Name: copy + drop + store, Value: store>(object: &UID, name: Name): &Value {
        let hash = hash_type_and_key(object.to_address(), name);
        let field = borrow_child_object<Field<Name, Value>>(object, hash);
        &field.value
    }

    public fun borrow_mut<Name: copy + drop + store, Value: store>(
        object: &mut UID,
        name: Name,
    ): &mut Value {
        let hash = hash_type_and_key(object.to_address(), name);
        let field = borrow_child_object_mut<Field<Name, Value>>(object, hash);
        &mut field.value
    }

    public fun remove<Name: copy + drop + store, Value: store>(
        object: &mut UID,
        name: Name,
    ): Value {
        let parent = object.to_address();
        let hash = hash_type_and_key(parent, name);
        let Field { id, name: _, value } = remove_child_object<Field<Name, Value>>(parent, hash);
        id.delete();
        value
    }

    public fun exists_<Name: copy + drop + store>(object: &UID, name: Name): bool {
        let parent = object.to_address();
        has_child_object(parent, hash_type_and_key(parent, name))
    }

    public fun remove_if_exists<Name: copy + drop + store, Value: store>(
        object: &mut UID,
        name: Name,
    ): Option<Value> {
        if (exists_(object, name)) option::some(remove(object, name)) else option::none()
    }

    public fun exists_with_type<Name: copy + drop + store, Value: store>(
        object: &UID,
        name: Name,
    ): bool {
        let parent = object.to_address();
        has_child_object_with_ty<Field<Name, Value>>(parent, hash_type_and_key(parent, name))
    }

    /// The field's own id and the id in its value.
    public(package) fun field_info<Name: copy + drop + store>(
        object: &UID,
        name: Name,
    ): (&UID, address) {
        let hash = hash_type_and_key(object.to_address(), name);
        let Field { id, name: _, value } = borrow_child_object<Field<Name, ID>>(object, hash);
        (id, value.to_address())
    }

    public(package) fun field_info_mut<Name: copy + drop + store>(
        object: &mut UID,
        name: Name,
    ): (&mut UID, address) {
        let hash = hash_type_and_key(object.to_address(), name);
        let Field { id, name: _, value } = borrow_child_object_mut<Field<Name, ID>>(object, hash);
        (id, value.to_address())
    }

    public(package) native fun hash_type_and_key<K: copy + drop + store>(
        parent: address,
        k: K,
    ): address;
    public(package) native fun add_child_object<Child: key>(parent: address, child: Child);
    public(package) native fun borrow_child_object<Child: key>(object: &UID, id: address): &Child;
    public(package) native fun borrow_child_object_mut<Child: key>(
        object: &mut UID,
        id: address,
    ): &mut Child;
    public(package) native fun remove_child_object<Child: key>(parent: address, id: address): Child;
    public(package) native fun has_child_object(parent: address, id: address): bool;
    public(package) native fun has_child_object_with_ty<Child: key>(
        parent: address,
        id: address,
    ): bool;
}

/// Dynamic fields whose value stays an object of its own.
module sui::dynamic_object_field {
    use sui::dynamic_field as field;
    use sui::object;

    /// Keys of these fields are of another type than those of plain ones.
    public struct Wrapper<Name> has copy, drop, store { name: Name }

    public fun add<Name: copy + drop + store, Value: key + store>(
        object: &mut UID,
        name: Name,
        value: Value,
    ) {
        let key = Wrapper { name };
        let id = object::id(&value);
        field::add(object, key, id);
        let (field, _) = field::field_info<Wrapper<Name>>(object, key);
        field::add_child_object(field.to_address(), value)
    }

    public fun borrow<Name: copy + drop + store, Value: key + store>(
        object: &UID,
        name: Name,
    ): &Value {
        let (field, id) = field::field_info<Wrapper<Name>>(object, Wrapper { name });
        field::borrow_child_object<Value>(field, id)
    }

    public fun borrow_mut<Name: copy + drop + store, Value: key + store>(
        object: &mut UID,
        name: Name,
    ): &mut Value {
        let (field, id) = field::field_info_mut<Wrapper<Name>>(object, Wrapper { name });
        field::borrow_child_object_mut<Value>(field, id)
    }

    public fun remove<Name: copy + drop + store, Value: key + store>(
        object: &mut UID,
        name: Name,
    ): Value {
        let key = Wrapper { name };
        let (field, id) = field::field_info<Wrapper<Name>>(object, key);
        let value = field::remove_child_object<Value>(field.to_address(), id);
        field::remove<Wrapper<Name>, ID>(object, key);
        value
    }

    public fun exists_<Name: copy + drop + store>(object: &UID, name: Name): bool {
        field::exists_with_type<Wrapper<Name>, ID>(object, Wrapper { name })
    }

    public fun exists_with_type<Name: copy + drop + store, Value: key + store>(
        object: &UID,
        name: Name,
    ): bool {
        let key = Wrapper { name };
        if (!field::exists_with_type<Wrapper<Name>, ID>(object, key)) return false;
        let (field, id) = field::field_info<Wrapper<Name>>(object, key);
        field::has_child_object_with_ty<Value>(field.to_address(), id)
    }

    public fun id<Name: copy + drop + store>(object: &UID, name: Name): Option<ID> {
        let key = Wrapper { name };
        if (!field::exists_with_type<Wrapper<Name>, ID>(object, key)) return option::none();
        let (_, id) = field::field_info<Wrapper<Name>>(object, key);
        option::some(object::id_from_address(id))
    }
}

/// A map in dynamic fields: keys and values of one type each.
module sui::table {
    use sui::dynamic_field as field;
    use sui::object;

    const ETableNotEmpty: u64 = 0;

    public struct Table<phantom K: copy + drop + store, phantom V: store> has key, store {
        id: UID,
        size: u64,
    }

    public fun new<K: copy + drop + store, V: store>(ctx: &mut TxContext): Table<K, V> {
        Table { id: object::new(ctx), size: 0 }
    }

    public fun add<K: copy + drop + store, V: store>(table: &mut Table<K, V>, k: K, v: V) {
        field::add(&mut table.id, k, v);
        table.size = table.size + 1;
    }

    #[syntax(index)]
    public fun borrow<K: copy + drop + store, V: store>(table: &Table<K, V>, k: K): &V {
        field::borrow(&table.id, k)
    }

    #[syntax(index)]
    public fun borrow_mut<K: copy + drop + store, V: store>(
        table: &mut Table<K, V>,
        k: K,
    ): &mut V {
        field::borrow_mut(&mut table.id, k)
    }

    public fun remove<K: copy + drop + store, V: store>(table: &mut Table<K, V>, k: K): V {
        let v = field::remove(&mut table.id, k);
        table.size = table.size - 1;
        v
    }

    public fun contains<K: copy + drop + store, V: store>(table: &Table<K, V>, k: K): bool {
        field::exists_with_type<K, V>(&table.id, k)
    }

    public fun length<K: copy + drop + store, V: store>(table: &Table<K, V>): u64 {
        table.size
    }

    public fun is_empty<K: copy + drop + store, V: store>(table: &Table<K, V>): bool {
        table.size == 0
    }

    public fun destroy_empty<K: copy + drop + store, V: store>(table: Table<K, V>) {
        let Table { id, size } = table;
        assert!(size == 0, ETableNotEmpty);
        id.delete()
    }

    public fun drop<K: copy + drop + store, V: drop + store>(table: Table<K, V>) {
        let Table { id, size: _ } = table;
        id.delete()
    }
}

/// A map whose values are objects that can be found by their id.
module sui::object_table {
    use sui::dynamic_object_field as field;
    use sui::object;

    const ETableNotEmpty: u64 = 0;

    public struct ObjectTable<phantom K: copy + drop + store, phantom V: key + store> has
        key,
        store {
        id: UID,
        size: u64,
    }

    public fun new<K: copy + drop + store, V: key + store>(
        ctx: &mut TxContext,
    ): ObjectTable<K, V> {
        ObjectTable { id: object::new(ctx), size: 0 }
    }

    public fun add<K: copy + drop + store, V: key + store>(
        table: &mut ObjectTable<K, V>,
        k: K,
        v: V,
    ) {
        field::add(&mut table.id, k, v);
        table.size = table.size + 1;
    }

    #[syntax(index)]
    public fun borrow<K: copy + drop + store, V: key + store>(
        table: &ObjectTable<K, V>,
        k: K,
    ): &V {
        field::borrow(&table.id, k)
    }

    #[syntax(index)]
    public fun borrow_mut<K: copy + drop + store, V: key + store>(
        table: &mut ObjectTable<K, V>,
        k: K,
    ): &mut V {
        field::borrow_mut(&mut table.id, k)
    }

    public fun remove<K: copy + drop + store, V: key + store>(
        table: &mut ObjectTable<K, V>,
        k: K,
    ): V {
        let v = field::remove(&mut table.id, k);
        table.size = table.size - 1;
        v
    }

    public fun contains<K: copy + drop + store, V: key + store>(
        table: &ObjectTable<K, V>,
        k: K,
    ): bool {
        field::exists_<K>(&table.id, k)
    }

    public fun length<K: copy + drop + store, V: key + store>(table: &ObjectTable<K, V>): u64 {
        table.size
    }

    public fun is_empty<K: copy + drop + store, V: key + store>(table: &ObjectTable<K, V>): bool {
        table.size == 0
    }

    public fun destroy_empty<K: copy + drop + store, V: key + store>(table: ObjectTable<K, V>) {
        let ObjectTable { id, size } = table;
        assert!(size == 0, ETableNotEmpty);
        id.delete()
    }
}

/// A map in dynamic fields with keys and values of any type.
module sui::bag {
    use sui::dynamic_field as field;
    use sui::object;

    const EBagNotEmpty: u64 = 0;

    public struct Bag has key, store { id: UID, size: u64 }

    public fun new(ctx: &mut TxContext): Bag {
        Bag { id: object::new(ctx), size: 0 }
    }

    public fun add<K: copy + drop + store, V: store>(bag: &mut Bag, k: K, v: V) {
        field::add(&mut bag.id, k, v);
        bag.size = bag.size + 1;
    }

    #[syntax(index)]
    public fun borrow<K: copy + drop + store, V: store>(bag: &Bag, k: K): &V {
        field::borrow(&bag.id, k)
    }

    #[syntax(index)]
    public fun borrow_mut<K: copy + drop + store, V: store>(bag: &mut Bag, k: K): &mut V {
        field::borrow_mut(&mut bag.id, k)
    }

    public fun remove<K: copy + drop + store, V: store>(bag: &mut Bag, k: K): V {
        let v = field::remove(&mut bag.id, k);
        bag.size = bag.size - 1;
        v
    }

    public fun contains<K: copy + drop + store>(bag: &Bag, k: K): bool {
        field::exists_(&bag.id, k)
    }

    public fun contains_with_type<K: copy + drop + store, V: store>(bag: &Bag, k: K): bool {
        field::exists_with_type<K, V>(&bag.id, k)
    }

    public fun length(bag: &Bag): u64 {
        bag.size
    }

    public fun is_empty(bag: &Bag): bool {
        bag.size == 0
    }

    public fun destroy_empty(bag: Bag) {
        let Bag { id, size } = bag;
        assert!(size == 0, EBagNotEmpty);
        id.delete()
    }
}

/// A set in a vector, in order of insertion.
module sui::vec_set {
    const EKeyAlreadyExists: u64 = 0;
    const EKeyDoesNotExist: u64 = 1;

    public struct VecSet<K: copy + drop> has copy, drop, store { contents: vector<K> }

    public fun empty<K: copy + drop>(): VecSet<K> {
        VecSet { contents: vector[] }
    }

    public fun singleton<K: copy + drop>(key: K): VecSet<K> {
        VecSet { contents: vector[key] }
    }

    public fun insert<K: copy + drop>(self: &mut VecSet<K>, key: K) {
        assert!(!self.contains(&key), EKeyAlreadyExists);
        self.contents.push_back(key)
    }

    public fun remove<K: copy + drop>(self: &mut VecSet<K>, key: &K) {
        let (found, i) = self.contents.index_of(key);
        assert!(found, EKeyDoesNotExist);
        self.contents.remove(i);
    }

    public fun contains<K: copy + drop>(self: &VecSet<K>, key: &K): bool {
        self.contents.contains(key)
    }

    public fun length<K: copy + drop>(self: &VecSet<K>): u64 {
        self.contents.length()
    }

    public fun is_empty<K: copy + drop>(self: &VecSet<K>): bool {
        self.contents.is_empty()
    }

    public fun into_keys<K: copy + drop>(self: VecSet<K>): vector<K> {
        let VecSet { contents } = self;
        contents
    }

    public fun from_keys<K: copy + drop>(keys: vector<K>): VecSet<K> {
        let mut set = empty();
        keys.do!(|key| set.insert(key));
        set
    }

    public fun keys<K: copy + drop>(self: &VecSet<K>): &vector<K> {
        &self.contents
    }
}

/// A map in a vector, in order of insertion.
module sui::vec_map {
    const EKeyAlreadyExists: u64 = 0;
    const EKeyDoesNotExist: u64 = 1;
    const EMapNotEmpty: u64 = 2;
    const EIndexOutOfBounds: u64 = 3;
    const EUnequalLengths: u64 = 4;

    public struct VecMap<K: copy, V> has copy, drop, store { contents: vector<Entry<K, V>> }

    public struct Entry<K: copy, V> has copy, drop, store { key: K, value: V }

    public fun empty<K: copy, V>(): VecMap<K, V> {
        VecMap { contents: vector[] }
    }

    public fun insert<K: copy, V>(self: &mut VecMap<K, V>, key: K, value: V) {
        assert!(!self.contains(&key), EKeyAlreadyExists);
        self.contents.push_back(Entry { key, value })
    }

    public fun remove<K: copy, V>(self: &mut VecMap<K, V>, key: &K): (K, V) {
        let i = self.get_idx(key);
        let Entry { key, value } = self.contents.remove(i);
        (key, value)
    }

    #[syntax(index)]
    public fun get_mut<K: copy, V>(self: &mut VecMap<K, V>, key: &K): &mut V {
        let i = self.get_idx(key);
        &mut self.contents[i].value
    }

    #[syntax(index)]
    public fun get<K: copy, V>(self: &VecMap<K, V>, key: &K): &V {
        let i = self.get_idx(key);
        &self.contents[i].value
    }

    public fun try_get<K: copy, V: copy>(self: &VecMap<K, V>, key: &K): Option<V> {
        if (self.contains(key)) option::some(*self.get(key)) else option::none()
    }

    public fun contains<K: copy, V>(self: &VecMap<K, V>, key: &K): bool {
        self.get_idx_opt(key).is_some()
    }

    public fun length<K: copy, V>(self: &VecMap<K, V>): u64 {
        self.contents.length()
    }

    public fun is_empty<K: copy, V>(self: &VecMap<K, V>): bool {
        self.contents.is_empty()
    }

    public fun destroy_empty<K: copy, V>(self: VecMap<K, V>) {
        let VecMap { contents } = self;
        assert!(contents.is_empty(), EMapNotEmpty);
        contents.destroy_empty()
    }

    public fun into_keys_values<K: copy, V>(self: VecMap<K, V>): (vector<K>, vector<V>) {
        let VecMap { contents } = self;
        let mut keys = vector[];
        let mut values = vector[];
        contents.do!(|entry| {
            let Entry { key, value } = entry;
            keys.push_back(key);
            values.push_back(value);
        });
        (keys, values)
    }

    public fun from_keys_values<K: copy, V>(
        mut keys: vector<K>,
        mut values: vector<V>,
    ): VecMap<K, V> {
        assert!(keys.length() == values.length(), EUnequalLengths);
        keys.reverse();
        values.reverse();
        let mut map = empty();
        while (keys.length() != 0) map.insert(keys.pop_back(), values.pop_back());
        keys.destroy_empty();
        values.destroy_empty();
        map
    }

    public fun keys<K: copy, V>(self: &VecMap<K, V>): vector<K> {
        self.contents.map_ref!(|entry| entry.key)
    }

    public fun get_idx_opt<K: copy, V>(self: &VecMap<K, V>, key: &K): Option<u64> {
        let mut i = 0;
        while (i < self.contents.length()) {
            if (&self.contents[i].key == key) return option::some(i);
            i = i + 1;
        };
        option::none()
    }

    public fun get_idx<K: copy, V>(self: &VecMap<K, V>, key: &K): u64 {
        let found = self.get_idx_opt(key);
        assert!(found.is_some(), EKeyDoesNotExist);
        found.destroy_some()
    }

    public fun get_entry_by_idx<K: copy, V>(self: &VecMap<K, V>, idx: u64): (&K, &V) {
        assert!(idx < self.contents.length(), EIndexOutOfBounds);
        let entry = &self.contents[idx];
        (&entry.key, &entry.value)
    }

    public fun remove_entry_by_idx<K: copy, V>(self: &mut VecMap<K, V>, idx: u64): (K, V) {
        assert!(idx < self.contents.length(), EIndexOutOfBounds);
        let Entry { key, value } = self.contents.remove(idx);
        (key, value)
    }
}
