/**
 * @module Walrus on the devnet with the stock client: faults that must be survived, faults that
 * must not, what storage nodes and the contract refuse, relay, publisher and aggregator, epochs.
 * The default committee: 13 nodes, 52 shards.
 */
import { randomBytes } from 'node:crypto';
import { bcs } from '@mysten/sui/bcs';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import type { Transaction } from '@mysten/sui/transactions';
import { NotEnoughBlobConfirmationsError, WalrusFile } from '@mysten/walrus';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startDevnet, type Devnet } from '../../devnet/index.ts';
import { parseBlobId, shardOfPair } from '../../devnet/walrus/layout.ts';
import { execute, funded, suiClientOf, walrusClientOf } from './support.ts';

let devnet: Devnet;
let alice: Ed25519Keypair;

beforeAll(async () => {
  devnet = await startDevnet();
  alice = await funded(devnet, 1);
});
afterAll(async () => {
  await devnet.stop();
});
afterEach(() => {
  devnet.faults.clear();
});

const write = (bytes: Uint8Array, deletable = true, epochs = 3) =>
  walrusClientOf(devnet).writeBlob({ blob: bytes, deletable, epochs, signer: alice });
const read = (blobId: string): Promise<Uint8Array> =>
  walrusClientOf(devnet).readBlob({ blobId, signal: AbortSignal.timeout(20_000) });
const someBytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
test('4 of 13 nodes down, one of the others slow: blobs are written and read', async () => {
  const bytes = someBytes(5_000);
  for (const node of [0, 4, 8, 12]) devnet.faults.nodeDown(node);
  devnet.faults.nodeDelay(5, 150);
  const { blobId } = await write(bytes);
  // Those that were down hold nothing; the rest suffices.
  expect(devnet.nodes.map((node) => node.blobs.has(blobId))).toEqual(
    devnet.nodes.map((_, index) => ![0, 4, 8, 12].includes(index)),
  );
  expect(await read(blobId)).toEqual(bytes);
});

test('5 of 13 nodes down: a named error, nothing certified; the same blob goes through when they are back', async () => {
  const bytes = someBytes(3_000);
  const client = walrusClientOf(devnet);
  const flow = client.writeBlobFlow({ blob: bytes });
  const { blobId } = await flow.encode();
  const registered = await flow.executeRegister({
    epochs: 3,
    deletable: true,
    owner: alice.toSuiAddress(),
    signer: alice,
  });
  for (const node of [0, 1, 2, 3, 4]) devnet.faults.nodeDown(node);
  await expect(flow.upload({ digest: registered.txDigest })).rejects.toThrow(
    NotEnoughBlobConfirmationsError,
  );
  devnet.faults.clear();
  const resumed = client.writeBlobFlow({ blob: bytes, resume: registered });
  const steps: string[] = [];
  for await (const { step } of resumed.run({
    epochs: 3,
    deletable: true,
    owner: alice.toSuiAddress(),
    signer: alice,
  }))
    steps.push(step);
  expect(steps).not.toContain('registered');
  expect(await read(blobId)).toEqual(bytes);
});

test('slivers altered by nodes are caught by readers', async () => {
  const bytes = someBytes(4_000);
  const { blobId } = await write(bytes);
  for (const index of devnet.nodes.keys()) devnet.faults.corruptSlivers(index, blobId);
  await expect(read(blobId)).rejects.toThrow(/decod|sliver|inconsistent|encoded/i);
  devnet.faults.clear();
  expect(await read(blobId)).toEqual(bytes);
});

test('404 right after certification ends by itself', async () => {
  devnet.faults.notFoundAfterCertify(60_000);
  const bytes = someBytes(2_000);
  const { blobId } = await write(bytes);
  await expect(read(blobId)).rejects.toThrow(/not certified/);
  devnet.faults.advanceClock(61_000);
  expect(await read(blobId)).toEqual(bytes);
});

test('a blocked blob is said to be blocked', async () => {
  const { blobId } = await write(someBytes(1_000));
  devnet.faults.blockBlob(blobId);
  await expect(read(blobId)).rejects.toThrow(/blocked/);
});

test('attributes, deletion and the space that comes back', async () => {
  const client = walrusClientOf(devnet);
  const { blobObject, blobId } = await client.writeBlob({
    blob: someBytes(500),
    deletable: true,
    epochs: 2,
    signer: alice,
    attributes: { kind: 'model', round: '3' },
  });
  const blobObjectId = blobObject.id;
  expect(await client.readBlobAttributes({ blobObjectId })).toEqual({ kind: 'model', round: '3' });
  await client.executeWriteBlobAttributesTransaction({
    blobObjectId,
    attributes: { kind: 'update', round: null },
    signer: alice,
  });
  expect(await client.readBlobAttributes({ blobObjectId })).toEqual({ kind: 'update' });
  await client.executeExtendBlobTransaction({ blobObjectId, epochs: 4, signer: alice });
  client.reset();
  expect((await client.getBlobObject(blobObjectId)).storage.end_epoch).toBe(
    blobObject.storage.end_epoch + 4,
  );
  await client.executeDeleteBlobTransaction({ blobObjectId, signer: alice });
  expect(await walrusClientOf(devnet).getVerifiedBlobStatus({ blobId })).toEqual({
    type: 'nonexistent',
  });
});

test('prices are charged exactly', async () => {
  const client = walrusClientOf(devnet);
  const { coinType } = await walBalance();
  const before = (await walBalance()).balance;
  const cost = await client.storageCost(700_000, 5);
  await client.executeRegisterBlobTransaction({
    ...(await registration(someBytes(700_000))),
    epochs: 5,
    deletable: true,
    owner: alice.toSuiAddress(),
    signer: alice,
  });
  expect(before - (await walBalance()).balance).toBe(cost.totalCost);
  expect(coinType).toMatch(/::wal::WAL$/);
});

const walBalance = async () => {
  const { balances } = await suiClientOf(devnet).listBalances({ owner: alice.toSuiAddress() });
  const found = balances.find(({ coinType }) => coinType.endsWith('::wal::WAL'));
  return { coinType: found?.coinType ?? '', balance: BigInt(found?.balance ?? 0) };
};
const registration = async (bytes: Uint8Array) => {
  const { blobId, rootHash } = await walrusClientOf(devnet).encodeBlob(bytes);
  return { blobId, rootHash, size: bytes.length };
};

test('the contract refuses a blob id that does not follow from root and size', async () => {
  const client = walrusClientOf(devnet);
  const { blobId, rootHash } = await registration(someBytes(600));
  await expect(
    client.executeRegisterBlobTransaction({
      blobId,
      rootHash,
      size: 601,
      epochs: 1,
      deletable: true,
      owner: alice.toSuiAddress(),
      signer: alice,
    }),
  ).rejects.toThrow(/abort code: 6/);
});

test('the contract refuses certificates: too few signers, other signers, another message', async () => {
  const client = walrusClientOf(devnet);
  const bytes = someBytes(800);
  const encoded = await client.encodeBlob(bytes);
  const { blobId } = encoded;
  const { blob } = await client.executeRegisterBlobTransaction({
    blobId,
    rootHash: encoded.rootHash,
    size: bytes.length,
    epochs: 1,
    deletable: true,
    owner: alice.toSuiAddress(),
    signer: alice,
  });
  const blobObjectId = blob.id;
  const confirmations = await client.writeEncodedBlobToNodes({
    ...encoded,
    deletable: true,
    objectId: blobObjectId,
  });
  const good = await client.certificateFromConfirmations({
    confirmations,
    blobId,
    deletable: true,
    blobObjectId,
  });
  const certify = (certificate: typeof good) =>
    client.executeCertifyBlobTransaction({
      certificate,
      blobId,
      blobObjectId,
      deletable: true,
      signer: alice,
    });
  // 8 of 13 nodes hold 32 of 52 shards: less than two thirds.
  const few = good.signers.slice(0, 8);
  await expect(certify({ ...good, signers: few })).rejects.toThrow(/abort code: 2/);
  // Enough by number, but the signature is of all.
  await expect(certify({ ...good, signers: good.signers.slice(0, 12) })).rejects.toThrow(
    /abort code: 3/,
  );
  const message = Uint8Array.from(good.serializedMessage);
  message[3] = (message[3] ?? 0) ^ 1;
  await expect(certify({ ...good, serializedMessage: message })).rejects.toThrow(/abort code: 3/);
  await certify(good);
  await expect(certify(good)).rejects.toThrow(/abort code: 5/);
});

const Refusal = v.object({
  error: v.optional(v.object({ details: v.array(v.object({ reason: v.string() })) })),
});

test('storage nodes refuse what does not fit', async () => {
  const client = walrusClientOf(devnet);
  const bytes = someBytes(900);
  const encoded = await client.encodeBlob(bytes);
  const { blobId } = encoded;
  const base = `${devnet.nodeUrls[0]}/v1/blobs/${blobId}`;
  const put = async (path: string, body: Uint8Array) => {
    const response = await fetch(`${base}/${path}`, { method: 'PUT', body: Buffer.from(body) });
    const json = v.parse(Refusal, await response.json());
    return json.error?.details[0]?.reason ?? response.status;
  };
  const metadata = await metadataBytes(encoded);
  expect(await put('metadata', metadata)).toBe('NOT_REGISTERED');
  await client.executeRegisterBlobTransaction({
    blobId,
    rootHash: encoded.rootHash,
    size: bytes.length,
    epochs: 1,
    deletable: true,
    owner: alice.toSuiAddress(),
    signer: alice,
  });
  const altered = Uint8Array.from(metadata);
  altered[40] = (altered[40] ?? 0) ^ 1;
  expect(await put('metadata', altered)).toBe('INVALID_METADATA');
  const id = parseBlobId(blobId)!;
  const own = [...Array(52).keys()].find((pair) => shardOfPair(pair, id, 52) === 0)!;
  const foreign = [...Array(52).keys()].find((pair) => shardOfPair(pair, id, 52) === 1)!;
  const [slivers] = encoded.sliversByNode;
  const sliver = slivers!.primary.find(({ sliverPairIndex }) => sliverPairIndex === own)!.sliver;
  expect(await put(`slivers/${own}/primary`, sliver)).toBe('METADATA_MISSING');
  expect(await put('metadata', metadata)).toBe(201);
  expect(await put(`slivers/${foreign}/primary`, sliver)).toBe('SHARD_NOT_ASSIGNED');
  expect(await put(`slivers/${own}/secondary`, sliver)).toBe('INVALID_SLIVER');
  expect(await put(`slivers/${own}/primary`, sliver.slice(0, -1))).toBe('INVALID_SLIVER');
  expect(await put(`slivers/${own}/primary`, Buffer.concat([sliver, sliver]))).toBe(
    'INVALID_SLIVER',
  );
  expect(await put(`slivers/52/primary`, sliver)).toBe('INVALID_INDEX');
  expect(await put(`slivers/${own}/primary`, sliver)).toBe(200);
  const unfinished = await fetch(`${base}/confirmation/permanent`);
  expect(unfinished.status).toBe(400);
});

type Encoded = Awaited<ReturnType<ReturnType<typeof walrusClientOf>['encodeBlob']>>;

/** BCS of a blob's metadata, as clients send it. */
const metadataBytes = async ({ metadata }: Encoded): Promise<Uint8Array> => {
  const node = bcs.enum('MerkleNode', { Empty: null, Digest: bcs.bytes(32) });
  const type = bcs.enum('BlobMetadata', {
    V1: bcs.struct('V1', {
      encoding_type: bcs.u8(),
      unencoded_length: bcs.u64(),
      hashes: bcs.vector(bcs.struct('Pair', { primary_hash: node, secondary_hash: node })),
    }),
  });
  return type.serialize({ V1: { ...metadata.V1, encoding_type: 1 } }).toBytes();
};

test('full checks find the very sliver that is wrong, and nothing else', async () => {
  const { blobId } = await write(someBytes(20_000));
  const [node] = devnet.nodes;
  expect(node!.verifyStored(blobId)).toEqual([]);
  const { slivers } = node!.blobs.get(blobId)!;
  const [primary, secondary] = ['primary', 'secondary'].map((axis) =>
    [...slivers.keys()].find((key) => key.endsWith(axis))!,
  );
  for (const [key, at] of [
    [primary!, 10],
    [secondary!, 20],
  ] as const) {
    const good = slivers.get(key)!;
    const bad = Uint8Array.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    slivers.set(key, bad);
    expect(node!.verifyStored(blobId)).toEqual([Number(key.split('/')[0])]);
    slivers.set(key, good);
  }
});

test('relay: blob and quilt', async () => {
  const client = walrusClientOf(devnet, true);
  const bytes = someBytes(3_000);
  const { blobId } = await client.writeBlob({
    blob: bytes,
    deletable: false,
    epochs: 2,
    signer: alice,
  });
  expect(await read(blobId)).toEqual(bytes);
  const files = await client.writeFiles({
    files: [WalrusFile.from({ contents: bytes, identifier: 'a', tags: { kind: 'x' } })],
    deletable: true,
    epochs: 2,
    signer: alice,
  });
  const [file] = await walrusClientOf(devnet).getFiles({ ids: files.map(({ id }) => id) });
  expect(await file!.bytes()).toEqual(bytes);
});

const Stored = v.object({
  newlyCreated: v.optional(
    v.object({
      blobObject: v.object({ id: v.string(), blobId: v.string(), certifiedEpoch: v.number() }),
    }),
  ),
  alreadyCertified: v.optional(v.object({ blobId: v.string() })),
});
const StoredQuilt = v.object({
  blobStoreResult: Stored,
  storedQuiltBlobs: v.array(v.object({ identifier: v.string(), quiltPatchId: v.string() })),
});

test('publisher and aggregator: without a wallet', async () => {
  const { publisherUrl, aggregatorUrl } = devnet.config.walrus;
  const bytes = someBytes(2_500);
  const store = async (query: string) => {
    const response = await fetch(`${publisherUrl}/v1/blobs?${query}`, {
      method: 'PUT',
      body: Buffer.from(bytes),
    });
    return v.parse(Stored, await response.json());
  };
  const get = async (path: string): Promise<Buffer> =>
    Buffer.from(await (await fetch(`${aggregatorUrl}/v1/blobs/${path}`)).arrayBuffer());
  const owner = alice.toSuiAddress();
  const { newlyCreated } = await store(`epochs=2&permanent=true&send_object_to=${owner}`);
  const { id, blobId, certifiedEpoch } = newlyCreated!.blobObject;
  expect(certifiedEpoch).toBe(1);
  expect(devnet.chain.state.get(id)?.owner).toEqual({ type: 'address', address: owner });
  expect(await get(blobId)).toEqual(Buffer.from(bytes));
  expect(await get(`by-object-id/${id}`)).toEqual(Buffer.from(bytes));
  expect((await store('epochs=1&permanent=true')).alreadyCertified?.blobId).toBe(blobId);
  const missing = await fetch(`${aggregatorUrl}/v1/blobs/${'A'.repeat(43)}`);
  expect(missing.status).toBe(404);

  const form = new FormData();
  form.set('one', new Blob(['first']));
  form.set('two', new Blob(['second']));
  const quilt = v.parse(
    StoredQuilt,
    await (await fetch(`${publisherUrl}/v1/quilts?epochs=1`, { method: 'PUT', body: form })).json(),
  );
  const patch = quilt.storedQuiltBlobs.find(({ identifier }) => identifier === 'two')!;
  expect(String(await get(`by-quilt-patch-id/${patch.quiltPatchId}`))).toBe('second');
  const quiltId = quilt.blobStoreResult.newlyCreated!.blobObject.blobId;
  expect(String(await get(`by-quilt-id/${quiltId}/one`))).toBe('first');
});

test('epochs: what was paid for stays, what ran out is gone, old certificates are refused', async () => {
  const long = await write(someBytes(400), false, 5);
  const short = await write(someBytes(300), false, 1);
  expect(devnet.faults.advanceEpoch({ syncing: true })).toBe(2);
  // While shards move, the client asks the nodes for the blob's epoch first.
  expect(await read(long.blobId)).toHaveLength(400);
  expect(devnet.faults.advanceEpoch()).toBe(2);
  expect(await read(long.blobId)).toHaveLength(400);
  await expect(read(short.blobId)).rejects.toThrow(/not certified/);
  const bytes = someBytes(200);
  expect(await read((await write(bytes)).blobId)).toEqual(bytes);
  const { systemState } = await suiClientOf(devnet).getCurrentSystemState();
  expect(systemState.epoch).toBe('1');
});

test('stake is taken and given back', async () => {
  const { systemObjectId, stakingPoolId } = devnet.config.walrus;
  const packageId = devnet.chain.state.get(systemObjectId)!.objectType.split('::')[0]!;
  const { coinType, balance } = await walBalance();
  const pool = [...devnet.chain.state.objects()].find(({ objectType }) =>
    objectType.endsWith('::staking_pool::StakingPool'),
  )!;
  const client = suiClientOf(devnet);
  await execute(client, alice, (tx: Transaction) => {
    const coin = tx.coin({ type: coinType, balance: 5_000n });
    const staked = tx.moveCall({
      target: `${packageId}::staking::stake_with_pool`,
      arguments: [tx.object(stakingPoolId), coin, tx.pure.id(pool.id)],
    });
    const back = tx.moveCall({
      target: `${packageId}::staking::withdraw_stake`,
      arguments: [tx.object(stakingPoolId), staked],
    });
    tx.transferObjects([back], alice.toSuiAddress());
  });
  expect((await walBalance()).balance).toBe(balance);
});
