/**
 * @module Networks, keys and passphrases from flags and the environment. A key comes from a file or
 * the environment, is never an argument, and is never printed.
 */
import { join } from 'node:path';
import type { PassphraseSources } from '../client/keystore/ask-passphrase.ts';
import type { KeptKeystore, Keystore, KeystoreOptions } from '../client/keystore/index.ts';
import { FloeError } from '../protocol/errors.ts';
import type { NetworkFile } from '../protocol/net/network-file.ts';
import type { Passes, PassesOptions } from '../protocol/net/passes.ts';
import type { SuiKey } from '../protocol/net/sui/keys.ts';
import { isThere } from '../protocol/ports/files.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import { readInput } from '../protocol/ports/input-file.ts';
import { objectId, text, value, whole, type FlagValues } from './flags.ts';
import type { Output } from './output.ts';
import { secretVariable } from './secret-variables.ts';

const MAX_FILE_BYTES = 1 << 20;

export const NETWORK = {
  network: text(
    '<file>',
    'network configuration, as `floe devnet --config-out` writes it (or FLOE_NETWORK)',
  ),
};
export const SUI_KEY = {
  keystoreFile: text(
    '<path>',
    "key file of the sui command line, a JSON list (or FLOE_SUI_KEY holds 'suiprivkey1...')",
  ),
  address: value('<0x...>', 'address of the key to use in a file with several keys', objectId),
};
export const PASSPHRASE = {
  passphraseFile: text('<path>', 'file with the passphrase of the keystore'),
  passphraseFd: whole(
    'descriptor to read the passphrase from, up to the first line break (or FLOE_PASSPHRASE, or the terminal)',
    0,
    1024,
  ),
};
/** The key that signs and pays, or opens models. */
export const KEY = {
  ...SUI_KEY,
  ...PASSPHRASE,
  keystore: text('<folder>', 'use the key of this Floe keystore'),
};

type NetworkFlags = Partial<FlagValues<typeof NETWORK>>;
type SuiKeyFlags = Partial<FlagValues<typeof SUI_KEY>>;
type PassphraseFlags = Partial<FlagValues<typeof PASSPHRASE>>;
export type KeyFlags = Partial<FlagValues<typeof KEY>> & { readonly keyFile?: string | undefined };

/** The configuration file of the flag or the environment; an empty variable names none. */
export const namedNetwork = ({ network }: NetworkFlags): string | undefined =>
  network ?? (process.env['FLOE_NETWORK'] || undefined);

/** @throws FloeError `usage` when no file is named, `file_not_found`, `spec_invalid` */
export const readNetwork = async (flags: NetworkFlags): Promise<NetworkFile> => {
  const path = namedNetwork(flags);
  if (path === undefined)
    throw new FloeError('usage', 'expected --network <file>, or FLOE_NETWORK');
  const { readNetworkFile } = await import('../protocol/net/network-file.ts');
  return readNetworkFile(path);
};

/** The Sui key of the flags or the environment, if any. @throws FloeError `key_invalid` */
export const findSuiKey = async (flags: SuiKeyFlags): Promise<SuiKey | undefined> => {
  const keys = await import('../protocol/net/sui/keys.ts');
  if (flags.keystoreFile === undefined) {
    const pair = keys.keyFromEnvironment({ FLOE_SUI_KEY: secretVariable('FLOE_SUI_KEY') });
    return pair && keys.suiKeyOf(pair);
  }
  const bytes = await readInput('--keystore-file', flags.keystoreFile, MAX_FILE_BYTES);
  return keys.suiKeyOf(keys.keyFromSuiKeystore(new TextDecoder().decode(bytes), flags.address));
};

/** One command may open two keystores with one descriptor, which is read once. */
const descriptors = new Map<number, PassphraseSources>();

/** Whether flags or the environment name a passphrase. */
const hasPassphrase = ({ passphraseFile, passphraseFd }: PassphraseFlags): boolean =>
  [passphraseFile, passphraseFd, secretVariable('FLOE_PASSPHRASE')].some(
    (source) => source !== undefined,
  );

/** Of flags, else of the keystore's folder, else of the environment, else of the terminal. */
const passphraseOf = async (
  flags: PassphraseFlags,
  folder: string,
  isNew: boolean,
): Promise<string> => {
  const { passphraseFile: file, passphraseFd: fd } = flags;
  // The variable is that of other keystores: this one has a passphrase that was drawn for it.
  if (file === undefined && fd === undefined) {
    const { nodeDisk, readKept } = await import('../client/keystore/index.ts');
    const kept = await readKept(folder, await nodeDisk());
    if (kept !== undefined) return kept;
  }
  const { readPassphrase } = await import('../client/keystore/ask-passphrase.ts');
  const known = fd === undefined ? undefined : descriptors.get(fd);
  const sources = known ?? { file, fd, text: secretVariable('FLOE_PASSPHRASE') };
  if (fd !== undefined) descriptors.set(fd, sources);
  return readPassphrase(sources, { folder, isNew });
};

/**
 * Opens a keystore or makes a new one with the given secrets. @throws FloeError
 * `passphrase_missing`, `keystore_locked`, `decryption_failed`
 */
export const openOrMakeKeystore = async (
  folder: string,
  flags: PassphraseFlags,
  secrets: Pick<KeystoreOptions, 'secret' | 'identitySeed'> = {},
): Promise<Keystore> => {
  const { nodeDisk, openKeystore } = await import('../client/keystore/index.ts');
  const { systemRandom } = await import('../protocol/ports/random.ts');
  const isNew = !(await isThere(join(folder, 'identity')));
  const passphrase = await passphraseOf(flags, folder, isNew);
  return openKeystore(folder, passphrase, {
    random: systemRandom,
    disk: await nodeDisk(),
    ...secrets,
  });
};

/**
 * The identity that `join` keeps where none is named: the keystore in `path`, or beside it while
 * another process has that one open. Without a passphrase a new one keeps its own.
 *
 * @throws FloeError as `openKept`
 */
export const openKeptIdentity = async (
  path: string,
  flags: PassphraseFlags,
): Promise<KeptKeystore> => {
  const { keptPassphrase, nodeDisk, openKept } = await import('../client/keystore/index.ts');
  const { systemRandom: random } = await import('../protocol/ports/random.ts');
  const disk = await nodeDisk();
  const passphrase = async (folder: string): Promise<string> => {
    const isNew = !(await isThere(join(folder, 'identity')));
    return isNew && !hasPassphrase(flags)
      ? keptPassphrase(folder, { disk, random })
      : passphraseOf(flags, folder, isNew);
  };
  return openKept(path, { disk, random, passphrase });
};

/**
 * The keystore of a coordinator; a new one takes the Sui key that was named.
 *
 * @throws FloeError `usage`, `key_invalid` where it holds another key than `--keystore-file`
 */
export const openCoordinatorKeystore = async (
  folder: string,
  flags: SuiKeyFlags & PassphraseFlags,
  onNetwork: boolean,
): Promise<Keystore> => {
  const named = flags.keystoreFile !== undefined;
  if (named && !onNetwork)
    throw new FloeError('usage', '--keystore-file: a run on no network does not use a Sui key');
  const isNew = !(await isThere(join(folder, 'identity')));
  // The variable may hold the key for other commands; an existing keystore wins.
  const key = onNetwork && (isNew || named) ? await findSuiKey(flags) : undefined;
  const keystore = await openOrMakeKeystore(folder, flags, key && { identitySeed: key.seed });
  const { address } = keystore.identity;
  if (key === undefined || key.address === address) return keystore;
  await keystore.close();
  throw new FloeError(
    'key_invalid',
    `${folder} holds the key of ${address}, --keystore-file that of ${key.address}; the coordinator of a run cannot change`,
  );
};

/**
 * The identity of the flags; without one that of FLOE_SUI_KEY, where a chain's keys count.
 *
 * @throws FloeError `usage` when several are named, `key_invalid`, `passphrase_missing`,
 * `file_not_found`, `decryption_failed`
 */
export const findIdentity = async (
  flags: KeyFlags,
  onChain = true,
): Promise<Identity | undefined> => {
  const { keyFile, keystore, keystoreFile } = flags;
  const named = Object.entries({
    '--key-file': keyFile,
    '--keystore': keystore,
    '--keystore-file': keystoreFile,
  });
  const given = named.flatMap(([name, path]) => (path === undefined ? [] : [name]));
  if (given.length > 1)
    throw new FloeError('usage', `expected one key, got ${given.join(' and ')}`);
  if (keyFile !== undefined) {
    const { identityOfSeedFile } = await import('../client/keystore/seed-file.ts');
    return identityOfSeedFile(keyFile);
  }
  if (keystore !== undefined) {
    const { nodeDisk, readIdentity } = await import('../client/keystore/index.ts');
    return readIdentity(keystore, await passphraseOf(flags, keystore, false), await nodeDisk());
  }
  if (keystoreFile === undefined && !onChain) return undefined;
  const { identityFromSeed } = await import('../protocol/ports/identity.ts');
  const key = await findSuiKey(flags);
  return key && identityFromSeed(key.seed);
};

/** The identity that signs and pays. @throws FloeError `usage` without one */
export const requireIdentity = async (flags: KeyFlags): Promise<Identity> => {
  const identity = await findIdentity(flags);
  if (identity !== undefined) return identity;
  throw new FloeError(
    'usage',
    'expected --keystore <folder>, --keystore-file <path>, or FLOE_SUI_KEY',
  );
};

/** Prints each attempt of a transaction that failed. */
export const onRetry =
  (output: Output): NonNullable<PassesOptions['onRetry']> =>
  ({ message }, attempt) =>
    output.warn(`attempt ${attempt}: ${message}`);

/** Offers, passes, grants and receipts of the identity that signs and pays. */
export const openOwnPasses = async (
  flags: NetworkFlags & KeyFlags,
  output: Output,
): Promise<Passes> => {
  const { network, path } = await readNetwork(flags);
  const { openPasses } = await import('../client/passes.ts');
  return openPasses(network, await requireIdentity(flags), {
    from: path,
    onRetry: onRetry(output),
  });
};
