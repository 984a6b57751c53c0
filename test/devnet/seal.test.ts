/**
 * @module Seal on the devnet: the stock client is served, everyone else is refused. Requests are
 * altered field by field, sessions expire, servers go down; policies are asked on the latest state
 * even when the RPC lags.
 */
import {
  ExpiredSessionKeyError,
  InvalidPTBError,
  NoAccessError,
  SealClient,
  SessionKey,
} from '@mysten/seal';
import { bcs } from '@mysten/sui/bcs';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import type { SuiGrpcClient } from '@mysten/sui/grpc';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction } from '@mysten/sui/transactions';
import { fromBase64, fromHex, toBase64 } from '@mysten/sui/utils';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Devnet } from '../../devnet/index.ts';
import {
  allowlist,
  execute,
  funded,
  idOf,
  keyOf,
  publishAllowlist,
  startSmall,
  suiClientOf,
} from './support.ts';
import { keyServerHandler } from '../../devnet/seal/key-server.ts';
import { Requesters } from '../../devnet/seal/requesters.ts';
import { packageDigest } from '../../devnet/chain/commands.ts';
import { evaluate } from '../../devnet/chain/dry-run.ts';
import type { PublishedList } from './support.ts';

let devnet: Devnet;
let client: SuiGrpcClient;
let alice: Ed25519Keypair;
let list: PublishedList;
/** Added to the wall clock of the key servers. */
let skewMs = 0;

beforeAll(async () => {
  devnet = await startSmall({
    sealServers: 3,
    sealThreshold: 2,
    now: () => Date.now() + skewMs,
  });
  client = suiClientOf(devnet);
  alice = await funded(devnet, 1);
  list = await publishAllowlist(client, alice);
  await change('add', alice);
});
afterAll(async () => {
  await devnet.stop();
});
afterEach(() => {
  skewMs = 0;
  devnet.faults.clear();
});

const change = (what: 'add' | 'remove', reader: Ed25519Keypair) =>
  execute(client, alice, (transaction) => {
    transaction.moveCall({
      target: `${list.packageId}::allowlist::${what}`,
      arguments: [
        transaction.object(list.listId),
        transaction.object(list.capId),
        transaction.pure.address(reader.toSuiAddress()),
      ],
    });
  });

const sealClient = (timeout = 5_000): SealClient =>
  new SealClient({
    suiClient: client,
    serverConfigs: devnet.config.seal.servers.map(({ objectId }) => ({ objectId, weight: 1 })),
    timeout,
  });
const identity = (): string => `${list.listId}07`;
const approval = (
  transaction: Transaction,
  target = `${list.packageId}::allowlist::seal_approve`,
): void => {
  transaction.moveCall({
    target,
    arguments: [
      transaction.pure.vector('u8', fromHex(identity())),
      transaction.object(list.listId),
    ],
  });
};
const kindBytes = (build: (transaction: Transaction) => void): Promise<Uint8Array> => {
  const transaction = new Transaction();
  build(transaction);
  return transaction.build({ client, onlyTransactionKind: true });
};
const session = (reader: Ed25519Keypair): Promise<SessionKey> =>
  SessionKey.create({
    address: reader.toSuiAddress(),
    packageId: list.packageId,
    ttlMin: 1,
    signer: reader,
    suiClient: client,
  });
const encrypt = () =>
  sealClient().encrypt({
    threshold: 2,
    packageId: list.packageId,
    id: identity(),
    data: new TextEncoder().encode('secret'),
  });
const decrypt = async (
  data: Uint8Array,
  reader: Ed25519Keypair,
  options: { checkShareConsistency?: boolean } = {},
): Promise<string> =>
  new TextDecoder().decode(
    await sealClient().decrypt({
      data,
      sessionKey: await session(reader),
      txBytes: await kindBytes(approval),
      ...options,
    }),
  );

test('one server down: decrypted, with consistent shares; two down: not', async () => {
  const { encryptedObject } = await encrypt();
  devnet.faults.keyServerDown(1);
  expect(await decrypt(encryptedObject, alice, { checkShareConsistency: true })).toBe('secret');
  devnet.faults.keyServerDown(2);
  await expect(decrypt(encryptedObject, alice)).rejects.toThrow(/fetch failed/);
  devnet.faults.clear();
  expect(await decrypt(encryptedObject, alice)).toBe('secret');
});

test('a slow server is not waited for', async () => {
  const { encryptedObject } = await encrypt();
  devnet.faults.keyServerDelay(0, 60_000);
  expect(await decrypt(encryptedObject, alice)).toBe('secret');
});

test('revocation counts at once, also for a reader whose RPC lags behind', async () => {
  const bob = keyOf(9);
  await change('add', bob);
  const { encryptedObject } = await encrypt();
  expect(await decrypt(encryptedObject, bob)).toBe('secret');
  await change('remove', bob);
  devnet.faults.staleRpc(5);
  await expect(decrypt(encryptedObject, bob)).rejects.toThrow(NoAccessError);
});

test('a session from the past or the future is expired for the servers', async () => {
  const { encryptedObject } = await encrypt();
  skewMs = 61_000;
  await expect(decrypt(encryptedObject, alice)).rejects.toThrow(ExpiredSessionKeyError);
  skewMs = -5_000;
  await expect(decrypt(encryptedObject, alice)).rejects.toThrow(ExpiredSessionKeyError);
});

test('only seal_approve functions, of one package, with plain inputs, are run', async () => {
  const sessionKey = await session(alice);
  const ids = [identity()];
  const fetchKeys = async (build: (transaction: Transaction) => void) =>
    sealClient().fetchKeys({ ids, txBytes: await kindBytes(build), sessionKey, threshold: 2 });
  await expect(
    fetchKeys((tx) => approval(tx, `${list.packageId}::allowlist::create`)),
  ).rejects.toThrow(InvalidPTBError);
  await expect(
    fetchKeys((tx) => {
      approval(tx);
      tx.splitCoins(tx.gas, [1]);
    }),
  ).rejects.toThrow(InvalidPTBError);
  await expect(
    fetchKeys((tx) => {
      const [made] = [tx.makeMoveVec({ type: 'u8', elements: [tx.pure.u8(1)] })];
      tx.moveCall({
        target: `${list.packageId}::allowlist::seal_approve`,
        arguments: [made, tx.object(list.listId)],
      });
    }),
  ).rejects.toThrow(InvalidPTBError);
  await expect(fetchKeys(() => undefined)).rejects.toThrow(InvalidPTBError);
});

test('an approved transaction gives the keys of its own identities only', async () => {
  const sessionKey = await session(alice);
  const other = new Transaction();
  other.moveCall({
    target: `${list.packageId}::allowlist::seal_approve`,
    arguments: [other.pure.vector('u8', fromHex(`${list.listId}08`)), other.object(list.listId)],
  });
  const { encryptedObject } = await encrypt();
  await expect(
    sealClient().decrypt({
      data: encryptedObject,
      sessionKey,
      txBytes: await other.build({ client, onlyTransactionKind: true }),
    }),
  ).rejects.toThrow(/key|threshold|share/i);
});

test('an upgraded package gives keys of the namespace of its first version', async () => {
  const published = await publishAllowlist(client, alice);
  const digest = packageDigest(
    allowlist.modules.map((module) => fromBase64(module)),
    allowlist.dependencies,
  );
  const upgrade = await execute(client, alice, (tx) => {
    const cap = tx.object(published.upgradeCapId);
    const ticket = tx.moveCall({
      target: '0x2::package::authorize_upgrade',
      arguments: [cap, tx.pure.u8(0), tx.pure.vector('u8', digest)],
    });
    const receipt = tx.upgrade({ ...allowlist, package: published.packageId, ticket });
    tx.moveCall({ target: '0x2::package::commit_upgrade', arguments: [cap, receipt] });
    tx.moveCall({
      target: `${published.packageId}::allowlist::add`,
      arguments: [
        tx.object(published.listId),
        tx.object(published.capId),
        tx.pure.address(alice.toSuiAddress()),
      ],
    });
  });
  const id = `${published.listId}01`;
  const { encryptedObject } = await sealClient().encrypt({
    threshold: 2,
    packageId: published.packageId,
    id,
    data: new TextEncoder().encode('kept'),
  });
  const sessionKey = await SessionKey.create({
    address: alice.toSuiAddress(),
    packageId: published.packageId,
    ttlMin: 1,
    signer: alice,
    suiClient: client,
  });
  const txBytes = await kindBytes((tx) =>
    tx.moveCall({
      target: `${idOf(upgrade, 'package')}::allowlist::seal_approve`,
      arguments: [tx.pure.vector('u8', fromHex(id)), tx.object(published.listId)],
    }),
  );
  const plain = await sealClient().decrypt({ data: encryptedObject, sessionKey, txBytes });
  expect(new TextDecoder().decode(plain)).toBe('kept');
});

/** A request as the SDK sends it, to be altered. */
const rawRequest = async (reader: Ed25519Keypair) => {
  const sessionKey = await session(reader);
  const txBytes = await kindBytes(approval);
  const certificate = await sessionKey.getCertificate();
  const params = await sessionKey.createRequestParams(txBytes);
  return {
    ptb: toBase64(txBytes.slice(1)),
    enc_key: toBase64(params.encKeyPk),
    enc_verification_key: toBase64(params.encVerificationKey),
    request_signature: params.requestSignature,
    certificate,
  };
};

const send = async (
  body: unknown,
  headers: Record<string, string> = { 'client-sdk-version': '1.4.12' },
) => {
  const [server] = devnet.config.seal.servers;
  const response = await fetch(`${server!.url}/v1/fetch_key`, {
    method: 'POST',
    headers: { 'client-sdk-type': 'typescript', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const reply = v.parse(
    v.object({ error: v.optional(v.string()), decryption_keys: v.optional(v.array(v.unknown())) }),
    await response.json(),
  );
  return { status: response.status, error: reply.error, keys: reply.decryption_keys?.length };
};

test('a request is refused when any of its fields is another', async () => {
  const good = await rawRequest(alice);
  const other = await rawRequest(keyOf(9));
  expect(await send(good)).toEqual({ status: 200, error: undefined, keys: 1 });
  const { certificate } = good;
  const refusals = {
    // The outsider's own request is in order; only the policy says no.
    outsider: await send(other),
    user: await send({ ...good, certificate: { ...certificate, user: keyOf(9).toSuiAddress() } }),
    session: await send({
      ...good,
      certificate: { ...certificate, session_vk: other.certificate.session_vk },
    }),
    lifetime: await send({ ...good, certificate: { ...certificate, ttl_min: 30 } }),
    tooLong: await send({ ...good, certificate: { ...certificate, ttl_min: 31 } }),
    key: await send({ ...good, enc_key: other.enc_key }),
    signature: await send({ ...good, request_signature: other.request_signature }),
    notAPoint: await send({ ...good, enc_key: toBase64(new Uint8Array(48).fill(1)) }),
    name: await send({ ...good, certificate: { ...certificate, mvr_name: '@app/name' } }),
    noJson: await send('{'),
    noVersion: await send(good, {}),
    oddVersion: await send(good, { 'client-sdk-version': 'new' }),
    oddType: await send(good, { 'client-sdk-version': '1.0.0', 'client-sdk-type': 'cobol' }),
  };
  const errors = Object.fromEntries(
    Object.entries(refusals).map(([name, { status, error }]) => [name, [status, error]]),
  );
  expect(errors).toEqual({
    outsider: [403, 'NoAccess'],
    user: [403, 'InvalidSignature'],
    session: [403, 'InvalidSignature'],
    lifetime: [403, 'InvalidSignature'],
    tooLong: [403, 'InvalidCertificate'],
    key: [403, 'InvalidSessionSignature'],
    signature: [403, 'InvalidSessionSignature'],
    notAPoint: [403, 'InvalidSessionSignature'],
    name: [403, 'InvalidMVRName'],
    noJson: [403, 'InvalidPTB'],
    noVersion: [400, 'MissingRequiredHeader'],
    oddVersion: [400, 'InvalidSDKVersion'],
    oddType: [400, 'InvalidSDKType'],
  });
});

test('claims about inputs in the request change nothing: the policy sees the stored objects', async () => {
  const good = await rawRequest(alice);
  const ptb = bcs.ProgrammableTransaction.parse(fromBase64(good.ptb));
  const sessionKey = await session(keyOf(9));
  // An outsider claims the list to be an object of its own, at another version.
  const inputs = ptb.inputs.map((input) =>
    input.$kind === 'Object'
      ? {
          Object: {
            ImmOrOwnedObject: {
              objectId: list.listId,
              version: '77',
              digest: devnet.chain.chainId,
            },
          },
        }
      : { Pure: { bytes: input.Pure?.bytes ?? '' } },
  );
  const altered = bcs.ProgrammableTransaction.serialize({
    inputs,
    commands: ptb.commands,
  }).toBytes();
  const txBytes = Buffer.concat([Uint8Array.of(0), altered]);
  const params = await sessionKey.createRequestParams(txBytes);
  expect(
    await send({
      ptb: toBase64(altered),
      enc_key: toBase64(params.encKeyPk),
      enc_verification_key: toBase64(params.encVerificationKey),
      request_signature: params.requestSignature,
      certificate: await sessionKey.getCertificate(),
    }),
  ).toMatchObject({ status: 403, error: 'NoAccess' });
});

test('a package or an object that does not exist is named as such', async () => {
  const good = await rawRequest(alice);
  const ptb = bcs.ProgrammableTransaction.parse(fromBase64(good.ptb));
  const sessionKey = await session(alice);
  const ask = async (alter: (text: string) => string) => {
    const altered = fromHex(alter(Buffer.from(fromBase64(good.ptb)).toString('hex')));
    const params = await sessionKey.createRequestParams(Buffer.concat([Uint8Array.of(0), altered]));
    return send({
      ptb: toBase64(altered),
      enc_key: toBase64(params.encKeyPk),
      enc_verification_key: toBase64(params.encVerificationKey),
      request_signature: params.requestSignature,
      certificate: await sessionKey.getCertificate(),
    });
  };
  expect(ptb.commands).toHaveLength(1);
  const unknown = 'ab'.repeat(32);
  expect(await ask((hex) => hex.replaceAll(list.packageId.slice(2), unknown))).toMatchObject({
    error: 'InvalidPackage',
  });
  expect(await ask((hex) => hex.replaceAll(list.listId.slice(2), unknown))).toMatchObject({
    error: 'InvalidParameter',
  });
});

test('a server proves its key, only under its own id; bodies are bounded', async () => {
  const [one, two] = devnet.config.seal.servers;
  const ask = (service: string) =>
    fetch(`${one!.url}/v1/service?service_id=${service}`, { headers: { origin: 'http://app' } });
  const own = await ask(one!.objectId);
  expect(own.status).toBe(200);
  expect(own.headers.get('access-control-expose-headers')).toBe('X-KeyServer-Version');
  expect((await ask(two!.objectId)).status).toBe(400);
  const large = await fetch(`${one!.url}/v1/fetch_key`, {
    method: 'POST',
    body: 'x'.repeat(200 * 1024),
  });
  expect(large.status).toBe(413);
});

test('a server that is not needed waits for its client to hang up, and then does nothing', async () => {
  const good = await rawRequest(alice);
  const requesters = new Requesters(2);
  const secretKey = new Uint8Array(32).fill(7);
  const asked: string[] = [];
  const serve = keyServerHandler({
    chain: devnet.chain,
    evaluate: (programmable, sender) => {
      asked.push(sender);
      return evaluate(devnet.chain, programmable, sender);
    },
    objectId: devnet.config.seal.servers[0]!.objectId,
    secretKey,
    now: Date.now,
    requesters,
  });
  const ask = async (signal: AbortSignal) =>
    serve({
      method: 'POST',
      url: new URL('http://server/v1/fetch_key'),
      headers: { 'client-sdk-version': '1.4.12' },
      body: Buffer.from(JSON.stringify(good)),
      signal,
    });
  const open = new AbortController().signal;
  expect((await ask(AbortSignal.abort())).status).toBe(499);
  expect(asked).toEqual([]);
  expect((await ask(open)).status).toBe(200);
  expect((await ask(open)).status).toBe(200);
  expect(asked).toHaveLength(2);
  // Two have answered, as many as are needed: the third is given time to learn that the client has
  // left.
  const leaving = new AbortController();
  const third = ask(leaving.signal);
  leaving.abort();
  expect((await third).status).toBe(499);
  expect(asked).toHaveLength(2);
  // A client that stays gets its answer, from as many servers as it likes, each asked anew what the
  // policy says.
  expect((await ask(open)).status).toBe(200);
  expect(asked).toHaveLength(3);
});

test('a key that was given out is not given to those who lost access, nor its point taken unchecked', async () => {
  const good = await rawRequest(alice);
  expect((await send(good)).status).toBe(200);
  await change('remove', alice);
  expect(await send(good)).toMatchObject({ status: 403, error: 'NoAccess' });
  await change('add', alice);
  expect((await send(good)).status).toBe(200);
  // On the curve, outside the group: found by trying small x, checked by the library.
  const outside = new Uint8Array(48);
  outside[0] = 0x80;
  const isOutside = (bytes: Uint8Array): boolean => {
    try {
      bls12_381.G1.Point.fromBytes(bytes);
      return false;
    } catch (error) {
      return /subgroup|torsion|prime/i.test(String(error));
    }
  };
  while (!isOutside(outside)) outside[47] = (outside[47] ?? 0) + 1;
  const requesters = new Requesters(2);
  for (const _ of [1, 2]) expect(() => requesters.point(outside)).toThrow();
  const identityPoint = new Uint8Array(48);
  identityPoint[0] = 0xc0;
  expect(() => requesters.point(identityPoint)).toThrow(/identity/);
});
