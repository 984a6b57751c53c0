/**
 * @module Many logins: what one costs does not grow with those that came before, and the versions
 * of the map of participants stay what they were.
 */
import { describe, expect, it, vi } from 'vitest';
import { withoutShared, withShared } from '../../coordinator/machine/shared-map.ts';
import type { Hex } from '../../coordinator/machine/state.ts';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';

const keyOf = (i: number): Hex => toHex(sha256(utf8(`key ${i}`)));

const sorted = (map: ReadonlyMap<Hex, number>): [Hex, number][] =>
  [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));

describe('a map with shared versions', () => {
  it('is at every version what a copy would be', () => {
    let map: ReadonlyMap<Hex, number> = new Map();
    const plain = new Map<Hex, number>();
    const versions: (readonly [ReadonlyMap<Hex, number>, [Hex, number][]])[] = [];
    for (let i = 0; i < 2_000; i += 1) {
      // Set, set anew and removed, below and above the size at which buckets begin.
      const key = keyOf(i % 3 === 2 ? (i * 7) % 900 : i);
      const isRemoval = i % 5 === 4;
      map = isRemoval ? withoutShared(map, key) : withShared(map, key, i);
      if (isRemoval) plain.delete(key);
      else plain.set(key, i);
      if (i % 100 === 0) versions.push([map, sorted(plain)]);
    }
    for (const [version, expected] of [...versions, [map, sorted(plain)] as const]) {
      expect(sorted(version)).toEqual(expected);
      expect(version.size).toBe(expected.length);
      expect([...version.keys()].toSorted()).toEqual(expected.map(([key]) => key));
      expect(expected.every(([key, value]) => version.get(key) === value)).toBe(true);
      expect(version.has('00'.repeat(32))).toBe(false);
    }
  });

  it('copies a small part of the entries for another one', () => {
    let map: ReadonlyMap<Hex, number> = new Map();
    for (let i = 0; i < 5_000; i += 1) map = withShared(map, keyOf(i), i);
    const set = vi.spyOn(Map.prototype, 'set');
    const iterated = vi.spyOn(Map.prototype, Symbol.iterator);
    try {
      map = withShared(map, keyOf(5_000), 5_000);
      expect(
        iterated.mock.contexts.every((copied) => (copied as Map<Hex, number>).size < 100),
      ).toBe(true);
      expect(set.mock.calls.length).toBeLessThan(100);
    } finally {
      set.mockRestore();
      iterated.mockRestore();
    }
    expect(map.size).toBe(5_001);
  });
});
