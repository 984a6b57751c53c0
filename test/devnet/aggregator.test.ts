/**
 * @module The aggregator's cache and the storage nodes behind it: one read for many readers,
 * bounds, headers, and no fault that it hides. Blobs go through the upload relay, so that nodes
 * hand out slivers made on demand.
 */
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { WalrusFile } from '@mysten/walrus';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startDevnet, type Devnet } from '../../devnet/index.ts';
import type { HttpRequest, RunningServer } from '../../devnet/http.ts';
import { localFetch } from '../../devnet/local-fetch.ts';
import { seedBytes } from '../../devnet/seeds.ts';
import { Aggregator } from '../../devnet/walrus/aggregator.ts';
import { certificateOf } from '../../devnet/walrus/certificate.ts';
import { nodeIdentities } from '../../devnet/walrus/contract.ts';
import { encodeBlob, sliverOf } from '../../devnet/walrus/encoding.ts';
import { parseBlobId, shardOfPair } from '../../devnet/walrus/layout.ts';
import { BlobRegistry } from '../../devnet/walrus/registry.ts';
import { funded, walrusClientOf } from './support.ts';

// Fewer than 11 nodes: the stock client throws RangeError where it should say that a blob is
// missing.
const NODES = 13;
const SHARDS = 13;
let devnet: Devnet;
let alice: Ed25519Keypair;

beforeAll(async () => {
  devnet = await startDevnet({ nodes: NODES, shardsPerNode: 1, sealServers: 1, sealThreshold: 1 });
  alice = await funded(devnet, 1);
});
afterAll(async () => {
  await devnet.stop();
});
afterEach(() => {
  devnet.faults.clear();
});

const bytesOf = (length: number, seed: number): Uint8Array =>
  new Uint8Array(length).map((_, index) => (index * 7 + seed) % 253);
const write = async (bytes: Uint8Array): Promise<string> => {
  const stored = await walrusClientOf(devnet, true).writeBlob({
    blob: bytes,
    deletable: true,
    epochs: 2,
    signer: alice,
  });
  return stored.blobId;
};
const get = (path: string): Promise<Response> =>
  fetch(`${devnet.config.walrus.aggregatorUrl}/v1/blobs/${path}`);
const bodyOf = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());

/** An aggregator of its own, in front of the same nodes, that counts what it asks them. */
const counting = (cacheLimit?: number) => {
  const asked: string[] = [];
  const registry = new BlobRegistry(
    devnet.chain,
    devnet.chain.state.get(devnet.config.walrus.systemObjectId)!.objectType.split('::')[0]!,
    1,
  );
  const aggregator = new Aggregator({
    walrus: walrusClientOf(devnet),
    vault: devnet.vault,
    registry,
    serverOf: (shard) => {
      const { handle } = devnet.nodes[shard % NODES]!;
      const dispatch = async (request: HttpRequest) => {
        asked.push(request.url.pathname);
        return handle(request);
      };
      return { dispatch } as unknown as RunningServer;
    },
    ...(cacheLimit === undefined ? {} : { cacheLimit }),
  });
  const read = async (blobId: string) =>
    aggregator.handle({
      method: 'GET',
      url: new URL(`http://aggregator/v1/blobs/${blobId}`),
      headers: {},
      body: new Uint8Array(),
      signal: new AbortController().signal,
    });
  return { aggregator, asked, read, registry };
};

test('readers at one time share one read; later ones ask no node; the cache is bounded', async () => {
  const blobs = [1, 2, 3].map((seed) => bytesOf(5_000, seed));
  const ids: string[] = [];
  for (const bytes of blobs) ids.push(await write(bytes));
  const { aggregator, asked, read, registry } = counting(11_000);
  const replies = await Promise.all([read(ids[0]!), read(ids[0]!), read(ids[0]!)]);
  for (const { body } of replies) expect(body).toEqual(blobs[0]);
  // K1 of 13 shards is 5.
  expect(asked).toHaveLength(5);
  expect((await read(ids[0]!)).body).toEqual(blobs[0]);
  expect(asked).toHaveLength(5);
  await read(ids[1]!);
  await read(ids[2]!);
  expect(asked).toHaveLength(15);
  expect(aggregator.cachedBytes).toBe(10_000);
  expect((await read(ids[0]!)).body).toEqual(blobs[0]);
  expect(asked).toHaveLength(20);
  registry.stop();
});

test('what a blob id stands for never changes, and the reply says so', async () => {
  const bytes = bytesOf(900, 4);
  const blobId = await write(bytes);
  const response = await get(blobId);
  expect(await bodyOf(response)).toEqual(bytes);
  expect(response.headers.get('cache-control')).toMatch(/^public, max-age=86400/);
  expect(response.headers.get('etag')).toBe(blobId);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const missing = await get('A'.repeat(43));
  expect([missing.status, missing.headers.get('cache-control')]).toEqual([404, null]);
});

test('files of a quilt come out of the quilt that is in the cache', async () => {
  const files = await walrusClientOf(devnet, true).writeFiles({
    files: ['a', 'b'].map((identifier, index) =>
      WalrusFile.from({ contents: bytesOf(700, index), identifier }),
    ),
    deletable: true,
    epochs: 2,
    signer: alice,
  });
  const replies = await Promise.all(files.map(({ id }) => get(`by-quilt-patch-id/${id}`)));
  const bodies = await Promise.all(replies.map(bodyOf));
  expect(bodies).toEqual([bytesOf(700, 0), bytesOf(700, 1)]);
  expect(replies[0]!.headers.get('etag')).toBe(files[0]!.id);
  expect((await get('by-quilt-patch-id/nonsense')).status).toBe(400);
});

test('faults of storage nodes are seen through the aggregator, also for a blob it has read', async () => {
  const bytes = bytesOf(3_000, 5);
  const blobId = await write(bytes);
  const status = async (): Promise<number> => {
    const response = await get(blobId);
    await response.arrayBuffer();
    return response.status;
  };
  const seen: Record<string, number> = { before: await status() };
  for (const node of devnet.nodes.keys()) devnet.faults.corruptSlivers(node, blobId);
  seen['corrupt'] = await status();
  devnet.faults.clear();
  seen['cleared'] = await status();
  devnet.faults.blockBlob(blobId);
  seen['blocked'] = await status();
  devnet.faults.clear();
  devnet.faults.notFoundAfterCertify(3_600_000);
  seen['notYet'] = await status();
  devnet.faults.clear();
  expect(seen).toEqual({ before: 200, corrupt: 500, cleared: 200, blocked: 500, notYet: 404 });
  // Some nodes down: the other slivers suffice.
  for (const node of [0, 5, 10]) devnet.faults.nodeDown(node);
  expect(await bodyOf(await get(blobId))).toEqual(bytes);
});

test('nodes hand out slivers made on demand as the encoder makes them, and what was put in their place', async () => {
  const bytes = bytesOf(4_000, 6);
  const blobId = await write(bytes);
  expect(devnet.vault.memory.slivers).toBe(0);
  const { encoded } = encodeBlob(bytes, SHARDS);
  const nodeOf = (pair: number): number => shardOfPair(pair, parseBlobId(blobId)!, SHARDS) % NODES;
  const fetchSliver = async (pair: number, axis: string): Promise<Uint8Array> =>
    bodyOf(
      await fetch(`${devnet.nodeUrls[nodeOf(pair)]}/v1/blobs/${blobId}/slivers/${pair}/${axis}`),
    );
  for (let pair = 0; pair < SHARDS; pair += 1)
    for (const axis of ['primary', 'secondary'] as const)
      expect(await fetchSliver(pair, axis)).toEqual(sliverOf(encoded, `${pair}/${axis}`));
  const altered = Uint8Array.from(encoded.primary[1]!).fill(3, 10, 20);
  const node = devnet.nodes[nodeOf(1)]!;
  node.blobs.get(blobId)!.slivers.set('1/primary', altered);
  expect(await fetchSliver(1, 'primary')).toEqual(altered);
  expect(node.verifyStored(blobId)).toEqual([1]);
  // A row that is not as the blob has it: the aggregator gathers slivers from all nodes instead.
  devnet.aggregator.clear();
  const response = await get(blobId);
  const body = await bodyOf(response);
  if (response.status === 200) expect(body).toEqual(bytes);
  else expect(Buffer.from(body).toString()).toMatch(/encoded|inconsistent|decod/i);
});

test('the relay certifies at once only what all signatures together prove', async () => {
  const client = walrusClientOf(devnet);
  const bytes = bytesOf(600, 7);
  const encoded = await client.encodeBlob(bytes);
  const { blob } = await client.executeRegisterBlobTransaction({
    blobId: encoded.blobId,
    rootHash: encoded.rootHash,
    size: bytes.length,
    epochs: 1,
    deletable: true,
    owner: alice.toSuiAddress(),
    signer: alice,
  });
  const confirmations = await client.writeEncodedBlobToNodes({
    ...encoded,
    deletable: true,
    objectId: blob.id,
  });
  const good = await client.certificateFromConfirmations({
    confirmations,
    blobId: encoded.blobId,
    deletable: true,
    blobObjectId: blob.id,
  });
  const message = good.serializedMessage;
  const keys = nodeIdentities(seedBytes(1), NODES, 1).map(({ publicKey }) => publicKey);
  const certify = (list: typeof confirmations) => certificateOf(list, message, keys);
  expect(certify(confirmations)).toEqual({ ...good, serializedMessage: message });
  const [first, second, ...rest] = confirmations;
  const others = Array.from({ length: NODES - 1 }, (_, index) => index + 1);
  expect(certify([null, second!, ...rest])?.signers).toEqual(others);
  // 8 of 13 are no quorum, 9 are.
  const someOf = (count: number) => confirmations.map((item, at) => (at < count ? item : null));
  expect(certify(someOf(8))).toBeUndefined();
  expect(certify(someOf(9))?.signers).toHaveLength(9);
  const wrong = { ...first!, signature: second!.signature };
  expect(certify([wrong, second!, ...rest])).toBeUndefined();
  const garbage = { ...first!, signature: 'AAAA' };
  expect(certify([garbage, second!, ...rest])).toBeUndefined();
  const other = { ...first!, serializedMessage: 'AAAA' };
  expect(certify([other, second!, ...rest])?.signers).toEqual(others);
});

test('within the process a server is met behind the same gate as over a socket', async () => {
  const gate = { down: false, delayMs: 0 };
  const dispatch = async ({ body, url, method }: HttpRequest) =>
    gate.down ? undefined : { status: 201, body: `${method} ${url.pathname} ${body.length}` };
  const server = { dispatch } as unknown as RunningServer;
  const own = localFetch((origin) => (origin === 'http://127.0.0.1:1' ? server : undefined));
  const reply = await own('http://127.0.0.1:1/a', { method: 'PUT', body: new Uint8Array(3) });
  expect([reply.status, await reply.text()]).toEqual([201, 'PUT /a 3']);
  gate.down = true;
  await expect(own('http://127.0.0.1:1/a')).rejects.toThrow(TypeError);
  await expect(own('http://127.0.0.1:1/a', { signal: AbortSignal.abort() })).rejects.toThrow(
    /abort/i,
  );
  // Any other server is asked over the network.
  expect((await own(`${devnet.nodeUrls[0]}/v1/health`)).status).toBe(200);
});
