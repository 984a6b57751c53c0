/**
 * @module Moves of a coordinator that holds the right to write to its run on chain: it chooses
 * beacons, removes auditors, hides survivor sets, outlasts revocations. Floe's package refuses
 * each, through the unmodified SDK on a devnet.
 */
import { bcs } from '@mysten/sui/bcs';
import { Transaction, type TransactionArgument } from '@mysten/sui/transactions';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { equalBytes } from '../../protocol/bytes.ts';
import { localBeacon } from '../../protocol/rules/beacon.ts';
import type { FrozenSet } from '../../protocol/ports/ledger.ts';
import { capOf, changeAccess, readRun } from '../../protocol/net/sui/registry.ts';
import { suiLedger } from '../../protocol/net/sui/ledger.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import type { Devnet } from 'floe-devnet';
import {
  connect,
  fund,
  keyOf,
  packageOf,
  publicKeyOf,
  specFor,
  startNetwork,
} from '../substrate/support.ts';

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, sealServers: 2, sealThreshold: 2 });
});
afterAll(async () => {
  await devnet.stop();
});

const owner = keyOf(200);
const auditor = keyOf(201);
const keys = [202, 203, 204, 205, 206].map(keyOf);
const members = keys.map(publicKeyOf);
const bytes = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const root = bytes(1);

/** A coordinator with a run of its own and its first model. */
const startRun = async () => {
  await fund(devnet, owner);
  const spec = specFor(owner, [publicKeyOf(auditor)]);
  const { ledger, client, sender } = await connect(devnet, owner, spec);
  const run = hashRunSpec(spec);
  const object = await ledger.runObject(run);
  const registry = { client, packageId: packageOf(devnet) };
  const cap = await capOf(registry, owner.toSuiAddress(), object);
  const register = async (attempt: number, hash: number): Promise<void> => {
    const blob = { id: Buffer.from(bytes(90 + attempt)).toString('base64url'), size: 7 };
    await ledger.registerModel({
      run,
      attempt,
      modelHash: bytes(hash),
      blob: { ...blob, sha256: bytes(3) },
      transcriptRoot: bytes(4),
    });
  };
  await register(0, 20);
  const freezeBoth = async (
    attempt: number,
    among: readonly Uint8Array[],
    survivors?: readonly Uint8Array[],
  ): Promise<void> => {
    await ledger.freezeCohort({ run, attempt, root, members: [...among], entropy: bytes(2) });
    if (survivors === undefined) return;
    const set = { run, attempt, hash: bytes(attempt), members: [...survivors] };
    await ledger.freezeSurvivors({ ...set, dataCommitment: bytes(5) });
  };
  if (sender === undefined) throw new Error('the coordinator pays');
  return { spec, ledger, client, sender, run, object, registry, cap, register, freezeBoth };
};
type Started = Awaited<ReturnType<typeof startRun>>;

/** The freeze of a cohort as the coordinator's ledger writes it, to be tampered with. */
const freeze = (
  { object, cap }: Started,
  transaction: Transaction,
  attempt: number,
): TransactionArgument =>
  transaction.moveCall({
    target: `${packageOf(devnet)}::run::freeze_cohort`,
    arguments: [
      transaction.object(cap),
      transaction.object(object),
      transaction.pure.u64(attempt),
      transaction.pure(bcs.vector(bcs.byteVector()).serialize(members)),
      transaction.pure.vector('u8', root),
      transaction.pure.vector('u8', bytes(2)),
      transaction.object.random(),
      transaction.object.clock(),
    ],
  });

const CohortFrozen = bcs.struct('CohortFrozen', {
  run: bcs.Address,
  attempt: bcs.u64(),
  size: bcs.u64(),
  beacon: bcs.byteVector(),
  modelHash: bcs.byteVector(),
});

/** Beacons the coordinator would like: one of 256. */
const isLiked = (beacon: Uint8Array): boolean => beacon[0] === 7;

it('the coordinator does not choose the beacon by what it puts in', async () => {
  const { ledger, run } = await startRun();
  const guesses = Array.from({ length: 10_000 }, (_, guess) => {
    const entropy = bytes(2);
    new DataView(entropy.buffer).setUint32(0, guess);
    return entropy;
  });
  const liked = guesses.filter((guess) => isLiked(localBeacon(root, guess))).slice(0, 4);
  expect(liked).toHaveLength(4);
  const beacons: Uint8Array[] = [];
  for (const [index, entropy] of liked.entries()) {
    const attempt = index + 1;
    const { beacon } = await ledger.freezeCohort({ run, attempt, root, members, entropy });
    expect(beacon).not.toEqual(localBeacon(root, entropy));
    beacons.push(beacon);
  }
  expect(beacons.every(isLiked)).toBe(false);
});

it('a simulation does not foretell the beacon', async () => {
  const started = await startRun();
  const { client, ledger, run, sender } = started;
  const foreseen = async (): Promise<Uint8Array> => {
    const transaction = new Transaction();
    transaction.setSender(owner.toSuiAddress());
    freeze(started, transaction, 1);
    const { Transaction: simulated } = await client.core.simulateTransaction({
      transaction: await transaction.build({ client }),
      include: { events: true },
    });
    const event = simulated?.events?.find(({ eventType }) => eventType.endsWith('::CohortFrozen'));
    if (event === undefined) throw new Error('expected the freeze to be simulated');
    return Uint8Array.from(CohortFrozen.parse(event.bcs).beacon);
  };
  const first = await foreseen();
  await sender.execute((transaction) => void freeze(started, transaction, 1));
  const drawn = (await ledger.readCohort(run, 1))?.beacon;
  expect(drawn).toHaveLength(32);
  expect(drawn).not.toEqual(first);
});

it('no command after the draw can undo it', async () => {
  const started = await startRun();
  const { client, ledger, run, object } = started;
  // Any call may look at the run and abort.
  const look = (transaction: Transaction): void =>
    void transaction.moveCall({
      target: `${packageOf(devnet)}::run::survivors_frozen`,
      arguments: [transaction.object(object), transaction.pure.u64(1)],
    });
  const refused = /only TransferObjects and MergeCoins/;
  const begin = (): Transaction => {
    const transaction = new Transaction();
    transaction.setSender(owner.toSuiAddress());
    freeze(started, transaction, 1);
    return transaction;
  };
  const honest = await begin().build({ client });
  const simulated = begin();
  look(simulated);
  await expect(simulated.build({ client })).rejects.toThrow(refused);
  // The same without asking for a simulation.
  const executed = Transaction.from(honest);
  look(executed);
  await expect(
    client.core.signAndExecuteTransaction({ transaction: executed, signer: owner }),
  ).rejects.toThrow(refused);
  expect(await ledger.readCohort(run, 1)).toBeUndefined();
});

it('a second draw for an attempt is refused', async () => {
  const { freezeBoth, ledger, run } = await startRun();
  await freezeBoth(1, members);
  const before = await ledger.readCohort(run, 1);
  const again = { run, attempt: 1, root, members, entropy: bytes(77) };
  await expect(ledger.freezeCohort(again)).rejects.toMatchObject({ code: 'already_frozen' });
  expect(await ledger.readCohort(run, 1)).toEqual(before);
});

it('an auditor of the specification cannot be removed', async () => {
  const started = await startRun();
  const { registry, sender, object, cap } = started;
  const address = auditor.toSuiAddress();
  await expect(
    changeAccess(registry, sender, object, { type: 'auditor', address, admitted: false }),
  ).rejects.toMatchObject({ code: 'usage' });
  // Past the library, too.
  const removing = sender.execute((transaction) => {
    transaction.moveCall({
      target: `${packageOf(devnet)}::run::remove_auditor`,
      arguments: [
        transaction.object(cap),
        transaction.object(object),
        transaction.pure.address(address),
      ],
    });
  });
  await expect(removing).rejects.toMatchObject({ module: 'run', abortCode: 11 });
  expect((await readRun(registry, object)).agreed).toContain(address);
});

it('a run that leaves out an auditor of the specification is refused by its readers', async () => {
  await fund(devnet, owner);
  const spec = specFor(owner, [publicKeyOf(auditor)]);
  const { client, sender } = await connect(devnet, owner, spec);
  const init = {
    client,
    packageId: packageOf(devnet),
    owner: owner.toSuiAddress(),
    name: spec.name,
    architecture: bytes(0),
  };
  const run = hashRunSpec(spec);
  const without = suiLedger({ ...init, sender, auditors: [owner.toSuiAddress()] });
  await without.freezeCohort({ run, attempt: 1, root, members, entropy: bytes(2) });
  const { ledger } = await connect(devnet, auditor, spec);
  await expect(ledger.readCohort(run, 1)).rejects.toMatchObject({ code: 'verification_failed' });
});

it('no survivor set on a model can be hidden from those who answer on it', async () => {
  const { ledger, run, freezeBoth, register } = await startRun();
  const [victim, ...others] = members as [Uint8Array, ...Uint8Array[]];
  // Aborted after the freeze, and the model "committed" unchanged: the first set is in the list of
  // both.
  await freezeBoth(1, members, members);
  await freezeBoth(2, others, others);
  await register(2, 20);
  await freezeBoth(3, others, others);
  for (const version of [0, 2]) {
    const family = await ledger.readFamily(run, version, bytes(20));
    expect(family.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(family.map((set) => set.members)).toEqual([members, others, others]);
    // The difference is one update, as every member can now see.
    const [all, rest] = family;
    const isIn = (set: FrozenSet | undefined, key: Uint8Array): boolean =>
      set?.members.some((member) => equalBytes(member, key)) === true;
    expect(all?.members.filter((key) => !isIn(rest, key))).toEqual([victim]);
  }
});

it('an attempt is on the newest model on chain, whatever the coordinator says', async () => {
  const { ledger, run, freezeBoth, register } = await startRun();
  await freezeBoth(1, members, members);
  // Opened on the model of attempt 1, which is on chain only afterwards: its members do not find it
  // in the list.
  await freezeBoth(2, members, members.slice(1));
  await register(1, 21);
  expect(await ledger.readFamily(run, 1, bytes(21))).toEqual([]);
  expect((await ledger.readFamily(run, 0, bytes(20))).map(({ attempt }) => attempt)).toEqual([
    1, 2,
  ]);
});

it('a model has no second list under a second name', async () => {
  const { ledger, run, freezeBoth, register } = await startRun();
  await freezeBoth(1, members, members);
  // The version that is opened next is the old model, on chain with another hash.
  await register(1, 21);
  await freezeBoth(2, members.slice(1), members.slice(1));
  await expect(ledger.readFamily(run, 1, bytes(20))).rejects.toMatchObject({
    code: 'context_mismatch',
  });
});

it('a frozen set stays: there is no second freeze and no way to take one out', async () => {
  const { ledger, run, freezeBoth } = await startRun();
  await freezeBoth(1, members, members);
  const other = { run, attempt: 1, hash: bytes(66), members: members.slice(1) };
  await expect(
    ledger.freezeSurvivors({ ...other, dataCommitment: bytes(5) }),
  ).rejects.toMatchObject({ code: 'already_frozen' });
  expect(await ledger.readFamily(run, 0, bytes(20))).toEqual([
    { attempt: 1, cohort: members, members },
  ]);
});
