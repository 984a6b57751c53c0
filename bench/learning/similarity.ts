/**
 * @module Parts of a chosen similarity (Karimireddy et al. 2020, SCAFFOLD, section 7.1): a fraction
 * s of the examples is dealt at random, the others are sorted by label and dealt in order, so 0 %
 * is sorted and 100 % is iid. All parts have the same size, with the same number of each kind.
 */
import { shuffle } from '../../client/data/sampling.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';

const shuffled = (count: number, seed: Uint8Array): Uint32Array =>
  shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    seededRandom(seed),
  );

/**
 * Rows of each participant; at most `participants - 1` rows of each kind are left over.
 *
 * @param similarity in [0, 1] @param seed 32 bytes
 */
export const partsOfSimilarity = (
  labels: ArrayLike<number>,
  participants: number,
  similarity: number,
  seed: Uint8Array,
): readonly Uint32Array[] => {
  const order = shuffled(labels.length, deriveSeed(seed, 'order'));
  const cut = Math.round(similarity * labels.length);
  const random = order.slice(0, cut);
  const sorted = order.slice(cut).toSorted((a, b) => labels[a]! - labels[b]! || a - b);
  // Otherwise the numbers of the participants would follow the labels.
  const places = shuffled(participants, deriveSeed(seed, 'places'));
  const piece = (rows: Uint32Array, i: number): Uint32Array => {
    const size = Math.floor(rows.length / participants);
    return rows.slice(i * size, (i + 1) * size);
  };
  return Array.from(places, (place, i) =>
    Uint32Array.from([...piece(random, i), ...piece(sorted, place)]),
  );
};
