/**
 * @module The numbers and byte layouts of Walrus: the number of symbols, the shard of each sliver,
 * the layout of slivers and metadata, and the blob id, which follows from the metadata (RedStuff
 * with Reed-Solomon codes, encoding type 1).
 */
import { bcs } from '@mysten/sui/bcs';
import { fromBase64, toBase64 } from '@mysten/sui/utils';
import { blake2b256, u64le } from '../chain/objects.ts';

/** The one encoding type the devnet accepts (RS2). */
export const RS2 = 1;
/** Largest symbol in bytes: even, and below 2^16. */
const MAX_SYMBOL = 65_534;

/** How a blob is cut for `shards` shards. */
export interface SourceSymbols {
  /** K1: primary slivers that suffice to decode. */
  readonly primary: number;
  /** K2: secondary slivers that suffice to decode. */
  readonly secondary: number;
}

export const sourceSymbols = (shards: number): SourceSymbols => {
  const faulty = Math.floor((shards - 1) / 3);
  return { primary: shards - 2 * faulty, secondary: shards - faulty };
};

/** Bytes of one symbol for a blob of `size` bytes. */
export const symbolSize = (size: number, shards: number): number => {
  const { primary, secondary } = sourceSymbols(shards);
  const exact = Math.ceil(Math.max(size, 1) / (primary * secondary));
  return exact + (exact % 2);
};

/** The largest blob in bytes that `shards` shards can hold. */
export const maxBlobSize = (shards: number): number => {
  const { primary, secondary } = sourceSymbols(shards);
  return primary * secondary * MAX_SYMBOL;
};

/**
 * How far the shards are rotated for this blob: its id as a big-endian number, modulo the shards.
 */
const rotation = (blobId: Uint8Array, shards: number): number =>
  blobId.reduce((rest, byte) => (rest * 256 + byte) % shards, 0);

/** The shard that holds a sliver pair. */
export const shardOfPair = (pair: number, blobId: Uint8Array, shards: number): number =>
  (pair + rotation(blobId, shards)) % shards;

const BLOB_ID = /^[A-Za-z0-9_-]{43}$/;

/** The 32 bytes of a blob id in its text form (base64url without padding), or undefined. */
export const parseBlobId = (text: string): Uint8Array | undefined => {
  if (!BLOB_ID.test(text)) return undefined;
  const bytes = fromBase64(`${text.replaceAll('-', '+').replaceAll('_', '/')}=`);
  return formatBlobId(bytes) === text ? bytes : undefined;
};

export const formatBlobId = (bytes: Uint8Array): string =>
  toBase64(bytes).replace(/=*$/, '').replaceAll('+', '-').replaceAll('/', '_');

/** A blob id as the chain has it: the bytes as a little-endian number. */
export const blobIdOfNumber = (value: bigint | string): string =>
  formatBlobId(bcs.u256().serialize(value).toBytes());

const MerkleNode = bcs.enum('MerkleNode', { Empty: null, Digest: bcs.bytes(32) });

const BlobMetadata = bcs.enum('BlobMetadata', {
  V1: bcs.struct('BlobMetadataV1', {
    encodingType: bcs.u8(),
    unencodedLength: bcs.u64(),
    hashes: bcs.vector(
      bcs.struct('SliverPairMetadata', { primary: MerkleNode, secondary: MerkleNode }),
    ),
  }),
});

/** A blob's metadata, compared with its id. */
export interface Metadata {
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Merkle roots of the slivers of each pair. */
  readonly hashes: readonly { readonly primary: Uint8Array; readonly secondary: Uint8Array }[];
}

const EMPTY = new Uint8Array(32);

const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array => {
  let level = leaves.map((leaf) => blake2b256(Uint8Array.of(0), leaf));
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2)
      next.push(blake2b256(Uint8Array.of(1), level[at] ?? EMPTY, level[at + 1] ?? EMPTY));
    level = next;
  }
  return level[0] ?? EMPTY;
};

/**
 * Parses metadata and compares it with the blob id.
 *
 * @throws {Error} when it is malformed, is for another number of shards or gives another id.
 */
export const parseMetadata = (bytes: Uint8Array, blobId: Uint8Array, shards: number): Metadata => {
  const { encodingType, unencodedLength, hashes: pairs } = BlobMetadata.parse(bytes).V1;
  if (encodingType !== RS2) throw new Error(`expected encoding type ${RS2}, got ${encodingType}`);
  if (pairs.length !== shards)
    throw new Error(`expected hashes of ${shards} sliver pairs, got ${pairs.length}`);
  const hashes = pairs.map(({ primary, secondary }) => ({
    primary: primary.Digest ?? EMPTY,
    secondary: secondary.Digest ?? EMPTY,
  }));
  const root = merkleRoot(
    hashes.map(({ primary, secondary }) => Buffer.concat([primary, secondary])),
  );
  const id = blake2b256(Uint8Array.of(RS2), u64le(BigInt(unencodedLength)), root);
  if (!Buffer.from(id).equals(blobId))
    throw new Error(`the metadata is that of blob ${formatBlobId(id)}`);
  const size = Number(unencodedLength);
  if (size > maxBlobSize(shards)) throw new Error(`a blob of ${size} bytes is too large`);
  return { bytes, size, hashes };
};

export type SliverAxis = 'primary' | 'secondary';

/**
 * A sliver in its BCS form, taken apart without a copy: length (ULEB128), symbols, symbol size,
 * index.
 */
interface SliverParts {
  readonly symbols: Uint8Array;
  readonly symbolSize: number;
  readonly index: number;
}

/** Bytes after the symbols: symbol size and index, u16 each. */
const SLIVER_TAIL = 4;

const parseSliver = (bytes: Uint8Array): SliverParts => {
  let length = 0;
  let head = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[head];
    head += 1;
    if (byte === undefined || head > 5) throw new Error('expected a sliver with a length');
    length += (byte % 128) * factor;
    if (byte >= 128) continue;
    if (byte === 0 && head > 1) throw new Error('expected the length in its shortest form');
    break;
  }
  const end = head + length;
  if (bytes.length < end + SLIVER_TAIL)
    throw new Error(`expected ${end + SLIVER_TAIL} bytes of a sliver, got ${bytes.length}`);
  if (bytes.length > end + SLIVER_TAIL) throw new Error('there are bytes after the sliver');
  const tail = new DataView(bytes.buffer, bytes.byteOffset + end);
  return {
    symbols: bytes.subarray(head, end),
    symbolSize: tail.getUint16(0, true),
    index: tail.getUint16(2, true),
  };
};

/** The symbols of a sliver in its BCS form. */
export const sliverSymbols = (bytes: Uint8Array): Uint8Array => parseSliver(bytes).symbols;

/**
 * Checks what can be seen without decoding: length, symbol size, index.
 *
 * @throws {Error} naming what does not fit.
 */
export const checkSliver = (
  bytes: Uint8Array,
  options: {
    readonly axis: SliverAxis;
    readonly pair: number;
    readonly size: number;
    readonly shards: number;
  },
): void => {
  const { axis, pair, size, shards } = options;
  const symbol = symbolSize(size, shards);
  const { primary, secondary } = sourceSymbols(shards);
  const sliver = parseSliver(bytes);
  const length = symbol * (axis === 'primary' ? secondary : primary);
  const index = axis === 'primary' ? pair : shards - 1 - pair;
  if (sliver.symbols.length !== length)
    throw new Error(`expected ${length} bytes in the ${axis} sliver, got ${sliver.symbols.length}`);
  if (sliver.symbolSize !== symbol)
    throw new Error(`expected symbols of ${symbol} bytes, got ${sliver.symbolSize}`);
  if (sliver.index !== index) throw new Error(`expected index ${index}, got ${sliver.index}`);
};

/** The message with which a node confirms that it stores a blob. `objectId` for deletable blobs. */
export const confirmationMessage = (
  epoch: number,
  blobId: Uint8Array,
  objectId: Uint8Array | undefined,
): Uint8Array => {
  const head = new Uint8Array(7);
  head.set([1, 0, 3]);
  new DataView(head.buffer).setUint32(3, epoch, true);
  return Buffer.concat(
    objectId ? [head, blobId, Uint8Array.of(1), objectId] : [head, blobId, Uint8Array.of(0)],
  );
};
