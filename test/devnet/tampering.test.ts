/**
 * @module Attacks on the chain: every field of a request that could be false is made false once,
 * and must be refused with nothing changed. Ownership, sharing and versions come from the state;
 * pure bytes never become objects.
 */
import { bcs } from '@mysten/sui/bcs';
import type { SuiGrpcClient } from '@mysten/sui/grpc';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction } from '@mysten/sui/transactions';
import { fromBase64 } from '@mysten/sui/utils';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ChainObject } from '../../devnet/chain/objects.ts';
import type { Devnet } from '../../devnet/index.ts';
import { execute, funded, publishAllowlist, startSmall, suiClientOf } from './support.ts';
import type { PublishedList } from './support.ts';

let devnet: Devnet;
let client: SuiGrpcClient;
let alice: Ed25519Keypair;
let mallory: Ed25519Keypair;
let list: PublishedList;
/** Gas coins by address, read fresh for every test. */
let gas: Map<string, ChainObject>;

beforeAll(async () => {
  devnet = await startSmall();
  client = suiClientOf(devnet);
  alice = await funded(devnet, 1);
  mallory = await funded(devnet, 2);
  list = await publishAllowlist(client, alice);
});
afterAll(async () => {
  await devnet.stop();
});

const stored = (id: string): ChainObject => {
  const object = devnet.chain.state.get(id);
  if (!object) throw new Error(`${id} is not stored`);
  return object;
};
const refOf = (object: ChainObject) => ({
  objectId: object.id,
  version: object.version.toString(),
  digest: object.digest,
});
const gasOf = (key: Ed25519Keypair): ChainObject => {
  const coin = gas.get(key.toSuiAddress());
  if (!coin) throw new Error('no gas coin');
  return coin;
};

beforeEach(() => {
  gas = new Map();
  for (const key of [alice, mallory]) {
    const address = key.toSuiAddress();
    const coin = devnet.chain.state
      .ownedBy({ type: 'address', address })
      .find(({ objectType }) => objectType.endsWith('::coin::Coin<' + SUI + '>'));
    if (coin) gas.set(address, coin);
  }
});
const SUI = `0x${'0'.repeat(63)}2::sui::SUI`;

/**
 * A transaction with nothing left to resolve, so that the request says exactly what the test wants
 * it to say.
 */
const manual = (sender: Ed25519Keypair, build: (transaction: Transaction) => void): Transaction => {
  const transaction = new Transaction();
  transaction.setSender(sender.toSuiAddress());
  transaction.setGasPrice(1_000);
  transaction.setGasBudget(50_000_000);
  transaction.setGasPayment([refOf(gasOf(sender))]);
  build(transaction);
  return transaction;
};

const submit = async (transaction: Transaction, ...signers: readonly Ed25519Keypair[]) => {
  const bytes = await transaction.build();
  const signatures = await Promise.all(
    signers.map(async (signer) => (await signer.signTransaction(bytes)).signature),
  );
  return client.executeTransaction({
    transaction: bytes,
    signatures,
    include: { effects: true },
  });
};

const sharedList = (mutable: boolean) => {
  const { owner } = stored(list.listId);
  if (owner.type !== 'shared') throw new Error('the list is shared');
  return { objectId: list.listId, initialSharedVersion: owner.version.toString(), mutable };
};

/** Mallory calls `add` with whatever stands for list and capability. */
const addCall = (
  transaction: Transaction,
  listArgument: ReturnType<Transaction['object']>,
  capArgument: ReturnType<Transaction['object']> | ReturnType<Transaction['pure']>,
): void => {
  transaction.moveCall({
    target: `${list.packageId}::allowlist::add`,
    arguments: [listArgument, capArgument, transaction.pure.address(mallory.toSuiAddress())],
  });
};

/** Runs an attack; the state must be bit for bit what it was. */
const expectRefused = async (attack: () => Promise<unknown>, message: RegExp): Promise<void> => {
  const before = snapshot();
  const length = devnet.chain.records.length;
  await expect(attack()).rejects.toThrow(message);
  expect(devnet.chain.records.length).toBe(length);
  expect(snapshot()).toEqual(before);
};

/** The same for a transaction of `sender`, who signs it alone unless others are given. */
const refuses = (
  message: RegExp,
  sender: Ed25519Keypair,
  build: (transaction: Transaction) => void,
  signers: readonly Ed25519Keypair[] = [sender],
): Promise<void> => expectRefused(() => submit(manual(sender, build), ...signers), message);

/** Every object's digest, the clock aside, which continues. */
const snapshot = (): readonly string[] =>
  [...devnet.chain.state.objects()]
    .filter(({ objectType }) => !objectType.endsWith('::clock::Clock'))
    .map(({ digest }) => digest)
    .toSorted();

test('an owned object of somebody else is refused, though its reference is right', async () => {
  await refuses(/not signed by the correct sender/, mallory, (tx) =>
    addCall(tx, tx.sharedObjectRef(sharedList(true)), tx.objectRef(refOf(stored(list.capId)))),
  );
});

test('an owned object claimed to be shared is refused', async () => {
  await refuses(/is owned, not shared/, mallory, (tx) =>
    addCall(
      tx,
      tx.sharedObjectRef(sharedList(true)),
      tx.sharedObjectRef({
        objectId: list.capId,
        initialSharedVersion: stored(list.capId).version.toString(),
        mutable: false,
      }),
    ),
  );
});

test('a shared object claimed to be owned is refused', async () => {
  await refuses(/is shared, the request says it is not/, alice, (tx) =>
    addCall(tx, tx.objectRef(refOf(stored(list.listId))), tx.objectRef(refOf(stored(list.capId)))),
  );
});

test('a wrong initial version of a shared object is refused', async () => {
  await refuses(/is shared since version/, alice, (tx) =>
    addCall(
      tx,
      tx.sharedObjectRef({ ...sharedList(true), initialSharedVersion: '1' }),
      tx.objectRef(refOf(stored(list.capId))),
    ),
  );
});

test('an object of somebody else claimed to be received is refused', async () => {
  const attack = manual(mallory, (tx) =>
    addCall(tx, tx.sharedObjectRef(sharedList(true)), tx.receivingRef(refOf(stored(list.capId)))),
  );
  const result = await submit(attack, mallory);
  expect(result.FailedTransaction?.status.error?.message).toMatch(/object to receive/);
  expect(stored(list.capId).owner).toEqual({ type: 'address', address: alice.toSuiAddress() });
});

test.each([
  ['an old version', (v: bigint) => v - 1n],
  ['a version to come', (v: bigint) => v + 1n],
])('%s of an owned object is refused', async (_name, change) => {
  const cap = stored(list.capId);
  await refuses(/is unavailable for consumption, current version/, alice, (tx) =>
    addCall(
      tx,
      tx.sharedObjectRef(sharedList(true)),
      tx.objectRef({ ...refOf(cap), version: change(cap.version).toString() }),
    ),
  );
});

test('a wrong digest is refused', async () => {
  await refuses(/is not that of version/, alice, (tx) =>
    addCall(
      tx,
      tx.sharedObjectRef(sharedList(true)),
      tx.objectRef({
        ...refOf(stored(list.capId)),
        digest: stored(list.listId).digest,
      }),
    ),
  );
});

test('a dynamic field as an input is refused', async () => {
  const field = [...devnet.chain.state.objects()].find(({ owner }) => owner.type === 'object');
  if (!field) throw new Error('there is a dynamic field');
  await refuses(/is owned by object .* and cannot be an input/, alice, (tx) =>
    tx.transferObjects([tx.objectRef(refOf(field))], alice.toSuiAddress()),
  );
});

test("somebody else's gas coin is refused", async () => {
  await refuses(/is not owned by the gas owner/, mallory, (tx) => {
    tx.setGasPayment([refOf(gasOf(alice))]);
  });
});

test('a gas owner who did not sign is refused', async () => {
  await refuses(/expected 2 signatures/, mallory, (tx) => {
    tx.setGasOwner(alice.toSuiAddress());
    tx.setGasPayment([refOf(gasOf(alice))]);
  });
});

test('a gas owner for whom the sender signs twice is refused', async () => {
  await refuses(
    /expected a signature of/,
    mallory,
    (tx) => {
      tx.setGasOwner(alice.toSuiAddress());
      tx.setGasPayment([refOf(gasOf(alice))]);
    },
    [mallory, mallory],
  );
});

test('a sponsor who signs pays', async () => {
  const before = stored(gasOf(mallory).id);
  const result = await submit(
    manual(mallory, (tx) => {
      tx.setGasOwner(alice.toSuiAddress());
      tx.setGasPayment([refOf(gasOf(alice))]);
    }),
    mallory,
    alice,
  );
  expect(result.$kind).toBe('Transaction');
  expect(stored(before.id)).toEqual(before);
});

test('the gas coin as an input too is refused', async () => {
  await refuses(/is an input or a gas coin twice/, alice, (tx) =>
    tx.transferObjects([tx.objectRef(refOf(gasOf(alice)))], mallory.toSuiAddress()),
  );
});

test('gas below the reference price, or a budget above the balance, is refused', async () => {
  await refuses(/below the reference price/, alice, (tx) => tx.setGasPrice(1));
  await refuses(/gas budget/, alice, (tx) => tx.setGasBudget(50_000_000_001));
});

test("a signature of another key, for the sender's transaction, is refused", async () => {
  await refuses(/expected a signature of/, alice, () => undefined, [mallory]);
});

test('a signature of other bytes is refused', async () => {
  const bytes = await manual(alice, () => undefined).build();
  const other = await manual(alice, (tx) => tx.setGasBudget(49_000_000)).build();
  const { signature } = await alice.signTransaction(other);
  await expectRefused(
    () => client.executeTransaction({ transaction: bytes, signatures: [signature] }),
    /does not verify/,
  );
});

test('a signature with one bit changed is refused', async () => {
  const bytes = await manual(alice, () => undefined).build();
  const signature = fromBase64((await alice.signTransaction(bytes)).signature);
  signature[20] = (signature[20] ?? 0) ^ 1;
  await expectRefused(() => devnet.chain.execute(bytes, [signature]), /does not verify/);
});

test('bytes after the transaction are refused', async () => {
  const bytes = Buffer.concat([await manual(alice, () => undefined).build(), Uint8Array.of(0)]);
  const { signature } = await alice.signTransaction(bytes);
  await expectRefused(
    () => client.executeTransaction({ transaction: bytes, signatures: [signature] }),
    /TransactionData/,
  );
});

const failureOf = async (
  signer: Ed25519Keypair,
  build: (transaction: Transaction) => void,
): Promise<string> => {
  const result = await submit(manual(signer, build), signer);
  return result.FailedTransaction?.status.error?.message ?? 'succeeded';
};

test('pure bytes never become a capability', async () => {
  const forged = Buffer.concat([new Uint8Array(32).fill(7), fromHexId(list.listId)]);
  expect(
    await failureOf(mallory, (tx) =>
      addCall(tx, tx.sharedObjectRef(sharedList(true)), tx.pure(forged)),
    ),
  ).toMatch(/cannot be given as bytes/);
});

test('pure bytes never become a coin', async () => {
  const coin = Buffer.concat([
    new Uint8Array(32).fill(9),
    bcs.u64().serialize(1_000_000_000_000n).toBytes(),
  ]);
  expect(
    await failureOf(mallory, (tx) =>
      tx.moveCall({
        target: '0x2::coin::into_balance',
        typeArguments: [SUI],
        arguments: [tx.pure(coin)],
      }),
    ),
  ).toMatch(/cannot be given as bytes/);
});

const fromHexId = (id: string): Uint8Array => Buffer.from(id.slice(2), 'hex');

test('a shared object that the request says is only read is not written', async () => {
  expect(
    await failureOf(alice, (tx) =>
      addCall(tx, tx.sharedObjectRef(sharedList(false)), tx.objectRef(refOf(stored(list.capId)))),
    ),
  ).toMatch(/may only be read/);
});

test('an immutable object is neither written nor taken', async () => {
  const frozen = await execute(client, alice, (tx) => {
    const [coin] = tx.splitCoins(tx.gas, [5]);
    tx.moveCall({
      target: '0x2::transfer::public_freeze_object',
      typeArguments: [`0x2::coin::Coin<${SUI}>`],
      arguments: [coin],
    });
  });
  const change = frozen.effects.changedObjects.find(({ outputOwner }) => outputOwner?.Immutable);
  const coin = stored(change?.objectId ?? '');
  gas.set(alice.toSuiAddress(), stored(gasOf(alice).id));
  expect(await failureOf(alice, (tx) => tx.splitCoins(tx.objectRef(refOf(coin)), [1]))).toMatch(
    /may only be read/,
  );
  gas.set(alice.toSuiAddress(), stored(gasOf(alice).id));
  expect(
    await failureOf(alice, (tx) =>
      tx.transferObjects([tx.objectRef(refOf(coin))], alice.toSuiAddress()),
    ),
  ).toMatch(/may not be taken/);
  expect(stored(coin.id)).toEqual(coin);
});

test.each([
  ['clock', '0x6', '0x2::clock::timestamp_ms'],
  ['randomness', '0x8', '0x2::random::new_generator'],
] as const)('the %s is never writable', async (name, objectId, target) => {
  const writing = manual(alice, (tx) =>
    tx.moveCall({
      target,
      arguments: [tx.sharedObjectRef({ objectId, initialSharedVersion: 1, mutable: true })],
    }),
  );
  const refused = new RegExp(`the ${name} may only be read`, 'u');
  await expectRefused(() => submit(writing, alice), refused);
});

test('a value is used once', async () => {
  expect(
    await failureOf(alice, (tx) => {
      const [coin] = tx.splitCoins(tx.gas, [5]);
      tx.transferObjects([coin], alice.toSuiAddress());
      tx.transferObjects([coin], mallory.toSuiAddress());
    }),
  ).toMatch(/already taken/);
  gas.set(alice.toSuiAddress(), stored(gasOf(alice).id));
  expect(
    await failureOf(alice, (tx) => {
      const [coin] = tx.splitCoins(tx.gas, [5]);
      tx.mergeCoins(coin, [coin]);
    }),
  ).toMatch(/cannot join itself/);
});

test('what must be used up may not be left over', async () => {
  expect(await failureOf(alice, (tx) => tx.splitCoins(tx.gas, [5]))).toMatch(/has no drop/);
  gas.set(alice.toSuiAddress(), stored(gasOf(alice).id));
  expect(
    await failureOf(alice, (tx) =>
      tx.moveCall({
        target: '0x2::package::authorize_upgrade',
        arguments: [
          tx.objectRef(refOf(stored(list.upgradeCapId))),
          tx.pure.u8(0),
          tx.pure.vector('u8', new Uint8Array(32)),
        ],
      }),
    ),
  ).toMatch(/UpgradeTicket.* has no drop/);
});

test('a private function is not called', async () => {
  const { systemObjectId } = devnet.config.walrus;
  const packageId = stored(systemObjectId).objectType.split('::')[0];
  expect(
    await failureOf(alice, (tx) =>
      tx.moveCall({ target: `${packageId}::system::units`, arguments: [tx.pure.u64(1)] }),
    ),
  ).toMatch(/neither public nor entry|units/);
});

test('a type argument does not turn one coin into another', async () => {
  const wal = [
    ...devnet.chain.state.ownedBy({ type: 'address', address: mallory.toSuiAddress() }),
  ].find(({ objectType }) => objectType.includes('::wal::WAL'));
  if (!wal) throw new Error('mallory has WAL');
  expect(
    await failureOf(mallory, (tx) =>
      tx.moveCall({
        target: '0x2::coin::into_balance',
        typeArguments: [SUI],
        arguments: [tx.objectRef(refOf(wal))],
      }),
    ),
  ).toMatch(/TypeMismatch|expected .*SUI/);
});

test('an abort gives up everything except gas', async () => {
  const before = stored(list.listId).contents;
  const gasBefore = stored(gasOf(mallory).id);
  const length = devnet.chain.events.length;
  const message = await failureOf(mallory, (tx) => {
    // Sent before the abort: must not arrive.
    const [coin] = tx.splitCoins(tx.gas, [77_777]);
    tx.transferObjects([coin], alice.toSuiAddress());
    tx.moveCall({
      target: `${list.packageId}::allowlist::seal_approve`,
      arguments: [tx.pure.vector('u8', [1, 2, 3]), tx.sharedObjectRef(sharedList(false))],
    });
  });
  expect(message).toMatch(/abort/i);
  const coins = devnet.chain.state.ownedBy({ type: 'address', address: alice.toSuiAddress() });
  expect(coins.some(({ contents }) => Buffer.from(contents).includes(u64(77_777n)))).toBe(false);
  expect(stored(list.listId).contents).toEqual(before);
  expect(devnet.chain.events.length).toBe(length);
  const gasAfter = stored(gasBefore.id);
  const paid = balance(gasBefore) - balance(gasAfter);
  expect(paid).toBeGreaterThan(0n);
  expect(paid).toBeLessThan(5_000_000n);
  expect(gasAfter.version).toBeGreaterThan(gasBefore.version);
});

const u64 = (value: bigint): Buffer => Buffer.from(bcs.u64().serialize(value).toBytes());
const balance = (coin: ChainObject): bigint => BigInt(bcs.u64().parse(coin.contents.slice(32)));
