/**
 * @module Full verification of slivers without a Reed-Solomon decoder. RedStuff works row by row
 * and column by column, so the slivers of one axis become the rows (columns) of a new blob. After
 * its encoding, the hashes of the packed slivers must equal those in the metadata. One encoding
 * checks up to K1 primary or K2 secondary slivers.
 */
import { encodeBlob, type EncodedHashes } from './encoding.ts';
import { sourceSymbols, type Metadata, type SliverAxis } from './layout.ts';

const matches = (
  hash: EncodedHashes[number]['primary_hash'] | undefined,
  expected: Uint8Array | undefined,
): boolean =>
  hash !== undefined &&
  expected !== undefined &&
  Buffer.from(Uint8Array.from(hash.Digest)).equals(expected);

/**
 * The pairs among `slivers` whose symbols do not hash to what the metadata says.
 *
 * @param slivers symbols by pair, all of one axis and of the right length.
 */
export const corruptSlivers = (
  slivers: ReadonlyMap<number, Uint8Array>,
  axis: SliverAxis,
  metadata: Metadata,
  shards: number,
): readonly number[] => {
  const { primary, secondary } = sourceSymbols(shards);
  const perBatch = axis === 'primary' ? primary : secondary;
  const pairs = [...slivers.keys()];
  const bad: number[] = [];
  for (let start = 0; start < pairs.length; start += perBatch) {
    const batch = pairs.slice(start, start + perBatch);
    const length = slivers.get(batch[0] ?? 0)?.length ?? 0;
    const symbol = length / (axis === 'primary' ? secondary : primary);
    const packed = new Uint8Array(primary * secondary * symbol);
    batch.forEach((pair, place) => {
      const sliver = slivers.get(pair) ?? new Uint8Array();
      if (axis === 'primary') packed.set(sliver, place * length);
      else
        for (let row = 0; row < primary; row += 1)
          packed.set(
            sliver.subarray(row * symbol, (row + 1) * symbol),
            (row * secondary + place) * symbol,
          );
    });
    const { hashes } = encodeBlob(packed, shards);
    batch.forEach((pair, place) => {
      const expected = metadata.hashes[pair]?.[axis];
      const found =
        axis === 'primary'
          ? hashes[place]?.primary_hash
          : hashes[shards - 1 - place]?.secondary_hash;
      if (!matches(found, expected)) bad.push(pair);
    });
  }
  return bad;
};
