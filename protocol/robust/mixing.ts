/**
 * @module What is done to the vectors before a rule: bucketing, and nearest-neighbour mixing. Both
 * replace them by means of some, so that vectors of unlike sites lie nearer to each other.
 */
import { compareBytes, sha256, utf8 } from '../bytes.ts';
import { ascending, squaredDistances } from './distances.ts';

const TAG = utf8('floe/bucketing/v1');
const INDEX_BYTES = 4;

const ticketOf = (seed: Uint8Array, i: number): Uint8Array => {
  const index = new Uint8Array(INDEX_BYTES);
  new DataView(index.buffer).setUint32(0, i);
  return sha256(TAG, seed, index);
};

/**
 * Buckets of `size` vectors, the last of fewer (Karimireddy, He, Jaggi 2022, algorithm 1). The
 * order is that of SHA-256(tag || seed || index).
 *
 * @returns rows of indices
 */
export const buckets = (
  count: number,
  size: number,
  seed: Uint8Array,
): readonly (readonly number[])[] => {
  const order = Array.from({ length: count }, (_, i) => ({ i, ticket: ticketOf(seed, i) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket))
    .map(({ i }) => i);
  const length = Math.ceil(count / size);
  return Array.from({ length }, (_, row) => order.slice(row * size, (row + 1) * size));
};

/**
 * Of each vector, its n - f nearest, itself among them (Allouah et al. 2023, "Fixing by Mixing",
 * algorithm 2).
 */
export const nearest = (
  vectors: readonly Float32Array[],
  byzantine: number,
): readonly (readonly number[])[] =>
  squaredDistances(vectors).map((row, i) => {
    // Itself comes first, also where another vector equals it.
    const own = row.map((distance, j) => (j === i ? -1 : distance));
    return ascending(own).slice(0, vectors.length - byzantine);
  });
