/**
 * @module Blobs that are kept once: slivers made on demand are the very ones that were uploaded;
 * what is not as the encoder makes it stays as it came. Compared with Walrus's own encoder.
 */
import { bcs } from '@mysten/sui/bcs';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  encodeBlob,
  encodedBytes,
  joinRows,
  sliverOf,
  type EncodedBlob,
  type SliverKey,
} from '../../devnet/walrus/encoding.ts';
import { checkSliver, parseBlobId, parseMetadata } from '../../devnet/walrus/layout.ts';
import { BlobShelf } from '../../devnet/walrus/shelf.ts';
import { BlobVault } from '../../devnet/walrus/vault.ts';

const SHARDS = 10;
const bytesOf = (length: number, seed = 1): Uint8Array =>
  new Uint8Array(length).map((_, index) => (index * 31 + seed * 17 + (index >> 8)) % 256);

const MerkleNode = bcs.enum('MerkleNode', { Empty: null, Digest: bcs.bytes(32) });
const Metadata = bcs.enum('BlobMetadata', {
  V1: bcs.struct('V1', {
    encodingType: bcs.u8(),
    length: bcs.u64(),
    hashes: bcs.vector(bcs.struct('Pair', { primary: MerkleNode, secondary: MerkleNode })),
  }),
});

interface Uploaded {
  readonly blobId: string;
  readonly id: Uint8Array;
  readonly encoded: EncodedBlob;
  readonly metadata: Uint8Array;
}

const encode = (source: Uint8Array, shards = SHARDS): Uploaded => {
  const { blobId, encoded, hashes } = encodeBlob(source, shards);
  const digest = (hash: { Digest: ArrayLike<number> }) => ({
    Digest: Uint8Array.from(hash.Digest),
  });
  const metadata = Metadata.serialize({
    V1: {
      encodingType: 1,
      length: source.length,
      hashes: hashes.map(({ primary_hash: primary, secondary_hash: secondary }) => ({
        primary: digest(primary),
        secondary: digest(secondary),
      })),
    },
  }).toBytes();
  return { blobId, id: parseBlobId(blobId)!, encoded, metadata };
};

const keys = (pairs = SHARDS): SliverKey[] =>
  Array.from({ length: pairs }, (_, pair) => [
    `${pair}/primary` as const,
    `${pair}/secondary` as const,
  ]).flat();

/** As nodes do: node i is given pairs i, i + 4, ..; `alter` may change or leave out a sliver. */
const store = (
  vault: BlobVault,
  { blobId, id, encoded, metadata }: Uploaded,
  alter: (key: SliverKey, bytes: Uint8Array) => Uint8Array | undefined = (_key, bytes) => bytes,
): void => {
  vault.open(blobId, id, metadata);
  for (const key of keys()) {
    const bytes = alter(key, Uint8Array.from(sliverOf(encoded, key)!));
    const slivers = vault.sliversOf(blobId, Number(key.split('/')[0]) % 4);
    if (bytes) vault.keep(blobId, slivers, key, bytes);
  }
  vault.certified(blobId);
};

const held = (vault: BlobVault, blobId: string): Map<SliverKey, Uint8Array> =>
  new Map(
    [...vault.holders(blobId).values()].flatMap((slivers) =>
      [...slivers.keys()].map((key) => [key, slivers.get(key)!] as const),
    ),
  );

const expected = ({ encoded }: Uploaded): Map<SliverKey, Uint8Array> =>
  new Map(keys().map((key) => [key, sliverOf(encoded, key)!]));

test('the code is systematic: the first rows spell the blob; the id is that of the metadata', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(4, 10, 13, 52),
      fc.uint8Array({ minLength: 1, maxLength: 6_000 }),
      (shards, source) => {
        const { blobId, id, encoded, metadata } = encode(source, shards);
        expect(joinRows(source.length, shards, (pair) => encoded.primary[pair])).toEqual(source);
        expect(parseMetadata(metadata, id, shards).size).toBe(source.length);
        expect(blobId).toHaveLength(43);
        for (const axis of ['primary', 'secondary'] as const)
          for (let pair = 0; pair < shards; pair += 1)
            checkSliver(encoded[axis][pair]!, { axis, pair, size: source.length, shards });
      },
    ),
    { numRuns: 30 },
  );
});

test('a sliver of any other form is refused', () => {
  const { encoded } = encode(bytesOf(5_000));
  const good = encoded.primary[3]!;
  const check = (bytes: Uint8Array) => () =>
    checkSliver(bytes, { axis: 'primary', pair: 3, size: 5_000, shards: SHARDS });
  expect(check(good)).not.toThrow();
  expect(check(good.slice(0, -1))).toThrow(/expected/);
  expect(check(Buffer.concat([good, Uint8Array.of(0)]))).toThrow(/after/);
  expect(check(encoded.primary[2]!)).toThrow(/index/);
  expect(check(new Uint8Array())).toThrow(/length/);
  expect(check(new Uint8Array(9).fill(255))).toThrow(/length/);
  expect(check(Uint8Array.of(0x80, 0, 0, 0, 3, 0))).toThrow(/shortest/);
});

test('uploaded slivers are dropped, and computed again with the same bytes', () => {
  const vault = new BlobVault(SHARDS, { loose: 0, encoded: 0 });
  const blobs = [1, 2, 3].map((seed) => encode(bytesOf(7_000, seed)));
  for (const blob of blobs) store(vault, blob);
  expect(vault.memory).toMatchObject({ blobs: 21_000, slivers: 0 });
  for (const blob of blobs) expect(held(vault, blob.blobId)).toEqual(expected(blob));
  // One encoded blob at a time is all that is kept.
  expect(vault.memory.encoded).toBe(encodedBytes(blobs[2]!.encoded));
});

test('blobs beyond a limit leave the memory, and are read again as they were', () => {
  const limit = 10_000;
  const vault = new BlobVault(SHARDS, { loose: 0, encoded: 0, blobs: limit });
  const blobs = [1, 2, 3, 4].map((seed) => encode(bytesOf(7_000, seed)));
  for (const blob of blobs) store(vault, blob);
  expect(vault.memory).toMatchObject({ blobs: 28_000, shelf: 7_000 });
  for (const { blobId, encoded } of [...blobs, ...blobs.toReversed()]) {
    expect(vault.source(blobId)).toEqual(encoded.source);
    expect(vault.memory.shelf).toBeLessThanOrEqual(limit);
  }
  for (const blob of blobs) expect(held(vault, blob.blobId)).toEqual(expected(blob));
  vault.close();
  expect(() => vault.source(blobs[0]!.blobId)).toThrow(/closed/);
});

test('the shelf has no file before it needs one, and leaves none behind', () => {
  const mine = (): string[] =>
    readdirSync(tmpdir()).filter((name) => name.startsWith(`floe-devnet-${process.pid}-`));
  const shelf = new BlobShelf(100);
  const small = shelf.keep(new Uint8Array(90).fill(1));
  const large = shelf.keep(new Uint8Array(5_000).fill(2));
  const empty = shelf.keep(new Uint8Array());
  expect(small.read()).toEqual(new Uint8Array(90).fill(1));
  expect(large.read()).toEqual(new Uint8Array(5_000).fill(2));
  expect(empty.read()).toEqual(new Uint8Array());
  if (process.platform !== 'win32') expect(mine()).toEqual([]);
  shelf.close();
  shelf.close();
  expect(mine()).toEqual([]);
  expect(() => small.read()).toThrow(/closed/);
});

test('what the relay encoded is never kept twice', () => {
  const vault = new BlobVault(SHARDS);
  const blob = encode(bytesOf(4_000));
  vault.offer(blob.blobId, blob.encoded);
  store(vault, blob);
  expect(vault.memory).toMatchObject({ blobs: 4_000, slivers: 0 });
  expect(held(vault, blob.blobId)).toEqual(expected(blob));
});

test('recent uploads wait unencoded up to a limit', () => {
  const vault = new BlobVault(SHARDS, { loose: 60_000 });
  const blobs = [1, 2, 3, 4].map((seed) => encode(bytesOf(7_000, seed)));
  for (const blob of blobs) store(vault, blob);
  const { slivers } = vault.memory;
  expect(slivers).toBeGreaterThan(0);
  expect(slivers).toBeLessThanOrEqual(60_000);
  vault.settleAll();
  expect(vault.memory.slivers).toBe(0);
});

test('a sliver that differs stays as it came, beside those that follow from the blob', () => {
  const vault = new BlobVault(SHARDS);
  const blob = encode(bytesOf(3_000));
  const wrong: SliverKey = '7/secondary';
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((b, at) => (at === 40 ? b ^ 1 : b));
  store(vault, blob, (key, bytes) => (key === wrong ? flip(bytes) : bytes));
  vault.settleAll();
  const bad = flip(sliverOf(blob.encoded, wrong)!);
  expect(held(vault, blob.blobId)).toEqual(expected(blob).set(wrong, bad));
  expect(vault.memory.slivers).toBe(bad.length);
});

test('slivers that do not spell this blob are kept, all of them', () => {
  const vault = new BlobVault(SHARDS);
  const blob = encode(bytesOf(3_000));
  const other = encode(bytesOf(3_000, 9));
  // The metadata of one blob, the slivers of another.
  store(vault, { ...blob, encoded: other.encoded });
  vault.settleAll();
  expect(held(vault, blob.blobId)).toEqual(expected(other));
  expect(vault.source(blob.blobId)).toBeUndefined();
  // A row that no node holds.
  store(vault, other, (key, bytes) => (key === '0/primary' ? undefined : bytes));
  vault.settleAll();
  const rest = expected(other);
  rest.delete('0/primary');
  expect(held(vault, other.blobId)).toEqual(rest);
});

test('a saved blob that is another is found out when it is used', () => {
  const vault = new BlobVault(SHARDS);
  const { blobId, id, metadata } = encode(bytesOf(2_000));
  vault.restore(blobId, id, metadata, bytesOf(2_000, 2));
  const slivers = vault.sliversOf(blobId, 0);
  slivers.set('0/primary');
  expect(() => slivers.get('0/primary')).toThrow(/expected blob/);
  expect(() => vault.provenSource(blobId)).toThrow(/expected blob/);
  expect(() => vault.restore(blobId, id, metadata.slice(1), undefined)).toThrow();
});
