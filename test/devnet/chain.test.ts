/**
 * @module The chain through the SDK's own clients: coins, events, dynamic fields, dry runs,
 * upgrades, the SDK's transaction executors, a lagging RPC, both encodings of gRPC-Web, and the
 * same seed giving the same network.
 */
import { bcs } from '@mysten/sui/bcs';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { GrpcWebFetchTransport, SuiGrpcClient } from '@mysten/sui/grpc';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { SerialTransactionExecutor, Transaction } from '@mysten/sui/transactions';
import { fromBase64 } from '@mysten/sui/utils';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageDigest } from '../../devnet/chain/commands.ts';
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
import type { PublishedList } from './support.ts';

let devnet: Devnet;
let client: SuiGrpcClient;
let alice: Ed25519Keypair;
let list: PublishedList;

beforeAll(async () => {
  devnet = await startSmall();
  client = suiClientOf(devnet);
  alice = await funded(devnet, 1);
  list = await publishAllowlist(client, alice);
});
afterAll(async () => {
  await devnet.stop();
});

const addReader = (index: number) => (transaction: Transaction) => {
  transaction.moveCall({
    target: `${list.packageId}::allowlist::add`,
    arguments: [
      transaction.object(list.listId),
      transaction.object(list.capId),
      transaction.pure.address(keyOf(index).toSuiAddress()),
    ],
  });
};

test('coins are split, merged, counted and sum up', async () => {
  const owner = await funded(devnet, 20);
  const address = owner.toSuiAddress();
  const start = BigInt((await client.getBalance({ owner: address })).balance.balance);
  const result = await execute(client, owner, (tx) => {
    const coins = tx.splitCoins(tx.gas, [1, 2, 3]);
    tx.mergeCoins(coins[0], [coins[1]]);
    tx.transferObjects([coins[0], coins[2]], keyOf(21).toSuiAddress());
  });
  const { coins } = await client
    .listCoins({ owner: keyOf(21).toSuiAddress() })
    .then(({ objects }) => ({
      coins: objects.map(({ balance }) => balance).toSorted((a, b) => a.localeCompare(b)),
    }));
  expect(coins).toEqual(['3', '3']);
  const end = BigInt((await client.getBalance({ owner: address })).balance.balance);
  const used = result.effects.gasUsed;
  const cost = BigInt(used.computationCost) + BigInt(used.storageCost) - BigInt(used.storageRebate);
  expect(start - end).toBe(6n + cost);
  expect(result.balanceChanges).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ address: keyOf(21).toSuiAddress(), amount: '6' }),
    ]),
  );
  const { balances } = await client.listBalances({ owner: address });
  expect(
    balances
      .map(({ coinType }) => coinType.split('::').at(-1) ?? '')
      .toSorted((a, b) => a.localeCompare(b)),
  ).toEqual(['SUI', 'WAL']);
});

test('many small gas coins are smashed into one', async () => {
  const owner = keyOf(22);
  const to = owner.toSuiAddress();
  await execute(client, alice, (tx) => {
    const coins = tx.splitCoins(tx.gas, [20_000_000, 20_000_000, 20_000_000]);
    tx.transferObjects([coins[0], coins[1], coins[2]], to);
  });
  await execute(client, owner, (tx) => {
    const [coin] = tx.splitCoins(tx.gas, [30_000_000]);
    tx.transferObjects([coin], alice.toSuiAddress());
  });
  expect((await client.listCoins({ owner: to })).objects).toHaveLength(1);
});

test('a transaction without enough gas is refused at the dry run, and costs nothing', async () => {
  await expect(execute(client, keyOf(23), () => undefined)).rejects.toThrow(/insufficient SUI/);
});

test('a vector of objects and of numbers is made', async () => {
  const result = await client.simulateTransaction({
    transaction: await built((tx) => {
      const [one, two] = tx.splitCoins(tx.gas, [4, 5]);
      tx.makeMoveVec({ elements: [one, two] });
      tx.makeMoveVec({ type: 'u64', elements: [tx.pure.u64(7), tx.pure.u64(8)] });
    }),
    include: { commandResults: true },
  });
  // Coins have no drop: the vector of coins may not be left over.
  expect(result.FailedTransaction?.status.error?.message).toMatch(/has no drop/);
  const numbers = await client.simulateTransaction({
    transaction: await built((tx) => {
      tx.makeMoveVec({ type: 'u64', elements: [tx.pure.u64(7), tx.pure.u64(8)] });
    }),
    include: { commandResults: true },
  });
  const [output] = numbers.commandResults?.[0]?.returnValues ?? [];
  expect(bcs.vector(bcs.u64()).parse(output?.bcs ?? new Uint8Array())).toEqual(['7', '8']);
});

const balanceOf = (contents: Uint8Array): bigint => BigInt(bcs.u64().parse(contents.slice(32)));

const built = (build: (transaction: Transaction) => void): Promise<Uint8Array> => {
  const transaction = new Transaction();
  transaction.setSender(alice.toSuiAddress());
  transaction.setGasPrice(1_000);
  transaction.setGasBudget(50_000_000);
  const [gas] = devnet.chain.state
    .ownedBy({ type: 'address', address: alice.toSuiAddress() })
    .filter(({ objectType }) => objectType.includes('::sui::SUI>'))
    .toSorted((a, b) => Number(balanceOf(b.contents) - balanceOf(a.contents)));
  if (gas)
    transaction.setGasPayment([
      { objectId: gas.id, version: gas.version.toString(), digest: gas.digest },
    ]);
  build(transaction);
  return transaction.build();
};

test('events are listed by type, paged, in both orders', async () => {
  for (const index of [30, 31, 32]) await execute(client, alice, addReader(index));
  const filter = { eventType: `${list.packageId}::allowlist::Added` } as const;
  const first = await client.listEvents({ filter, limit: 2 });
  expect(first.events).toHaveLength(2);
  expect(first.hasNextPage).toBe(true);
  const rest = await client.listEvents({ filter, limit: 2, after: first.endCursor });
  expect(rest.events).toHaveLength(1);
  expect(rest.hasNextPage).toBe(false);
  const readers = [...first.events, ...rest.events].map(({ json }) => json);
  expect(readers).toEqual(
    [30, 31, 32].map((index) => ({ list: list.listId, reader: keyOf(index).toSuiAddress() })),
  );
  const last = await client.listEvents({ filter, limit: 1, order: 'descending' });
  expect(last.events[0]?.json).toEqual(readers[2]);
  const none = await client.listEvents({ filter: { eventType: '0x2::nothing::Here' }, limit: 5 });
  expect(none.events).toEqual([]);
});

test('dynamic fields are listed with name and value', async () => {
  const object = await client.getObject({ objectId: list.listId, include: { json: true } });
  const json = v.parse(
    v.object({ readers: v.object({ id: v.string(), size: v.string() }) }),
    object.object.json,
  );
  const { dynamicFields } = await client.listDynamicFields({
    parentId: json.readers.id,
    include: { value: true },
  });
  expect(dynamicFields).toHaveLength(Number(json.readers.size));
  const reader = keyOf(30).toSuiAddress();
  const name = { type: 'address', bcs: bcs.Address.serialize(reader).toBytes() };
  const field = await client.getDynamicField({ parentId: json.readers.id, name });
  expect(bcs.bool().parse(field.dynamicField.value.bcs)).toBe(true);
});

test('owned objects are found by type, with and without type arguments', async () => {
  const owner = alice.toSuiAddress();
  const caps = await client.listOwnedObjects({
    owner,
    type: `${list.packageId}::allowlist::Cap`,
  });
  expect(caps.objects.map(({ objectId }) => objectId)).toEqual([list.capId]);
  const coins = await client.listOwnedObjects({ owner, type: '0x2::coin::Coin' });
  expect(coins.objects.length).toBeGreaterThanOrEqual(2);
  const page = await client.listOwnedObjects({ owner, limit: 1 });
  expect(page.hasNextPage).toBe(true);
  const next = await client.listOwnedObjects({ owner, limit: 1, cursor: page.cursor });
  expect(next.objects[0]?.objectId).not.toBe(page.objects[0]?.objectId);
});

test('functions, coins, epochs and chain are described', async () => {
  const { function: info } = await client.getMoveFunction({
    packageId: list.packageId,
    moduleName: 'allowlist',
    name: 'seal_approve',
  });
  expect(info).toMatchObject({ visibility: 'private', isEntry: true });
  expect(info.parameters.map(({ reference }) => reference)).toEqual([
    null,
    'immutable',
    'immutable',
  ]);
  const { coinMetadata } = await client.getCoinMetadata({ coinType: '0x2::sui::SUI' });
  expect(coinMetadata).toMatchObject({ decimals: 9, symbol: 'SUI' });
  expect((await client.getReferenceGasPrice()).referenceGasPrice).toBe('1000');
  expect((await client.getCurrentSystemState()).systemState.epoch).toBe('0');
  const { chainIdentifier } = await client.getChainIdentifier();
  expect(chainIdentifier).toBe(devnet.chain.chainId);
});

test('a package is upgraded through its capability; types keep their first id', async () => {
  const digest = packageDigest(
    allowlist.modules.map((module) => fromBase64(module)),
    allowlist.dependencies,
  );
  const result = await execute(client, alice, (tx) => {
    const cap = tx.object(list.upgradeCapId);
    const ticket = tx.moveCall({
      target: '0x2::package::authorize_upgrade',
      arguments: [cap, tx.pure.u8(0), tx.pure.vector('u8', digest)],
    });
    const receipt = tx.upgrade({ ...allowlist, package: list.packageId, ticket });
    tx.moveCall({ target: '0x2::package::commit_upgrade', arguments: [cap, receipt] });
  });
  const upgraded = idOf(result, 'package');
  expect(devnet.chain.state.get(upgraded)).toMatchObject({
    version: 2n,
    package: { originalId: list.packageId },
  });
  // The new version works on the objects of the old one.
  await execute(client, alice, (tx) => {
    tx.moveCall({
      target: `${upgraded}::allowlist::add`,
      arguments: [
        tx.object(list.listId),
        tx.object(list.capId),
        tx.pure.address(keyOf(40).toSuiAddress()),
      ],
    });
  });
});

test("the SDK's serial executor keeps its cache of objects right", async () => {
  const executor = new SerialTransactionExecutor({ client, signer: alice });
  const results = await Promise.all(
    [50, 51, 52].map((index) => {
      const transaction = new Transaction();
      addReader(index)(transaction);
      return executor.executeTransaction(transaction);
    }),
  );
  expect(results.map(({ $kind }) => $kind)).toEqual(['Transaction', 'Transaction', 'Transaction']);
});

const send = async (bytes: Uint8Array) =>
  client.executeTransaction({
    transaction: bytes,
    signatures: [(await alice.signTransaction(bytes)).signature],
  });

test('two transactions on one gas coin: one runs, the other is refused and can be rebuilt', async () => {
  const one = await built((tx) => tx.setGasBudget(40_000_000));
  const two = await built((tx) => tx.setGasBudget(41_000_000));
  const outcome = await Promise.allSettled([send(one), send(two)]);
  expect(outcome.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
});

test('the same signed bytes again give the same record, once', async () => {
  const bytes = await built(() => undefined);
  const signatures = [(await alice.signTransaction(bytes)).signature];
  const first = await client.executeTransaction({ transaction: bytes, signatures });
  const length = devnet.chain.records.length;
  const again = await client.executeTransaction({ transaction: bytes, signatures });
  expect(again.Transaction?.digest).toBe(first.Transaction?.digest);
  expect(devnet.chain.records.length).toBe(length);
});

test('a stale RPC hides the last transactions and hands out versions that are gone', async () => {
  devnet.faults.staleRpc(1);
  const before = await client.getObject({ objectId: list.capId });
  const result = await execute(client, alice, addReader(60));
  const after = await client.getObject({ objectId: list.capId });
  expect(after.object.version).toBe(before.object.version);
  await expect(client.getTransaction({ digest: result.digest })).rejects.toThrow(/not found/i);
  await expect(execute(client, alice, addReader(61))).rejects.toThrow(
    /unavailable for consumption/,
  );
  devnet.faults.staleRpc(0);
  expect((await client.getObject({ objectId: list.capId })).object.version).not.toBe(
    before.object.version,
  );
  await execute(client, alice, addReader(61));
});

const readClock = async (): Promise<bigint> => {
  const { object } = await client.getObject({ objectId: '0x6', include: { content: true } });
  return BigInt(bcs.u64().parse(object.content.slice(32)));
};

test('the clock moves on command', async () => {
  const before = await readClock();
  devnet.faults.advanceClock(3_600_000);
  expect((await readClock()) - before).toBeGreaterThanOrEqual(3_600_000n);
});

test('gRPC-Web works in its binary encoding, and from a browser', async () => {
  const baseUrl = devnet.config.rpcUrl;
  const binary = new SuiGrpcClient({
    network: 'localnet',
    transport: new GrpcWebFetchTransport({ baseUrl, format: 'binary' }),
  });
  expect((await binary.getChainIdentifier()).chainIdentifier).toBe(devnet.chain.chainId);
  const preflight = await fetch(`${baseUrl}/sui.rpc.v2.LedgerService/GetEpoch`, {
    method: 'OPTIONS',
    headers: {
      origin: 'http://localhost:3000',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-grpc-web',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
  expect(preflight.headers.get('access-control-allow-headers')).toContain('x-grpc-web');
});

test('the faucet refuses what is no address, and pages may not switch faults', async () => {
  await expect(
    requestSuiFromFaucetV2({ host: devnet.config.faucetUrl, recipient: 'nobody' }),
  ).rejects.toThrow(/Faucet request failed/);
  const control = (headers: Record<string, string>, body: unknown) =>
    fetch(`${devnet.config.faucetUrl}/control`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
  const command = { type: 'advanceClock', ms: 1 };
  expect((await control({ origin: 'http://evil.example' }, command)).status).toBe(404);
  expect((await control({}, command)).status).toBe(200);
  expect((await control({}, { type: 'nodeDown', node: 99 })).status).toBe(400);
});

const now = (): number => 1_700_000_000_000;

const runOf = async (seed: string) => {
  const net = await startSmall({ seed, now });
  await funded(net, 1);
  const objects = [...net.chain.state.objects()]
    // Addresses with ports differ between runs.
    .filter(({ objectType }) => !/StakingPool|KeyServer/.test(objectType))
    .map(({ digest }) => digest);
  const { walrus, seal } = net.config;
  await net.stop();
  return { objects, ids: [walrus.systemObjectId, seal.servers[0]?.objectId] };
};

test('one seed gives one network, another seed another', async () => {
  const first = await runOf('a');
  expect(await runOf('a')).toEqual(first);
  expect((await runOf('b')).ids).not.toEqual(first.ids);
});
