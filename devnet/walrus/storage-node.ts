/**
 * @module A storage node's HTTP interface: metadata, slivers, confirmations, status. Checks that
 * need no decoding always run (the metadata gives the blob id; length, index, symbol size and shard
 * of a sliver match). With `sliverChecks: 'full'` every sliver is also compared with the metadata
 * before the node signs that it stores them.
 */
import { toBase64 } from '@mysten/sui/utils';
import { isValidSuiAddress, normalizeSuiAddress } from '@mysten/sui/utils';
import { DevnetError } from '../errors.ts';
import { addressBytes } from '../chain/objects.ts';
import { bls12_381, scalarFromBytes, type G2Point } from '../bls12-381.ts';
import { json, type HttpHandler, type HttpReply, type HttpRequest } from '../http.ts';
import { Lru } from '../lru.ts';
import {
  checkSliver,
  confirmationMessage,
  parseBlobId,
  shardOfPair,
  sliverSymbols,
  type Metadata,
  type SliverAxis,
} from './layout.ts';
import { blobStatus, type BlobRegistry } from './registry.ts';
import { corruptSlivers } from './slivers.ts';
import type { BlobVault, Slivers } from './vault.ts';

/** Faults of one node, switched while it runs. */
export interface NodeFaults {
  /** Blob ids, or `all`, of which this node answers slivers with one byte changed. */
  corrupt: Set<string> | 'all';
  /** Milliseconds after certification during which reads are answered 404. */
  notFoundAfterCertifyMs: number;
  /** Blob ids answered 451. */
  readonly blocked: Set<string>;
}

/** What a node keeps for a blob. */
export interface StoredBlob {
  readonly metadata: Metadata;
  readonly slivers: Slivers;
}

export interface StorageNodeOptions {
  readonly index: number;
  readonly shards: readonly number[];
  /** BLS12-381 secret scalar. */
  readonly secretKey: Uint8Array;
  readonly registry: BlobRegistry;
  /** Shared by the nodes of one process. */
  readonly vault: BlobVault;
  readonly sliverChecks: 'structure' | 'full';
  /** The clock of the chain, in milliseconds. */
  readonly now: () => number;
}

const success = (data: unknown, code = 200): HttpReply => json({ success: { code, data } }, code);

const STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  451: 'UNAVAILABLE_FOR_LEGAL_REASONS',
};

const refuse = (code: number, message: string, reason: string): HttpReply =>
  json(
    {
      error: {
        status: STATUS[code] ?? 'INTERNAL',
        code,
        message,
        details: [{ reason, domain: 'storage.walrus.space' }],
      },
    },
    code,
  );

const octets = (body: Uint8Array): HttpReply => ({
  status: 200,
  headers: { 'content-type': 'application/octet-stream' },
  body,
});

/** All nodes of a process sign the same messages: hashing to the curve is shared. */
const hashedMessages = new Lru<G2Point>(64);

/** A BLS signature (public keys in G1, signatures in G2). */
const sign = (message: Uint8Array, secretKey: Uint8Array): Uint8Array => {
  const hashed = hashedMessages.getOrCreate(toBase64(message), () =>
    bls12_381.G2.hashToCurve(message),
  );
  return hashed.multiply(scalarFromBytes(secretKey)).toBytes();
};

export class StorageNode {
  readonly faults: NodeFaults = {
    corrupt: new Set(),
    notFoundAfterCertifyMs: 0,
    blocked: new Set(),
  };
  readonly blobs = new Map<string, StoredBlob>();
  readonly #options: StorageNodeOptions;
  readonly #ownShards: ReadonlySet<number>;
  readonly #signed = new Lru<Uint8Array>(1_024);

  constructor(options: StorageNodeOptions) {
    this.#options = options;
    this.#ownShards = new Set(options.shards);
  }

  /** Takes what the vault has for this node, as after a restart. */
  adopt(blobId: string): void {
    const { vault, index } = this.#options;
    const metadata = vault.metadata(blobId);
    if (!metadata) throw new DevnetError('internal', `blob ${blobId} was not opened`);
    this.blobs.set(blobId, { metadata, slivers: vault.sliversOf(blobId, index) });
  }

  readonly handle: HttpHandler = (request) => {
    const [version, blobs, blobId = '', ...rest] = request.url.pathname.slice(1).split('/');
    if (version === 'v1' && blobs === 'health')
      return success({ nodeStatus: 'Active', epoch: this.#options.registry.epoch });
    const id = parseBlobId(blobId);
    if (version !== 'v1' || blobs !== 'blobs') return refuse(404, 'no such route', 'NO_ROUTE');
    if (!id) return refuse(400, `expected a blob id, got ${blobId}`, 'INVALID_BLOB_ID');
    const { method } = request;
    if (method !== 'GET' && method !== 'PUT') return refuse(405, 'GET or PUT', 'METHOD');
    const [what, ...more] = rest;
    if (what === 'metadata') return this.#metadata(request, blobId, id, more[0]);
    if (what === 'slivers') return this.#slivers(request, blobId, id, more);
    if (what === 'confirmation' && method === 'GET') return this.#confirmation(blobId, id, more);
    if (what === 'status' && method === 'GET')
      return success(blobStatus(this.#options.registry.entries(blobId)));
    return refuse(404, 'no such route', 'NO_ROUTE');
  };

  /** Drops what no live object on the chain pays for. */
  collectGarbage(): void {
    for (const blobId of this.blobs.keys())
      if (this.#options.registry.entries(blobId).length === 0) {
        this.blobs.delete(blobId);
        this.#options.vault.delete(blobId);
      }
  }

  /** The pairs whose slivers do not fit the metadata, of both axes. */
  verifyStored(blobId: string): readonly number[] {
    const stored = this.blobs.get(blobId);
    if (!stored) return [];
    const bad = new Set<number>();
    for (const axis of ['primary', 'secondary'] as const) {
      const slivers = new Map<number, Uint8Array>();
      for (const key of stored.slivers.keys()) {
        const [pair, which] = key.split('/');
        const bytes = which === axis ? stored.slivers.get(key) : undefined;
        if (bytes) slivers.set(Number(pair), sliverSymbols(bytes));
      }
      for (const pair of corruptSlivers(slivers, axis, stored.metadata, this.#options.vault.shards))
        bad.add(pair);
    }
    return [...bad].toSorted((a, b) => a - b);
  }

  #registered(blobId: string): boolean {
    return this.#options.registry.entries(blobId).length > 0;
  }

  /** Why a read is refused though the data may be there. */
  #unreadable(blobId: string): HttpReply | undefined {
    if (this.faults.blocked.has(blobId)) return refuse(451, 'the blob is blocked', 'BLOCKED');
    const { registry, now } = this.#options;
    const certifiedAt = registry.certifiedAt(blobId);
    if (
      !this.#registered(blobId) ||
      (certifiedAt !== undefined && now() < certifiedAt + this.faults.notFoundAfterCertifyMs)
    )
      return refuse(404, `blob ${blobId} is not known here`, 'NOT_FOUND');
    return undefined;
  }

  #metadata(
    { method, body }: HttpRequest,
    blobId: string,
    id: Uint8Array,
    more: string | undefined,
  ): HttpReply {
    const stored = this.blobs.get(blobId);
    if (more === 'status') return success(stored ? 'Stored' : 'Nonexistent');
    if (method === 'GET') {
      const refused = this.#unreadable(blobId);
      if (refused) return refused;
      if (!stored) return refuse(404, 'no metadata of this blob', 'NOT_FOUND');
      return octets(Buffer.concat([id, stored.metadata.bytes]));
    }
    if (!this.#registered(blobId))
      return refuse(400, `blob ${blobId} is not registered`, 'NOT_REGISTERED');
    if (stored) return success('metadata already stored');
    try {
      this.#options.vault.open(blobId, id, body);
    } catch (error) {
      return refuse(400, String(error), 'INVALID_METADATA');
    }
    this.adopt(blobId);
    return success('metadata successfully stored', 201);
  }

  #slivers(
    { method, body }: HttpRequest,
    blobId: string,
    id: Uint8Array,
    [pairText = '', axis = '', more]: readonly string[],
  ): HttpReply {
    const { vault } = this.#options;
    const totalShards = vault.shards;
    const pair = Number(pairText);
    if (!/^\d{1,5}$/.test(pairText) || pair >= totalShards)
      return refuse(400, `expected a pair index below ${totalShards}`, 'INVALID_INDEX');
    if (axis !== 'primary' && axis !== 'secondary')
      return refuse(400, 'expected primary or secondary', 'INVALID_AXIS');
    const shard = shardOfPair(pair, id, totalShards);
    if (!this.#ownShards.has(shard))
      return refuse(400, `shard ${shard} is not held by this node`, 'SHARD_NOT_ASSIGNED');
    const stored = this.blobs.get(blobId);
    const key = `${pair}/${axis}` as const;
    if (more === 'status') return success(stored?.slivers.has(key) ? 'Stored' : 'Nonexistent');
    if (method === 'GET') {
      const refused = this.#unreadable(blobId);
      if (refused) return refused;
      const sliver = stored?.slivers.get(key);
      if (!sliver) return refuse(404, 'no such sliver', 'NOT_FOUND');
      return octets(this.#isCorrupt(blobId) ? corrupted(sliver) : sliver);
    }
    if (!this.#registered(blobId))
      return refuse(400, `blob ${blobId} is not registered`, 'NOT_REGISTERED');
    if (!stored) return refuse(400, 'store the metadata first', 'METADATA_MISSING');
    try {
      checkSliver(body, { axis, pair, size: stored.metadata.size, shards: totalShards });
    } catch (error) {
      return refuse(400, String(error), 'INVALID_SLIVER');
    }
    if (!stored.slivers.has(key)) vault.keep(blobId, stored.slivers, key, body);
    return success('sliver stored successfully');
  }

  #isCorrupt(blobId: string): boolean {
    const { corrupt } = this.faults;
    return corrupt === 'all' || corrupt.has(blobId);
  }

  #confirmation(
    blobId: string,
    id: Uint8Array,
    [kind, objectId = '']: readonly string[],
  ): HttpReply {
    const { registry, secretKey } = this.#options;
    const totalShards = this.#options.vault.shards;
    const entries = registry.entries(blobId);
    const deletable = kind === 'deletable';
    if (!deletable && kind !== 'permanent')
      return refuse(404, 'expected permanent or deletable', 'NO_ROUTE');
    if (deletable && !isValidSuiAddress(normalizeSuiAddress(objectId)))
      return refuse(400, 'expected an object id', 'INVALID_OBJECT_ID');
    const object = deletable ? normalizeSuiAddress(objectId) : undefined;
    const known = entries.some((entry) =>
      deletable ? entry.deletable && entry.objectId === object : !entry.deletable,
    );
    if (!known) return refuse(400, `blob ${blobId} is not registered so`, 'NOT_REGISTERED');
    const stored = this.blobs.get(blobId);
    if (!stored) return refuse(404, 'no metadata of this blob', 'NOT_FOUND');
    for (let pair = 0; pair < totalShards; pair += 1) {
      if (!this.#ownShards.has(shardOfPair(pair, id, totalShards))) continue;
      for (const axis of ['primary', 'secondary'] satisfies SliverAxis[])
        if (!stored.slivers.has(`${pair}/${axis}`))
          return refuse(404, `the ${axis} sliver of pair ${pair} is missing`, 'NOT_FULLY_STORED');
    }
    if (this.#options.sliverChecks === 'full') {
      const bad = this.verifyStored(blobId);
      if (bad.length > 0) {
        // Nothing that failed the check is kept: the writer may send it again.
        for (const pair of bad)
          for (const axis of ['primary', 'secondary'] as const)
            stored.slivers.delete(`${pair}/${axis}`);
        return refuse(400, `slivers of pairs ${bad.join(', ')} are wrong`, 'INVALID_SLIVER');
      }
    }
    const message = confirmationMessage(
      registry.epoch,
      id,
      object === undefined ? undefined : addressBytes(object),
    );
    const signedKey = toBase64(message);
    const signature = this.#signed.getOrCreate(signedKey, () => sign(message, secretKey));
    return success({
      signed: { serializedMessage: signedKey, signature: toBase64(signature) },
    });
  }
}

/** A sliver with one byte of its symbols changed. */
const corrupted = (sliver: Uint8Array): Uint8Array => {
  const bytes = Uint8Array.from(sliver);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  return bytes;
};
