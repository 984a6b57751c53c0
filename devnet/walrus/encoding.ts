/**
 * @module RedStuff encoding of whole blobs by Walrus's own library, and a decoding without a
 * decoder: the code is systematic, so the first K1 primary slivers are the rows of the blob.
 */
import { BlobEncoder } from '@mysten/walrus-wasm';
import * as v from 'valibot';
import {
  formatBlobId,
  sliverSymbols,
  sourceSymbols,
  symbolSize,
  type SliverAxis,
} from './layout.ts';

const Bytes = v.custom<ArrayLike<number>>(
  (value) => Array.isArray(value) || value instanceof Uint8Array,
);
/** A hash, as the encoder gives it. */
const Hash = v.object({ Digest: Bytes });
const Hashes = v.array(v.object({ primary_hash: Hash, secondary_hash: Hash }));
const Encoded = v.looseTuple([
  v.object({ blob_id: Bytes, metadata: v.object({ V1: v.object({ hashes: Hashes }) }) }),
]);

/** Merkle roots of the slivers of each pair. */
export type EncodedHashes = v.InferOutput<typeof Hashes>;

/** A blob and all of its slivers in BCS form, by pair. Nobody may change the bytes. */
export interface EncodedBlob {
  /** The bytes that were encoded. */
  readonly source: Uint8Array;
  readonly primary: readonly Uint8Array[];
  readonly secondary: readonly Uint8Array[];
}

/** Where a sliver stands: `pair/axis`. */
export type SliverKey = `${number}/${SliverAxis}`;

/** One sliver of an encoded blob. */
export const sliverOf = (encoded: EncodedBlob, key: SliverKey): Uint8Array | undefined => {
  const [pair, axis] = key.split('/');
  return (axis === 'primary' ? encoded.primary : encoded.secondary)[Number(pair)];
};

/** Bytes of memory that an encoded blob takes. */
export const encodedBytes = ({ source, primary, secondary }: EncodedBlob): number =>
  source.length +
  primary.length * (primary[0]?.length ?? 0) +
  secondary.length * (secondary[0]?.length ?? 0);

/**
 * BCS length of a sliver with so many bytes of symbols: a length in ULEB128, the symbols, symbol
 * size and index.
 */
const sliverLength = (length: number): number => {
  let prefix = 1;
  for (let rest = length; rest >= 128; rest = Math.floor(rest / 128)) prefix += 1;
  return prefix + length + 4;
};

/**
 * Encodes a blob. Blocks the thread: about 80 ms for 0.5 MB on 52 shards.
 *
 * @throws {Error} when it is too large for so many shards
 */
export const encodeBlob = (
  source: Uint8Array,
  shards: number,
): { readonly blobId: string; readonly encoded: EncodedBlob; readonly hashes: EncodedHashes } => {
  const counts = sourceSymbols(shards);
  const symbol = symbolSize(source.length, shards);
  const buffers = (symbols: number): Uint8Array[] =>
    Array.from({ length: shards }, () => new Uint8Array(sliverLength(symbols * symbol)));
  const [primary, secondary] = [buffers(counts.secondary), buffers(counts.primary)];
  const encoder = new BlobEncoder(shards);
  try {
    const result: unknown = encoder.encode(source, primary, secondary);
    const [{ blob_id: id, metadata }] = v.parse(Encoded, result);
    return {
      blobId: formatBlobId(Uint8Array.from(id)),
      encoded: { source, primary, secondary },
      hashes: metadata.V1.hashes,
    };
  } finally {
    encoder.free();
  }
};

/**
 * The blob of `size` bytes that the first K1 primary slivers spell.
 *
 * @param sliver gives the BCS bytes of the primary sliver of a pair
 * @returns undefined when one of them is missing
 */
export const joinRows = (
  size: number,
  shards: number,
  sliver: (pair: number) => Uint8Array | undefined,
): Uint8Array | undefined => {
  const { primary, secondary } = sourceSymbols(shards);
  const row = secondary * symbolSize(size, shards);
  const bytes = new Uint8Array(size);
  for (let pair = 0; pair < primary; pair += 1) {
    const held = sliver(pair);
    if (!held) return undefined;
    const at = pair * row;
    if (at < size) bytes.set(sliverSymbols(held).subarray(0, size - at), at);
  }
  return bytes;
};
