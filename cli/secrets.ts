/**
 * @module Passphrases and keystores from the command line. A passphrase comes from FLOE_PASSPHRASE or a file, never from a
 * flag, which every process of the machine could read; it is never printed.
 */
import {
  nodeDisk,
  openKeystore,
  readIdentity,
  type Keystore,
  type KeystoreOptions,
} from '../client/keystore/index.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import { systemRandom } from '../protocol/random.ts';
import { readInput } from './flags.ts';

const MAX_PASSPHRASE_BYTES = 4096;

/** @throws FloeError `passphrase_missing`, `file_not_found` */
const readPassphrase = async (file: string | undefined): Promise<string> => {
  if (file !== undefined) {
    const bytes = await readInput('--passphrase-file', file, MAX_PASSPHRASE_BYTES);
    const text = new TextDecoder().decode(bytes).replace(/\r?\n$/u, '');
    if (text !== '') return text;
    throw new FloeError('passphrase_missing', `${file} is empty`);
  }
  const text = process.env['FLOE_PASSPHRASE'] ?? '';
  if (text === '')
    throw new FloeError('passphrase_missing', 'expected FLOE_PASSPHRASE or --passphrase-file');
  return text;
};

/** What a new keystore is made from; nothing of it changes one that is there. */
export type NewKeystore = Pick<KeystoreOptions, 'secret' | 'identitySeed'>;

/** Opens a keystore or makes a new one, from what is given. @throws FloeError `passphrase_missing`, `keystore_locked`, `decryption_failed` */
export const openOrMakeKeystore = async (
  folder: string,
  passphraseFile: string | undefined,
  made: NewKeystore = {},
): Promise<Keystore> =>
  openKeystore(folder, await readPassphrase(passphraseFile), {
    random: systemRandom,
    disk: await nodeDisk(),
    ...made,
  });

/** Whose keystore it is; a run may have it open. @throws FloeError `file_not_found`, `passphrase_missing`, `decryption_failed` */
export const keystoreIdentity = async (
  folder: string,
  passphraseFile: string | undefined,
): Promise<Identity> =>
  readIdentity(folder, await readPassphrase(passphraseFile), await nodeDisk());
