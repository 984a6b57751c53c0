/** @module Damage to a file, repeatable: cut short, one bit changed, or a few bytes. */

export type Damage =
  | { readonly type: 'cut'; readonly length: number }
  | { readonly type: 'bit'; readonly at: number; readonly bit: number }
  | { readonly type: 'bytes'; readonly seed: number };

export interface DamagedFile {
  /** Of `FILES`. */
  readonly name: string;
  readonly damage: Damage;
}

/** Numbers from 0 to below `n` (Numerical Recipes' congruence). */
const numbersOf = (seed: number): ((n: number) => number) => {
  let state = Math.imul(seed, 2_654_435_761) >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
};

export const damaged = (right: Uint8Array, damage: Damage): Uint8Array => {
  if (damage.type === 'cut') return right.subarray(0, damage.length);
  const bytes = Uint8Array.from(right);
  if (damage.type === 'bit') {
    bytes[damage.at] = (bytes[damage.at] as number) ^ (1 << damage.bit);
    return bytes;
  }
  const next = numbersOf(damage.seed);
  next(1);
  const changes = 1 + next(6);
  for (let i = 0; i < changes; i += 1)
    bytes[next(bytes.length)] = [next(256), 0xff, 0, 0x7f, 0x80][next(5)] as number;
  return bytes;
};

/** Cuts and bits spread over the file, and changes of a few bytes. */
export const casesOf = (
  length: number,
  counts: { readonly cuts: number; readonly bits: number; readonly changes: number },
): readonly Damage[] => [
  ...Array.from({ length: Math.min(counts.cuts, length) }, (_, i, all = counts.cuts) => ({
    type: 'cut' as const,
    length: Math.floor((i * length) / Math.min(all, length)),
  })),
  ...Array.from({ length: counts.bits }, (_, i) => ({
    type: 'bit' as const,
    at: Math.floor((i * length) / counts.bits),
    bit: i % 8,
  })),
  ...Array.from({ length: counts.changes }, (_, seed) => ({ type: 'bytes' as const, seed })),
];
