/**
 * @module A devnet that is stopped and started from its snapshot continues where it was: objects,
 * packages, history, blobs and keys; and what the devnet ships as bytecode is what its Move sources
 * say.
 */
import { appendFile, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { SealClient, SessionKey } from '@mysten/seal';
import { Transaction } from '@mysten/sui/transactions';
import { fromHex } from '@mysten/sui/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDevnet, type Devnet, type DevnetOptions } from '../../devnet/index.ts';
import {
  buildDevnetContracts,
  buildFramework,
  compilePackage,
  readPackage,
} from '../../devnet/move/compile.ts';
import { compiledContracts, compiledFramework } from '../../devnet/move/index.ts';
import {
  allowlist,
  execute,
  funded,
  keyOf,
  publishAllowlist,
  suiClientOf,
  walrusClientOf,
} from './support.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-snapshot-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const sizes = { nodes: 11, shardsPerNode: 1, sealServers: 2, sealThreshold: 2 };
const bytesOf = (length: number, seed: number): Uint8Array =>
  new Uint8Array(length).map((_, index) => (index * 13 + seed) % 250);

/** Bytes of all files of a snapshot, by name. */
const filesOf = async (path: string): Promise<Map<string, number>> => {
  const names = await readdir(path, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return new Map(
    await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const file = join(parentPath, name);
        return [relative(path, file), (await stat(file)).size] as const;
      }),
    ),
  );
};
const total = (files: Map<string, number>): number =>
  [...files.values()].reduce((sum, size) => sum + size, 0);

const sealClientOf = (devnet: Devnet): SealClient =>
  new SealClient({
    suiClient: suiClientOf(devnet),
    serverConfigs: devnet.config.seal.servers.map(({ objectId }) => ({ objectId, weight: 1 })),
  });

test('a run is resumed from disk: chain, blobs, keys; with no option but the folder', async () => {
  const snapshot = join(folder, 'state');
  const first = await startDevnet({ snapshot, seed: 'resume', ...sizes });
  const alice = await funded(first, 1);
  const client = suiClientOf(first);
  const list = await publishAllowlist(client, alice);
  const add = (devnet: Devnet, address: string) =>
    execute(suiClientOf(devnet), alice, (transaction) => {
      transaction.moveCall({
        target: `${list.packageId}::allowlist::add`,
        arguments: [
          transaction.object(list.listId),
          transaction.object(list.capId),
          transaction.pure.address(address),
        ],
      });
    });
  await add(first, alice.toSuiAddress());
  const id = `${list.listId}07`;
  const { encryptedObject } = await sealClientOf(first).encrypt({
    threshold: 2,
    packageId: list.packageId,
    id,
    data: Uint8Array.of(4, 2),
  });
  const blobs = [bytesOf(40_000, 1), bytesOf(30_000, 2)];
  const ids: string[] = [];
  // One straight to the nodes, one through the relay.
  for (const [index, blob] of blobs.entries()) {
    const writer = walrusClientOf(first, index === 1);
    const written = await writer.writeBlob({ blob, deletable: false, epochs: 5, signer: alice });
    ids.push(written.blobId);
  }
  await first.save();
  const afterFirst = await filesOf(snapshot);
  first.faults.advanceEpoch();
  const { digest = '' } = first.chain.records.at(-1)?.executed ?? {};
  await first.stop();
  const files = await filesOf(snapshot);
  // Blobs once, and not written again; the rest is small.
  const blobNames = [...afterFirst.keys()].filter((name) => name.startsWith('blobs'));
  expect(blobNames).toHaveLength(2);
  expect([...files.keys()].filter((name) => name.startsWith('blobs'))).toEqual(blobNames);
  expect(total(files)).toBeLessThan(70_000 + 300_000);
  expect(files.size).toBe(5);

  const second = await startDevnet({ snapshot });
  try {
    expect(second.config.rpcUrl).not.toBe(first.config.rpcUrl);
    expect(second.config.walrus.systemObjectId).toBe(first.config.walrus.systemObjectId);
    for (const [index, blob] of blobs.entries())
      expect(await walrusClientOf(second).readBlob({ blobId: ids[index]! })).toEqual(blob);
    const suiClient = suiClientOf(second);
    expect((await suiClient.getTransaction({ digest })).$kind).toBe('Transaction');
    // The published package still runs, coins are where they were, and the key servers have the
    // same keys.
    await add(second, keyOf(3).toSuiAddress());
    const sessionKey = await SessionKey.create({
      address: alice.toSuiAddress(),
      packageId: list.packageId,
      ttlMin: 1,
      signer: alice,
      suiClient,
    });
    const approval = new Transaction();
    approval.moveCall({
      target: `${list.packageId}::allowlist::seal_approve`,
      arguments: [approval.pure.vector('u8', fromHex(id)), approval.object(list.listId)],
    });
    const txBytes = await approval.build({ client: suiClient, onlyTransactionKind: true });
    const data = await sealClientOf(second).decrypt({ data: encryptedObject, sessionKey, txBytes });
    expect([...data]).toEqual([4, 2]);
    const written = await walrusClientOf(second).writeBlob({
      blob: bytesOf(3_000, 3),
      deletable: true,
      epochs: 1,
      signer: alice,
    });
    expect(written.blobObject.registered_epoch).toBe(2);
  } finally {
    await second.stop();
  }
  // A look at it leaves it as it is.
  const manifest = await readFile(join(snapshot, 'manifest.json'), 'utf8');
  const look = await startDevnet({ snapshot, readOnly: true });
  expect(await walrusClientOf(look).readBlob({ blobId: ids[0]! })).toEqual(blobs[0]);
  await funded(look, 5);
  await look.save();
  await look.stop();
  expect(await readFile(join(snapshot, 'manifest.json'), 'utf8')).toBe(manifest);
  const nowhere = join(folder, 'nowhere');
  await expect(startDevnet({ snapshot: nowhere, readOnly: true })).rejects.toThrow(/snapshot/);
  // And once more, from a history that was continued.
  const third = await startDevnet({ snapshot, seed: 'resume' });
  expect(third.chain.records.length).toBe(second.chain.records.length);
  await third.stop();
});

test('another seed, another committee, or a folder that is none: refused', async () => {
  const small = { nodes: 4, shardsPerNode: 1, sealServers: 1, sealThreshold: 1 };
  const snapshot = join(folder, 'other');
  await (await startDevnet({ snapshot, seed: 'x', ...small })).stop();
  const start = (options: DevnetOptions) => expect(startDevnet({ snapshot, ...options })).rejects;
  await start({ seed: 'y', ...small }).toThrow(/another seed: expected x, got y/);
  await start({ nodes: 13 }).toThrow(/another nodes: expected 4, got 13/);
  const manifest = join(snapshot, 'manifest.json');
  const text = await readFile(manifest, 'utf8');
  // A manifest that names a seed which the chain was not made of.
  await writeFile(manifest, text.replace('"seed":"x"', '"seed":"y"'));
  await start({}).toThrow(/does not match the seed in its manifest/);
  await writeFile(manifest, text.replace('"format":3', '"format":1'));
  await start({}).toThrow(/format/);
  await writeFile(manifest, text.slice(0, -9));
  await start({}).toThrow(/JSON/);
  await writeFile(manifest, text.replace(/"file":"state-\d+/, '"file":"../../state-1'));
  await start({}).toThrow(/file/);
  // A folder of a stranger would have a server started for each.
  await writeFile(manifest, text.replace('"sealServers":1', '"sealServers":1000000000'));
  await start({}).toThrow(/at most 255 key servers/);
  await expect(startDevnet({ snapshot: manifest })).rejects.toThrow(/folder/);
});

test('packages are published at the start, once, and a snapshot of format 2 is read', async () => {
  const snapshot = join(folder, 'packages');
  const options = { nodes: 4, shardsPerNode: 1, packages: { list: allowlist, again: allowlist } };
  const first = await startDevnet({ snapshot, ...options });
  const { packages } = first.config;
  expect(Object.keys(packages)).toEqual(['list', 'again']);
  for (const id of Object.values(packages))
    expect(first.chain.state.get(id)?.objectType).toBe('package');
  await first.stop();
  const second = await startDevnet({ snapshot, ...options });
  expect(second.config.packages).toEqual(packages);
  expect(second.chain.records.length).toBe(first.chain.records.length);
  await second.stop();
  const file = join(snapshot, 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const { packages: _, ...rest } = manifest;
  await writeFile(file, JSON.stringify({ ...rest, format: 2, floePackageId: packages['list'] }));
  const old = await startDevnet({ snapshot, readOnly: true });
  expect(old.config.packages).toEqual({ floe: packages['list'] });
  await old.stop();
});

test('damage is found before anything runs; what a crash left behind does no harm', async () => {
  const snapshot = join(folder, 'damaged');
  const small = { nodes: 4, shardsPerNode: 4, sealServers: 1, sealThreshold: 1 };
  const devnet = await startDevnet({ snapshot, ...small });
  const alice = await funded(devnet, 1);
  await walrusClientOf(devnet, true).writeBlob({
    blob: bytesOf(2_000, 1),
    deletable: false,
    epochs: 2,
    signer: alice,
  });
  await devnet.save();
  await devnet.stop();
  for (const name of (await filesOf(snapshot)).keys()) {
    const file = join(snapshot, name);
    const good = await readFile(file);
    const bad = Uint8Array.from(good);
    bad[bad.length >> 1] = (bad[bad.length >> 1] ?? 0) ^ 1;
    const refused = async (what: string): Promise<void> => {
      const error = await startDevnet({ snapshot }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error, `${what} ${name}`).toMatchObject({ code: 'snapshot_invalid' });
    };
    await writeFile(file, bad);
    await refused('altered');
    await writeFile(file, good.subarray(0, -1));
    await refused('cut short');
    await writeFile(file, good);
  }
  // A process that died while it saved: a longer history, files that no manifest names.
  await appendFile(join(snapshot, 'transactions.bin'), 'half a transaction');
  await writeFile(join(snapshot, 'blobs', 'leftover.new'), 'x');
  await writeFile(join(snapshot, 'state-99.json.gz'), 'x');
  const records = devnet.chain.records.length;
  const resumed = await startDevnet({ snapshot });
  await funded(resumed, 2);
  await resumed.stop();
  expect([...(await filesOf(snapshot)).keys()].filter((name) => name.includes('leftover'))).toEqual(
    [],
  );
  const again = await startDevnet({ snapshot });
  expect(again.chain.records.length).toBeGreaterThan(records);
  await again.stop();
});

test('the shipped bytecode is what the sources compile to', async () => {
  expect(await buildFramework()).toEqual(compiledFramework());
  expect(await buildDevnetContracts()).toEqual(compiledContracts());
  const example = join(import.meta.dirname, '../../examples/devnet/allowlist');
  expect(await compilePackage(await readPackage(example))).toEqual(allowlist);
  expect(await readFile(join(example, 'compiled.json'), 'utf8')).toContain('modules');
});

test('another process continues from a pinned state and drops later state', async () => {
  const snapshot = join(folder, 'pinned');
  const first = await startDevnet({ snapshot, seed: 'pins', ...sizes });
  const blobs: { readonly id: string; readonly blob: Uint8Array }[] = [];
  const copies: string[] = [];
  const alice = await funded(first, 1);
  const digests: string[] = [];
  for (const number of [1, 2, 3]) {
    const blob = bytesOf(20_000, number);
    const written = await walrusClientOf(first).writeBlob({
      blob,
      deletable: false,
      epochs: 5,
      signer: alice,
    });
    blobs.push({ id: written.blobId, blob });
    digests.push(first.chain.records.at(-1)?.executed.digest ?? '');
    await first.pin(number);
    // What a killed process leaves.
    const copy = join(folder, `pinned-${number}`);
    await cp(snapshot, copy, { recursive: true });
    copies.push(copy);
  }
  await first.stop();
  const pins = (await readdir(copies[2]!)).filter((name) => name.startsWith('pinned'));
  expect(pins.toSorted()).toEqual(['pinned-2.json', 'pinned-3.json']);
  await expect(startDevnet({ snapshot: copies[2]!, pinned: 1 })).rejects.toMatchObject({
    code: 'snapshot_invalid',
  });

  const second = await startDevnet({ snapshot: copies[2]!, pinned: 2 });
  try {
    const { id, blob } = blobs[1]!;
    expect(await walrusClientOf(second).readBlob({ blobId: id })).toEqual(blob);
    await expect(walrusClientOf(second).readBlob({ blobId: blobs[2]!.id })).rejects.toThrow();
    const known = second.chain.records.map(({ executed }) => executed.digest);
    expect(known).toContain(digests[1]);
    expect(known).not.toContain(digests[2]);
    await funded(second, 2);
    await second.pin(3);
    await second.unpin();
  } finally {
    await second.stop();
  }
  expect((await readdir(copies[2]!)).filter((name) => name.startsWith('pinned'))).toEqual([]);
  const third = await startDevnet({ snapshot: copies[2]! });
  expect(third.chain.records.length).toBe(second.chain.records.length);
  await third.stop();
});
