/**
 * @module Keystores from the command line.
 */
import { join } from 'node:path';
import {
  nodeDisk,
  openKeystore,
  readIdentity,
  type Keystore,
  type KeystoreOptions,
} from '../client/keystore/index.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import { systemRandom } from '../protocol/ports/random.ts';
import { isThere } from '../protocol/ports/files.ts';
import { readPassphrase, type PassphraseFlags } from './passphrase.ts';

/** What a new keystore is made from; nothing of it changes one that is there. */
export type NewKeystore = Pick<KeystoreOptions, 'secret' | 'identitySeed'>;

/**
 * Opens a keystore or makes a new one, from what is given. @throws FloeError `passphrase_missing`,
 * `keystore_locked`, `decryption_failed`
 */
export const openOrMakeKeystore = async (
  folder: string,
  flags: PassphraseFlags,
  made: NewKeystore = {},
): Promise<Keystore> => {
  const isNew = !(await isThere(join(folder, 'identity')));
  return openKeystore(folder, await readPassphrase(flags, { folder, isNew }), {
    random: systemRandom,
    disk: await nodeDisk(),
    ...made,
  });
};

/**
 * Whose keystore it is; a run may have it open. @throws FloeError `file_not_found`,
 * `passphrase_missing`, `decryption_failed`
 */
export const keystoreIdentity = async (folder: string, flags: PassphraseFlags): Promise<Identity> =>
  readIdentity(folder, await readPassphrase(flags, { folder, isNew: false }), await nodeDisk());
