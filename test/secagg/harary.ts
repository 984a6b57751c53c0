/**
 * @module A graph with fewer edges than the complete one, to see that a round asks the graph and
 * assumes nothing: the Harary graph over a permutation of the members that the beacon gives (Bell
 * et al. 2020, section 3). For tests: k and t are not derived from a share of corrupt members here.
 */
import { sha256 } from '../../protocol/bytes.ts';
import type { Graph } from '../../protocol/secagg/index.ts';

/** Members in the order of hashes that nobody knows before the beacon. */
const permutation = (n: number, beacon: Uint8Array): number[] =>
  Array.from({ length: n }, (_, i) => i)
    .map((i) => [i, Buffer.from(sha256(beacon, new Uint8Array([i])))] as const)
    .toSorted(([, a], [, b]) => Buffer.compare(a, b))
    .map(([i]) => i);

/** Each member with the k / 2 that come before and after it in a ring. @param k even, below n */
export const hararyGraph = (k: number, t: number): Graph => ({
  neighbours: (n, i, beacon) => {
    const ring = permutation(n, beacon);
    const at = ring.indexOf(i);
    const steps = Array.from({ length: k / 2 }, (_, step) => step + 1);
    return steps
      .flatMap((step) => [ring[(at + step) % n]!, ring[(at - step + n) % n]!])
      .toSorted((a, b) => a - b);
  },
  threshold: () => t,
});
