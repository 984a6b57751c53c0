/**
 * @module Batches: a partition of the members that follows from the specification alone, and the
 * rule that a batch takes part whole or not at all.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { batchCount, partition } from '../../protocol/rules/batches.ts';
import { batchesOf, selectionFault } from '../../protocol/rules/selection.ts';
import { makeRunSpec, MAX_COHORT, MAX_MEMBERS, MIN_COHORT } from '../../protocol/spec/run-spec.ts';
import { testSpec } from '../support/run.ts';

const keysOf = (count: number, salt = 'k'): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => sha256(utf8(`${salt}${i}`))).toSorted(compareBytes);
const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const sizes = fc
  .tuple(fc.integer({ min: MIN_COHORT, max: 40 }), fc.integer({ min: 0, max: 30 }))
  .map(([minimum, more]) => ({ minimum, size: Math.min(MAX_COHORT, minimum + more) }));
const hexes = (keys: readonly Uint8Array[]): string[] => keys.map(toHex);

describe('the partition into batches', () => {
  it('puts every member into exactly one batch, and keeps every batch within the sizes', () => {
    fc.assert(
      fc.property(id, fc.integer({ min: 3, max: 200 }), sizes, (of, members, within) => {
        const keys = keysOf(members);
        const batches = partition(of, keys, within);
        if (batchCount(members, within) === undefined) return batches.length === 0;
        const lengths = batches.map(({ length }) => length);
        expect(hexes(batches.flat()).toSorted()).toEqual(hexes(keys));
        expect(Math.min(...lengths)).toBeGreaterThanOrEqual(within.minimum);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(within.size);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
        return batches.every((batch) => hexes(batch).join() === hexes(batch).toSorted().join());
      }),
    );
  });

  it('finds a count exactly where some partition keeps within the sizes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), sizes, (members, { minimum, size }) => {
        const possible = Array.from({ length: members }, (_, i) => i + 1).some(
          (count) => count * minimum <= members && members <= count * size,
        );
        return (batchCount(members, { minimum, size }) !== undefined) === possible;
      }),
    );
  });

  it('follows from the id and the set of keys, not from their order', () => {
    const keys = keysOf(30);
    const within = { minimum: 4, size: 7 };
    const [a, b] = [new Uint8Array(16), new Uint8Array(16).fill(1)];
    const show = (of: Uint8Array, list: readonly Uint8Array[]) =>
      partition(of, list, within).map(hexes);
    expect(show(a, keys.toReversed())).toEqual(show(a, keys));
    expect(show(b, keys)).not.toEqual(show(a, keys));
  });
});

describe('a specification with batches', () => {
  const closed = (count: number) => ({ type: 'closed' as const, keys: keysOf(count) });
  const batched = (count: number, cohort: { size: number; minimum: number; overSelect?: number }) =>
    testSpec({ members: closed(count), selection: 'batches', cohort });

  it('is refused by name where no partition fits, for an open run, and with over-selection', async () => {
    await expect(batched(11, { size: 10, minimum: 6 })).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringContaining('cannot be cut into batches') as string,
    });
    await expect(testSpec({ selection: 'batches' })).rejects.toThrow(/closed run/u);
    await expect(batched(12, { size: 6, minimum: 6, overSelect: 2 })).rejects.toThrow(
      /overSelect: a batch takes part whole/u,
    );
  });

  it('takes one whole batch as invited, cohort and survivors, and nothing else', async () => {
    const spec = await batched(12, { size: 5, minimum: 4 });
    const [first = [], second = []] = batchesOf(spec);
    expect(batchesOf(spec)).toHaveLength(3);
    expect(selectionFault(spec, first, 'cohort')).toBeUndefined();
    const mixed = [...first.slice(1), second[0] as Uint8Array].toSorted(compareBytes);
    for (const keys of [first.slice(1), mixed, [...first, ...second].toSorted(compareBytes), []])
      expect(selectionFault(spec, keys, 'cohort')).toMatchObject({ code: 'batch_incomplete' });
    const stranger = [...first.slice(1), new Uint8Array(32).fill(255)];
    expect(selectionFault(spec, stranger, 'cohort')).toMatchObject({ code: 'not_a_member' });
  });
});

describe('the members of a specification', () => {
  it('are part of its hash in one order, and each once', async () => {
    const keys = keysOf(5);
    const a = await testSpec({ members: { type: 'closed', keys } });
    const b = await testSpec({ members: { type: 'closed', keys: keys.toReversed() } });
    expect(a).toEqual(b);
    const twice = [...keys, keys[0] as Uint8Array];
    await expect(testSpec({ members: { type: 'closed', keys: twice } })).rejects.toThrow(
      /each key once/u,
    );
    const few = testSpec({ members: { type: 'closed', keys: keysOf(3) }, cohort: { minimum: 4 } });
    await expect(few).rejects.toThrow(/at least cohort.minimum \(4\) keys/u);
  });

  it('are at most ten thousand', async () => {
    const { coordinator, model } = await testSpec();
    const make = (count: number) =>
      makeRunSpec({
        id: new Uint8Array(16),
        coordinator,
        model,
        members: { type: 'closed', keys: keysOf(count) },
      });
    expect(() => make(MAX_MEMBERS)).not.toThrow();
    expect(() => make(MAX_MEMBERS + 1)).toThrow(/members.keys/u);
  });
});
