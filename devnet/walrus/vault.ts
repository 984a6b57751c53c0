/**
 * @module The common store of the storage nodes of one process. An encoded blob is 4.4 times its
 * size, but slivers made by the code follow from the blob: the store keeps the blob once, and the
 * slivers of recent blobs in a bounded cache. A comparison with the encoder's output establishes
 * that a sliver follows from the blob; any other sliver is kept as received.
 */
import { DevnetError } from '../errors.ts';
import { Lru } from '../lru.ts';
import {
  encodeBlob,
  encodedBytes,
  joinRows,
  sliverOf,
  type EncodedBlob,
  type SliverKey,
} from './encoding.ts';
import { parseMetadata, type Metadata } from './layout.ts';
import { BlobShelf, type Shelved } from './shelf.ts';

/** Bytes of encoded blobs that are kept at hand. */
const ENCODED_LIMIT = 24 * 1024 * 1024;
/** Bytes of slivers of certified blobs that may wait to be compared with an encoding. */
const LOOSE_LIMIT = 16 * 1024 * 1024;

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a === b || Buffer.compare(a, b) === 0;

/** The slivers that one node holds of one blob. */
export class Slivers {
  /** Undefined for a sliver that follows from the blob. */
  readonly #held = new Map<SliverKey, Uint8Array | undefined>();
  readonly #derive: (key: SliverKey) => Uint8Array;
  /** Whether something changed since the last snapshot. */
  changed = true;

  constructor(derive: (key: SliverKey) => Uint8Array) {
    this.#derive = derive;
  }

  has(key: SliverKey): boolean {
    return this.#held.has(key);
  }

  /**
   * @throws {DevnetError} snapshot_invalid when the blob that it follows from is not the one it
   * says it is
   */
  get(key: SliverKey): Uint8Array | undefined {
    return this.#held.has(key) ? (this.#held.get(key) ?? this.#derive(key)) : undefined;
  }

  /** Keeps a sliver; without bytes, one that follows from the blob. */
  set(key: SliverKey, bytes?: Uint8Array): void {
    this.#held.set(key, bytes);
    this.changed = true;
  }

  delete(key: SliverKey): void {
    this.#held.delete(key);
    this.changed = true;
  }

  keys(): Iterable<SliverKey> {
    return this.#held.keys();
  }

  /** The slivers that are kept as they came. */
  *own(): Iterable<readonly [SliverKey, Uint8Array]> {
    for (const [key, bytes] of this.#held) if (bytes) yield [key, bytes];
  }

  /** Releases the bytes of every sliver that equals the encoder's output. */
  settle(encoded: EncodedBlob): void {
    for (const [key, bytes] of this.own()) {
      const made = sliverOf(encoded, key);
      if (made && sameBytes(made, bytes)) this.set(key);
    }
  }
}

interface Entry {
  readonly metadata: Metadata;
  /** The blob, once slivers may follow from it. */
  source: Shelved | undefined;
  /** Whether the encoder has shown that it has this id; not yet after a restart. */
  isProven: boolean;
  /** By node. */
  readonly holders: Map<number, Slivers>;
}

export class BlobVault {
  readonly shards: number;
  readonly #entries = new Map<string, Entry>();
  readonly #shelf: BlobShelf;
  readonly #encoded: Lru<EncodedBlob>;
  /** Certified blobs whose slivers are kept as they came, with how many bytes that is. */
  readonly #loose = new Map<string, number>();
  readonly #looseLimit: number;
  #looseBytes = 0;

  constructor(
    shards: number,
    limits: {
      readonly encoded?: number;
      readonly loose?: number;
      /** Bytes of blobs in memory; the others are in a temporary file. */
      readonly blobs?: number;
    } = {},
  ) {
    this.shards = shards;
    this.#shelf = new BlobShelf(limits.blobs);
    this.#encoded = new Lru(limits.encoded ?? ENCODED_LIMIT);
    this.#looseLimit = limits.loose ?? LOOSE_LIMIT;
  }

  /**
   * Makes room for a blob whose metadata a node was given.
   *
   * @throws {Error} when they are not this blob's
   */
  open(blobId: string, id: Uint8Array, metadata: Uint8Array): void {
    const known = this.#entries.get(blobId);
    if (known && sameBytes(known.metadata.bytes, metadata)) return;
    const parsed = parseMetadata(metadata, id, this.shards);
    // The id is a hash of the metadata: two that both give it say the same.
    if (known) return;
    const encoded = this.#encoded.get(blobId);
    const source = encoded && this.#shelf.keep(encoded.source);
    const isProven = source !== undefined;
    this.#entries.set(blobId, { metadata: parsed, source, isProven, holders: new Map() });
  }

  /** What is known of a blob that was opened. */
  metadata(blobId: string): Metadata | undefined {
    return this.#entries.get(blobId)?.metadata;
  }

  /** The bytes of a blob that is kept as a whole. */
  source(blobId: string): Uint8Array | undefined {
    return this.#entries.get(blobId)?.source?.read();
  }

  /** The same, to be read later. */
  shelved(blobId: string): Shelved | undefined {
    return this.#entries.get(blobId)?.source;
  }

  /**
   * The same, shown by the encoder to have this id.
   *
   * @throws {DevnetError} snapshot_invalid when they have not
   */
  provenSource(blobId: string): Uint8Array | undefined {
    const entry = this.#entries.get(blobId);
    const source = entry?.source?.read();
    if (source && !entry?.isProven) this.#encode(blobId, source);
    return source;
  }

  blobIds(): readonly string[] {
    return [...this.#entries.keys()];
  }

  holders(blobId: string): ReadonlyMap<number, Slivers> {
    return this.#entries.get(blobId)?.holders ?? new Map<number, Slivers>();
  }

  /** The slivers of one node for a blob that was opened. */
  sliversOf(blobId: string, node: number): Slivers {
    const entry = this.#entries.get(blobId);
    if (!entry) throw new DevnetError('internal', `blob ${blobId} was not opened`);
    const known = entry.holders.get(node);
    if (known) return known;
    const slivers = new Slivers((key) => this.#derive(blobId, key));
    entry.holders.set(node, slivers);
    return slivers;
  }

  /**
   * Takes the encoder's own output for a blob, so that what is uploaded of it need not be kept
   * twice.
   */
  offer(blobId: string, encoded: EncodedBlob): void {
    this.#encoded.set(blobId, encoded, encodedBytes(encoded));
    const entry = this.#entries.get(blobId);
    if (!entry) return;
    if (entry.isProven && entry.source) return;
    entry.source = this.#shelf.keep(encoded.source);
    entry.isProven = true;
  }

  /**
   * Puts back what a snapshot has. That `source` has this id is checked when it is first used.
   *
   * @throws {Error} when the metadata are not this blob's
   */
  restore(
    blobId: string,
    id: Uint8Array,
    metadata: Uint8Array,
    source: Uint8Array | undefined,
  ): void {
    const parsed = parseMetadata(metadata, id, this.shards);
    const shelved = source && this.#shelf.keep(source);
    this.#entries.set(blobId, {
      metadata: parsed,
      source: shelved,
      isProven: false,
      holders: new Map(),
    });
  }

  /** Keeps a sliver for a node: its bytes only if they are not what follows from the blob. */
  keep(blobId: string, slivers: Slivers, key: SliverKey, bytes: Uint8Array): void {
    const encoded = this.shelved(blobId) && this.#encoded.get(blobId);
    const made = encoded && sliverOf(encoded, key);
    if (made && sameBytes(made, bytes)) slivers.set(key);
    else slivers.set(key, bytes);
  }

  /** Notes that a blob is certified: from now on it may be kept as a whole. */
  certified(blobId: string): void {
    const entry = this.#entries.get(blobId);
    if (!entry || this.#loose.has(blobId)) return;
    let bytes = 0;
    for (const slivers of entry.holders.values())
      for (const [, own] of slivers.own()) bytes += own.length;
    if (bytes === 0) return;
    this.#loose.set(blobId, bytes);
    this.#looseBytes += bytes;
    for (const oldest of this.#loose.keys()) {
      if (this.#looseBytes <= this.#looseLimit) break;
      this.settle(oldest);
    }
  }

  /** Holds every certified blob against its encoding, so that a snapshot need not hold slivers. */
  settleAll(): void {
    for (const blobId of this.#loose.keys()) this.settle(blobId);
  }

  /**
   * Finds out whether the slivers of a blob are as the code makes them, and keeps the blob instead
   * of those that are.
   */
  settle(blobId: string): void {
    this.#looseBytes -= this.#loose.get(blobId) ?? 0;
    this.#loose.delete(blobId);
    const entry = this.#entries.get(blobId);
    if (!entry) return;
    if (!entry.source) this.#join(blobId, entry);
    if (!entry.source) return;
    const encoded = this.#encodedOf(blobId, entry.source);
    for (const slivers of entry.holders.values()) slivers.settle(encoded);
  }

  /** Forgets a blob. */
  delete(blobId: string): void {
    this.#entries.delete(blobId);
    this.#encoded.delete(blobId);
    this.#looseBytes -= this.#loose.get(blobId) ?? 0;
    this.#loose.delete(blobId);
  }

  /** Releases what is on disk. The vault is of no use afterwards. */
  close(): void {
    this.#shelf.close();
  }

  /**
   * Bytes held: blobs, those of them that are in memory, slivers kept as they came, encoded blobs
   * at hand.
   */
  get memory(): {
    readonly blobs: number;
    readonly shelf: number;
    readonly slivers: number;
    readonly encoded: number;
  } {
    let blobs = 0;
    let slivers = 0;
    for (const { source, holders } of this.#entries.values()) {
      blobs += source?.length ?? 0;
      for (const held of holders.values())
        for (const [, bytes] of held.own()) slivers += bytes.length;
    }
    return { blobs, shelf: this.#shelf.memory, slivers, encoded: this.#encoded.total };
  }

  /** Takes the blob that the slivers of all nodes spell, if that blob has this id. */
  #join(blobId: string, { metadata, holders }: Entry): void {
    const source = joinRows(metadata.size, this.shards, (pair) => {
      for (const slivers of holders.values())
        if (slivers.has(`${pair}/primary`)) return slivers.get(`${pair}/primary`);
      return undefined;
    });
    if (!source) return;
    const { blobId: found, encoded } = encodeBlob(source, this.shards);
    if (found === blobId) this.offer(blobId, encoded);
  }

  #encodedOf(blobId: string, source: Shelved): EncodedBlob {
    return this.#encoded.get(blobId) ?? this.#encode(blobId, source.read());
  }

  #encode(blobId: string, source: Uint8Array): EncodedBlob {
    const { blobId: found, encoded } = encodeBlob(source, this.shards);
    if (found !== blobId)
      throw new DevnetError(
        'snapshot_invalid',
        `expected blob ${blobId}, got the bytes of ${found}`,
      );
    const entry = this.#entries.get(blobId);
    // These are the bytes that it has.
    if (entry) entry.isProven = true;
    this.offer(blobId, encoded);
    return encoded;
  }

  #derive(blobId: string, key: SliverKey): Uint8Array {
    const source = this.shelved(blobId);
    const sliver = source && sliverOf(this.#encodedOf(blobId, source), key);
    if (!sliver) throw new DevnetError('internal', `there is no sliver ${key} of ${blobId}`);
    return sliver;
  }
}
