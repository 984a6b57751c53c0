/** @module The passphrase that a participant keeps beside its identity, and those of its user. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openKeptIdentity, openOrMakeKeystore } from '../../cli/keys.ts';
import { takeSecretVariables } from '../../cli/secret-variables.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-kept-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('opens its own keystore, whatever the environment holds for others', async () => {
  const path = join(folder, 'oslo');
  const first = await openKeptIdentity(path, {});
  const { address } = first.keystore.identity;
  await first.keystore.close();
  vi.stubEnv('FLOE_PASSPHRASE', 'of the coordinator');

  takeSecretVariables();
  const again = await openKeptIdentity(path, {});
  expect(again).toMatchObject({ isNew: false, keystore: { identity: { address } } });
  await again.keystore.close();
  const named = await openOrMakeKeystore(path, {});
  expect(named.identity.address).toBe(address);
  await named.close();
  // A passphrase that is given for this command is the one that counts.
  const file = join(folder, 'passphrase');
  await writeFile(file, 'another');
  await expect(openOrMakeKeystore(path, { passphraseFile: file })).rejects.toMatchObject({
    code: 'decryption_failed',
  });
});
