/**
 * @module The store of the chain: versioned objects with an owner, their digests and ids, and a
 * view of all of them with an index by owner. Ids and dynamic field ids follow Sui's derivations.
 * Object digests only have to be unique, because no SDK recomputes them.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { concatBytes, hexToBytes, bytesToHex } from '@noble/hashes/utils.js';
import { toBase58 } from '@mysten/bcs';
import { normalizeStructTag, normalizeSuiAddress } from '@mysten/sui/utils';

/** The owner of an object. `shared.version` is the version at which it became shared. */
export type Owner =
  | { readonly type: 'address'; readonly address: string }
  | { readonly type: 'object'; readonly parent: string }
  | { readonly type: 'shared'; readonly version: bigint }
  | { readonly type: 'immutable' };

/**
 * One version of one object. `contents` is BCS; for a package it is empty and `package` holds the
 * modules.
 */
export interface ChainObject {
  readonly id: string;
  readonly version: bigint;
  readonly digest: string;
  readonly owner: Owner;
  /** Normalised struct tag, or `package`. */
  readonly objectType: string;
  readonly contents: Uint8Array;
  readonly package?: PackageData;
  /** True when anyone who owns it may transfer it (`store`). */
  readonly hasPublicTransfer: boolean;
  readonly previousTransaction: string;
  /** MIST paid for its storage, given back (less 1 %) when it is removed. */
  readonly storageRebate: bigint;
}

/** A published package: its modules as bytecode at their final address. */
export interface PackageData {
  /** The id of the first version, which types and Seal identities keep across upgrades. */
  readonly originalId: string;
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** Original package id -> the id of the version this package was linked against. */
  readonly linkage: ReadonlyMap<string, string>;
  /** "module::Datatype" -> the package id that first defined it. */
  readonly typeOrigins: ReadonlyMap<string, string>;
}

const textEncoder = new TextEncoder();

/** blake2b with 32 bytes of output, the hash of everything on Sui. */
export const blake2b256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  blake2b(concatBytes(...parts), { dkLen: 32 });

/** Little-endian u64. */
export const u64le = (value: bigint | number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
};

/** `0x` and 64 hex digits for 32 bytes. */
export const addressOf = (bytes: Uint8Array): string => `0x${bytesToHex(bytes)}`;

/** The 32 bytes of an address in any accepted spelling. */
export const addressBytes = (address: string): Uint8Array =>
  hexToBytes(normalizeSuiAddress(address).slice(2));

/**
 * The id of the `counter`-th object that a transaction creates: blake2b256(0xf1 || digest ||
 * u64le).
 */
export const deriveObjectId = (transactionDigest: Uint8Array, counter: number): string =>
  addressOf(blake2b256(Uint8Array.of(0xf1), transactionDigest, u64le(counter)));

/** The digest of an object version: a hash of everything it says. */
export const objectDigest = (object: {
  readonly id: string;
  readonly version: bigint;
  readonly owner: Owner;
  readonly objectType: string;
  readonly contents: Uint8Array;
  readonly package?: PackageData;
}): string => {
  const head = `${object.id}|${object.version}|${ownerKey(object.owner)}|${object.objectType}|`;
  const modules = object.package ? [...object.package.modules.values()] : [];
  return toBase58(blake2b256(textEncoder.encode(head), object.contents, ...modules));
};

/** The key of the index by owner: an address and an object with the same bytes never meet in it. */
export const ownerKey = (owner: Owner): string => {
  switch (owner.type) {
    case 'address':
      return `a${owner.address}`;
    case 'object':
      return `o${owner.parent}`;
    case 'shared':
      return `s${owner.version}`;
    case 'immutable':
      break;
  }
  return 'i';
};

/**
 * A type tag for comparison: the SDK and the machine put different spaces between type arguments.
 */
export const compactType = (type: string): string => type.replaceAll(', ', ',');

/**
 * Whether a stored type is the wanted one; without type arguments, the wanted one stands for all
 * instances.
 */
export const typeMatches = (wanted: string, type: string): boolean => {
  const tag = compactType(normalizeStructTag(wanted));
  const compact = compactType(type);
  return compact === tag || (!tag.includes('<') && compact.startsWith(`${tag}<`));
};

/** What a transaction did to the state: the new versions, and the ids that are gone. */
export interface StateChange {
  readonly written: readonly ChainObject[];
  readonly removed: readonly string[];
}

/** All current objects, indexed by owner. Objects are immutable, so `clone` is cheap. */
export class StateView {
  readonly #objects: Map<string, ChainObject>;
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(objects: Iterable<ChainObject> = []) {
    this.#objects = new Map();
    for (const object of objects) this.#put(object);
  }

  get(id: string): ChainObject | undefined {
    return this.#objects.get(id);
  }

  get size(): number {
    return this.#objects.size;
  }

  objects(): Iterable<ChainObject> {
    return this.#objects.values();
  }

  /** The objects of an owner, ordered by id so that pages are stable. */
  ownedBy(owner: Owner): readonly ChainObject[] {
    const ids = [...(this.#byOwner.get(ownerKey(owner)) ?? [])].toSorted();
    return ids.flatMap((id) => this.#objects.get(id) ?? []);
  }

  apply(change: StateChange): void {
    for (const id of change.removed) this.#drop(id);
    for (const object of change.written) this.#put(object);
  }

  clone(): StateView {
    return new StateView(this.#objects.values());
  }

  #put(object: ChainObject): void {
    this.#drop(object.id);
    this.#objects.set(object.id, object);
    const key = ownerKey(object.owner);
    const ids = this.#byOwner.get(key);
    if (ids) ids.add(object.id);
    else this.#byOwner.set(key, new Set([object.id]));
  }

  #drop(id: string): void {
    const before = this.#objects.get(id);
    if (!before) return;
    this.#objects.delete(id);
    const key = ownerKey(before.owner);
    const ids = this.#byOwner.get(key);
    ids?.delete(id);
    if (ids?.size === 0) this.#byOwner.delete(key);
  }
}

/** An object written by the devnet itself, at genesis or when an epoch changes. */
export interface SystemObject {
  readonly id: string;
  readonly objectType: string;
  readonly contents: Uint8Array;
  readonly owner: Owner;
  readonly hasPublicTransfer?: boolean;
}
