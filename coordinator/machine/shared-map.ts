/**
 * @module A persistent map: its versions share their common parts. A state of the machine is
 * immutable, so every login makes a new map of all participants, and full copies would cost the
 * square of their number. A small map is copied whole. A large one is split into buckets, of which
 * a new version copies one; its order is that of the buckets.
 */
import type { Hex } from './state.ts';

/** Up to here a copy is cheaper than buckets. */
const FEW = 512;
const BUCKETS = 256;

type Buckets<Value> = readonly ReadonlyMap<Hex, Value>[];

/**
 * Buckets by the first byte of the key. Choosing a key to share a bucket gains nothing: a bucket is
 * itself a map.
 */
const bucketOf = (key: Hex): number => Number.parseInt(key.slice(0, 2), 16) % BUCKETS || 0;

const bucketsOf = new WeakMap<ReadonlyMap<Hex, unknown>, Buckets<unknown>>();

const viewOf = <Value>(buckets: Buckets<Value>, size: number): ReadonlyMap<Hex, Value> => {
  const entries = function* (): MapIterator<[Hex, Value]> {
    for (const bucket of buckets) yield* bucket;
  };
  const view: ReadonlyMap<Hex, Value> = {
    size,
    get: (key) => buckets[bucketOf(key)]?.get(key),
    has: (key) => buckets[bucketOf(key)]?.has(key) === true,
    forEach: (take) => {
      for (const [key, value] of entries()) take(value, key, view);
    },
    entries,
    keys: function* (): MapIterator<Hex> {
      for (const bucket of buckets) yield* bucket.keys();
    },
    values: function* (): MapIterator<Value> {
      for (const bucket of buckets) yield* bucket.values();
    },
    [Symbol.iterator]: entries,
  };
  bucketsOf.set(view, buckets);
  return view;
};

const split = <Value>(map: ReadonlyMap<Hex, Value>): Buckets<Value> => {
  const known = bucketsOf.get(map) as Buckets<Value> | undefined;
  if (known !== undefined) return known;
  const buckets = Array.from({ length: BUCKETS }, () => new Map<Hex, Value>());
  for (const [key, value] of map) buckets[bucketOf(key)]?.set(key, value);
  return buckets;
};

/** Another version, in which `change` was made to the one map that holds the key. */
const changed = <Value>(
  map: ReadonlyMap<Hex, Value>,
  key: Hex,
  change: (own: Map<Hex, Value>) => void,
): ReadonlyMap<Hex, Value> => {
  if (map.size < FEW) {
    const copy = new Map(map);
    change(copy);
    return copy;
  }
  const buckets = split(map);
  const at = bucketOf(key);
  const before = buckets[at] ?? new Map<Hex, Value>();
  const bucket = new Map(before);
  change(bucket);
  return viewOf(buckets.with(at, bucket), map.size + bucket.size - before.size);
};

/** The map with one entry set. */
export const withShared = <Value>(
  map: ReadonlyMap<Hex, Value>,
  key: Hex,
  value: Value,
): ReadonlyMap<Hex, Value> => changed(map, key, (own) => own.set(key, value));

/** The map without one entry. */
export const withoutShared = <Value>(
  map: ReadonlyMap<Hex, Value>,
  key: Hex,
): ReadonlyMap<Hex, Value> => (map.has(key) ? changed(map, key, (own) => own.delete(key)) : map);
