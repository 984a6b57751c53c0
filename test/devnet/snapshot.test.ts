/**
 * @module A devnet that is stopped and started from its snapshot goes on where it was: objects, packages, history, blobs and
 * keys; and what the devnet ships as bytecode is what its Move sources say.
 */
import { readFile } from 'node:fs/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDevnet } from '../../sim/devnet/index.ts';
import {
  buildDevnetContracts,
  compilePackage,
  readPackage,
} from '../../sim/devnet/move/compile.ts';
import { compiledContracts } from '../../sim/devnet/move/index.ts';
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

test('a run is resumed from disk', async () => {
  const snapshot = join(folder, 'state.json');
  const options = { snapshot, seed: 'resume', nodes: 11, shardsPerNode: 1 };
  const first = await startDevnet(options);
  const alice = await funded(first, 1);
  const list = await publishAllowlist(suiClientOf(first), alice);
  const bytes = new Uint8Array(3_000).map((_, index) => index % 250);
  const { blobId } = await walrusClientOf(first).writeBlob({
    blob: bytes,
    deletable: false,
    epochs: 5,
    signer: alice,
  });
  first.faults.advanceEpoch();
  const { digest = '' } = first.chain.records.at(-1)?.executed ?? {};
  await first.stop();

  const second = await startDevnet(options);
  try {
    const client = suiClientOf(second);
    expect(second.config.walrus.systemObjectId).toBe(first.config.walrus.systemObjectId);
    expect(await walrusClientOf(second).readBlob({ blobId })).toEqual(bytes);
    expect((await client.getTransaction({ digest })).$kind).toBe('Transaction');
    // The published package still runs, and coins are where they were.
    await execute(client, alice, (transaction) => {
      transaction.moveCall({
        target: `${list.packageId}::allowlist::add`,
        arguments: [
          transaction.object(list.listId),
          transaction.object(list.capId),
          transaction.pure.address(keyOf(3).toSuiAddress()),
        ],
      });
    });
    const written = await walrusClientOf(second).writeBlob({
      blob: bytes.slice(5),
      deletable: true,
      epochs: 1,
      signer: alice,
    });
    expect(written.blobObject.registered_epoch).toBe(2);
  } finally {
    await second.stop();
  }
});

test('a file that is no snapshot, or of another seed, is refused', async () => {
  const snapshot = join(folder, 'broken.json');
  await writeFile(snapshot, '{"format":0}');
  const small = { nodes: 4, shardsPerNode: 1, sealServers: 1, sealThreshold: 1 };
  await expect(startDevnet({ snapshot, ...small })).rejects.toThrow(/format/);
  const other = join(folder, 'other.json');
  await (await startDevnet({ snapshot: other, seed: 'x', ...small })).stop();
  await expect(startDevnet({ snapshot: other, seed: 'y', ...small })).rejects.toThrow(
    /another seed/,
  );
});

test('the shipped bytecode is what the sources compile to', async () => {
  expect(await buildDevnetContracts()).toEqual(compiledContracts());
  const example = join(import.meta.dirname, '../../examples/devnet/allowlist');
  expect(await compilePackage(await readPackage(example))).toEqual(allowlist);
  expect(await readFile(join(example, 'compiled.json'), 'utf8')).toContain('modules');
});
