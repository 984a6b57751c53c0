/**
 * @module Full verification of slivers without a Reed-Solomon decoder of our own: RedStuff works row by row and column by
 * column, so slivers of one axis are packed as rows (columns) of a blob of their own, that blob is encoded, and the hashes of
 * the packed slivers must come out as the metadata says. One encoding checks up to K1 primary or K2 secondary slivers.
 */
import { BlobEncoder } from '@mysten/walrus-wasm';
import * as v from 'valibot';
import { sourceSymbols, type Metadata, type SliverAxis } from './layout.ts';

/** Bytes of a hash, as the encoder gives them. */
const Hash = v.object({
  Digest: v.custom<ArrayLike<number>>(
    (value) => Array.isArray(value) || value instanceof Uint8Array,
  ),
});
const Hashes = v.array(v.object({ primary_hash: Hash, secondary_hash: Hash }));
const Encoded = v.looseTuple([
  v.object({ metadata: v.object({ V1: v.object({ hashes: Hashes }) }) }),
]);

type EncodedHash = v.InferOutput<typeof Hash>;

const matches = (hash: EncodedHash | undefined, expected: Uint8Array | undefined): boolean =>
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
    const hashes = encodedHashes(packed, symbol, shards);
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

const encodedHashes = (
  blob: Uint8Array,
  symbol: number,
  shards: number,
): v.InferOutput<typeof Hashes> => {
  const { primary, secondary } = sourceSymbols(shards);
  // BCS of a sliver: length prefix (up to 5 bytes), symbols, symbol size and index.
  const buffers = (symbols: number): Uint8Array[] =>
    Array.from({ length: shards }, () => new Uint8Array(sliverBytes(symbols * symbol)));
  const encoder = new BlobEncoder(shards);
  try {
    const result: unknown = encoder.encode(blob, buffers(secondary), buffers(primary));
    const [{ metadata }] = v.parse(Encoded, result);
    return metadata.V1.hashes;
  } finally {
    encoder.free();
  }
};

/** BCS length of a sliver with so many bytes of symbols. */
const sliverBytes = (length: number): number => {
  let prefix = 1;
  for (let rest = length; rest >= 128; rest = Math.floor(rest / 128)) prefix += 1;
  return prefix + length + 4;
};
