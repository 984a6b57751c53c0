/**
 * @module The passphrase of a keystore that its owner gave none: drawn, and kept in the keystore's
 * folder, readable by its owner only. The keystore is then as safe as the folder: whoever can read
 * the folder, or a copy of it, has the identity. Its owner may move the file to a safer place and
 * name it (`--passphrase-file`).
 */
import { toHex, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Disk } from '../../protocol/ports/disk.ts';
import type { RandomSource } from '../../protocol/ports/random.ts';
import { openKeystore, type KeystoreOptions } from './file.ts';
import type { Keystore } from './keystore.ts';

/** Name of the file in the keystore's folder. */
export const KEPT_PASSPHRASE = 'passphrase';

const FORM = /^[0-9a-f]{64}$/u;

/**
 * The passphrase in the folder; `undefined` where it keeps none. @throws FloeError `data_malformed`
 */
export const readKept = async (
  path: string,
  disk: Pick<Disk, 'read'>,
): Promise<string | undefined> => {
  const bytes = await disk.read(`${path}/${KEPT_PASSPHRASE}`);
  if (bytes === undefined) return undefined;
  const text = new TextDecoder().decode(bytes).trim();
  // The text is a secret: an error must not repeat it.
  if (!FORM.test(text))
    throw new FloeError('data_malformed', `${path}/${KEPT_PASSPHRASE}: expected 64 hex digits`);
  return text;
};

/**
 * The passphrase that the folder keeps. A folder without a keystore is made, and gets a new one.
 *
 * @throws FloeError `passphrase_missing` for a keystore whose passphrase is elsewhere,
 * `data_malformed`, `storage_full`, `storage_read_only`, `storage_failed`
 */
export const keptPassphrase = async (
  path: string,
  { disk, random }: { readonly disk: Disk; readonly random: RandomSource },
): Promise<string> => {
  const kept = await readKept(path, disk);
  if (kept !== undefined) return kept;
  await disk.makeFolder(path);
  const unlock = await disk.lock(`${path}/lock`);
  try {
    // Read again under the lock: another process may have made it in the meantime.
    const made = await readKept(path, disk);
    if (made !== undefined) return made;
    if ((await disk.read(`${path}/identity`)) !== undefined)
      throw new FloeError('passphrase_missing', `the keystore in ${path} keeps no passphrase`);
    const passphrase = toHex(random(32));
    await disk.write(`${path}/${KEPT_PASSPHRASE}`, utf8(`${passphrase}\n`));
    return passphrase;
  } finally {
    unlock();
  }
};

const MAX_FOLDERS = 1000;

export interface KeptKeystore {
  readonly folder: string;
  readonly keystore: Keystore;
  /** Whether it was made now. */
  readonly isNew: boolean;
}

/**
 * Opens the first of `path`, `path-2`, `path-3`... that no other process has open, and makes it if
 * missing: several participants of one machine that are called alike do not share an identity, and
 * the same commands find the same identities again.
 *
 * @param passphrase of a folder; default: {@link keptPassphrase}
 * @throws FloeError `keystore_locked` when all are in use, `passphrase_missing`,
 * `decryption_failed`, `data_malformed`, `storage_failed`
 */
export const openKept = async (
  path: string,
  {
    disk,
    random,
    kdf,
    passphrase = (folder) => keptPassphrase(folder, { disk, random }),
  }: Pick<KeystoreOptions, 'disk' | 'random' | 'kdf'> & {
    readonly passphrase?: (folder: string) => Promise<string>;
  },
): Promise<KeptKeystore> => {
  for (let number = 1; number <= MAX_FOLDERS; number += 1) {
    const folder = number === 1 ? path : `${path}-${number}`;
    const isNew = (await disk.read(`${folder}/identity`)) === undefined;
    try {
      const options = { disk, random, ...(kdf === undefined ? {} : { kdf }) };
      const keystore = await openKeystore(folder, await passphrase(folder), options);
      return { folder, keystore, isNew };
    } catch (thrown) {
      if (!(thrown instanceof FloeError) || thrown.code !== 'keystore_locked') throw thrown;
    }
  }
  throw new FloeError('keystore_locked', `${path} and ${MAX_FOLDERS - 1} others are in use`);
};
