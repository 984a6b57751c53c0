/// Growable sequences. The first group are instructions of the machine.
#[defines_primitive(vector)]
module std::vector;

public use fun std::string::utf8 as vector.to_string;
public use fun std::string::try_utf8 as vector.try_to_string;
public use fun std::ascii::string as vector.to_ascii_string;
public use fun std::ascii::try_string as vector.try_to_ascii_string;

/// An index is out of bounds.
const EINDEX_OUT_OF_BOUNDS: u64 = 0x20000;

#[bytecode_instruction]
public native fun empty<Element>(): vector<Element>;

#[bytecode_instruction]
public native fun length<Element>(v: &vector<Element>): u64;

#[syntax(index)]
#[bytecode_instruction]
public native fun borrow<Element>(v: &vector<Element>, i: u64): &Element;

#[bytecode_instruction]
public native fun push_back<Element>(v: &mut vector<Element>, e: Element);

#[syntax(index)]
#[bytecode_instruction]
public native fun borrow_mut<Element>(v: &mut vector<Element>, i: u64): &mut Element;

#[bytecode_instruction]
public native fun pop_back<Element>(v: &mut vector<Element>): Element;

#[bytecode_instruction]
public native fun destroy_empty<Element>(v: vector<Element>);

#[bytecode_instruction]
public native fun swap<Element>(v: &mut vector<Element>, i: u64, j: u64);

/// A vector of one element.
public fun singleton<Element>(e: Element): vector<Element> {
    let mut v = empty();
    v.push_back(e);
    v
}

/// Turns the order around.
public fun reverse<Element>(v: &mut vector<Element>) {
    let n = v.length();
    let mut i = 0;
    while (i < n / 2) {
        v.swap(i, n - 1 - i);
        i = i + 1;
    }
}

/// Appends `other`, in order.
public fun append<Element>(lhs: &mut vector<Element>, mut other: vector<Element>) {
    other.reverse();
    while (other.length() > 0) lhs.push_back(other.pop_back());
    other.destroy_empty();
}

public fun is_empty<Element>(v: &vector<Element>): bool {
    v.length() == 0
}

public fun contains<Element>(v: &vector<Element>, e: &Element): bool {
    let (found, _) = v.index_of(e);
    found
}

/// Whether and where `e` first occurs; (false, 0) when it does not.
public fun index_of<Element>(v: &vector<Element>, e: &Element): (bool, u64) {
    let n = v.length();
    let mut i = 0;
    while (i < n) {
        if (&v[i] == e) return (true, i);
        i = i + 1;
    };
    (false, 0)
}

/// Takes element `i` out; the rest keeps its order.
public fun remove<Element>(v: &mut vector<Element>, mut i: u64): Element {
    let n = v.length();
    if (i >= n) abort EINDEX_OUT_OF_BOUNDS;
    while (i + 1 < n) {
        v.swap(i, i + 1);
        i = i + 1;
    };
    v.pop_back()
}

/// Puts `e` at place `i`; the rest moves up.
public fun insert<Element>(v: &mut vector<Element>, e: Element, mut i: u64) {
    let n = v.length();
    if (i > n) abort EINDEX_OUT_OF_BOUNDS;
    v.push_back(e);
    while (i < n) {
        v.swap(i, n);
        i = i + 1;
    }
}

/// Takes element `i` out and puts the last one in its place.
public fun swap_remove<Element>(v: &mut vector<Element>, i: u64): Element {
    assert!(v.length() != 0, EINDEX_OUT_OF_BOUNDS);
    let last = v.length() - 1;
    v.swap(i, last);
    v.pop_back()
}

/// One vector of all elements.
public fun flatten<T>(v: vector<vector<T>>): vector<T> {
    let mut all = vector[];
    v.do!(|part| all.append(part));
    all
}

public macro fun tabulate<$T>($n: u64, $f: |u64| -> $T): vector<$T> {
    let mut v = vector[];
    let n = $n;
    let mut i = 0;
    while (i < n) {
        v.push_back($f(i));
        i = i + 1;
    };
    v
}

public macro fun destroy<$T, $R: drop>($v: vector<$T>, $f: |$T| -> $R) {
    let v = $v;
    v.do!(|e| { $f(e); })
}

public macro fun do<$T, $R: drop>($v: vector<$T>, $f: |$T| -> $R) {
    let mut v = $v;
    v.reverse();
    while (v.length() > 0) { $f(v.pop_back()); };
    v.destroy_empty();
}

public macro fun do_ref<$T, $R: drop>($v: &vector<$T>, $f: |&$T| -> $R) {
    let v = $v;
    let n = v.length();
    let mut i = 0;
    while (i < n) {
        $f(&v[i]);
        i = i + 1;
    }
}

public macro fun do_mut<$T, $R: drop>($v: &mut vector<$T>, $f: |&mut $T| -> $R) {
    let v = $v;
    let n = v.length();
    let mut i = 0;
    while (i < n) {
        $f(&mut v[i]);
        i = i + 1;
    }
}

public macro fun map<$T, $U>($v: vector<$T>, $f: |$T| -> $U): vector<$U> {
    let mut r = vector[];
    let v = $v;
    v.do!(|e| r.push_back($f(e)));
    r
}

public macro fun map_ref<$T, $U>($v: &vector<$T>, $f: |&$T| -> $U): vector<$U> {
    let mut r = vector[];
    let v = $v;
    v.do_ref!(|e| r.push_back($f(e)));
    r
}

public macro fun filter<$T: drop>($v: vector<$T>, $f: |&$T| -> bool): vector<$T> {
    let mut r = vector[];
    let v = $v;
    v.do!(|e| if ($f(&e)) r.push_back(e));
    r
}

public macro fun fold<$T, $Acc>($v: vector<$T>, $init: $Acc, $f: |$Acc, $T| -> $Acc): $Acc {
    let mut acc = $init;
    let v = $v;
    v.do!(|e| acc = $f(acc, e));
    acc
}

public macro fun any<$T>($v: &vector<$T>, $f: |&$T| -> bool): bool {
    let v = $v;
    let mut i = 0;
    let mut found = false;
    while (!found && i < v.length()) {
        found = $f(&v[i]);
        i = i + 1;
    };
    found
}

public macro fun all<$T>($v: &vector<$T>, $f: |&$T| -> bool): bool {
    let v = $v;
    let mut i = 0;
    let mut holds = true;
    while (holds && i < v.length()) {
        holds = $f(&v[i]);
        i = i + 1;
    };
    holds
}

public macro fun count<$T>($v: &vector<$T>, $f: |&$T| -> bool): u64 {
    let mut n = 0;
    let v = $v;
    v.do_ref!(|e| if ($f(e)) n = n + 1);
    n
}

public macro fun zip_do<$T1, $T2, $R: drop>(
    $v1: vector<$T1>,
    $v2: vector<$T2>,
    $f: |$T1, $T2| -> $R,
) {
    let v1 = $v1;
    let mut v2 = $v2;
    v2.reverse();
    assert!(v1.length() == v2.length());
    v1.do!(|e| { $f(e, v2.pop_back()); });
    v2.destroy_empty();
}
