/**
 * @module What the owner of a run may do on chain to those it was agreed with.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { suiClientOf } from '../../protocol/blobs/walrus-client.ts';
import { changeAccess, readRun, type Registry } from '../../protocol/ledger/registry.ts';
import { createSender, TransactionFailed, type Sender } from '../../protocol/sui/transactions.ts';
import type { Devnet } from '../../sim/devnet/index.ts';
import { fund, keyOf, networkOf, packageOf, startNetwork } from '../substrate/support.ts';

let devnet: Devnet;
let registry: Registry;
let owner: Sender;
const AUDITOR = keyOf(151).toSuiAddress();
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, sealServers: 1, sealThreshold: 1 });
  registry = { client: suiClientOf(networkOf(devnet)), packageId: packageOf(devnet) };
  const signer = await fund(devnet, keyOf(150));
  owner = createSender({ client: registry.client, signer });
});
afterAll(() => devnet.stop());

/** A run whose auditor was agreed on when it was made. Returns its id and its owner's right to write to it. */
const newRun = async (): Promise<{ readonly run: string; readonly cap: string }> => {
  const { created } = await owner.execute((transaction) => {
    const { pure } = transaction;
    transaction.moveCall({
      target: `${registry.packageId}::run::create_and_keep`,
      arguments: [
        pure.string('run'),
        pure.vector('u8', new Uint8Array(32).fill(17)),
        pure.address(owner.address),
        pure.vector('address', [AUDITOR]),
      ],
    });
  });
  const idOf = (type: string): string =>
    [...created].find(([, found]) => found.endsWith(type))?.[0] ?? '';
  return { run: idOf('::run::Run'), cap: idOf('::run::RunCap') };
};

it('the coordinator strikes an agreed auditor off the list', async () => {
  const { run } = await newRun();
  const before = await readRun(registry, run);
  await changeAccess(registry, owner, run, { type: 'auditor', address: AUDITOR, admitted: false });
  const after = await readRun(registry, run);

  expect(before.auditors).toEqual([AUDITOR]);
  expect(after.auditors).toEqual([]);
});

it('a list of revoked members is full at 256: the next one who is thrown out reads on', async () => {
  const { run, cap } = await newRun();
  const revoke = (from: number, to: number) =>
    owner.execute((transaction) => {
      const { object, pure } = transaction;
      for (let i = from; i < to; i += 1)
        transaction.moveCall({
          target: `${registry.packageId}::run::revoke`,
          arguments: [object(cap), object(run), pure.address(`0x${(1000 + i).toString(16)}`)],
        });
    });
  await revoke(0, 256);
  const refused = await revoke(256, 257).catch((thrown: unknown) => thrown);
  const { revoked } = await readRun(registry, run);

  expect(refused).toBeInstanceOf(TransactionFailed);
  expect(revoked).toHaveLength(256);
});
