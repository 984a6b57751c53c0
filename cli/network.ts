/**
 * @module What the commands that talk to a network share: its configuration file, the key that pays
 * and signs, connections. The key comes from a file or the environment, is never an argument, and
 * is never printed.
 */
import type { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import type { NetworkFile } from '../protocol/net/network-file.ts';
import { isObjectId } from '../protocol/net/object-id.ts';
import type { Passes } from '../protocol/net/passes.ts';
import type { SuiKey } from '../protocol/net/sui/keys.ts';
import type { Registry } from '../protocol/net/sui/registry.ts';
import type { Sender } from '../protocol/net/sui/transactions.ts';
import type { Identity } from '../protocol/ports/identity.ts';
import { readInput, usage } from './flags.ts';
import type { Output } from './output.ts';
import { withPassphrase, type PassphraseFlags } from './passphrase.ts';
import { secretVariable } from './secret-variables.ts';

const MAX_FILE_BYTES = 1 << 20;

export interface NetworkFlags {
  readonly network?: string;
  readonly keystoreFile?: string;
  readonly address?: string;
}

/** The flag that says where the network is. */
export const withNetwork = (command: Command): Command =>
  command.option(
    '--network <file>',
    'network configuration, as `floe devnet --config-out` writes it (or FLOE_NETWORK)',
  );

/** The flags that say who pays and signs. */
export const withKey = (command: Command): Command =>
  command
    .option(
      '--keystore-file <path>',
      "key file of the sui command line, a JSON list (or FLOE_SUI_KEY holds 'suiprivkey1...')",
    )
    .option('--address <0x...>', 'which key of a file that holds several', address('--address'));

export interface SenderFlags extends NetworkFlags, PassphraseFlags {
  readonly keystore?: string;
}

/** The same, or the key of a coordinator or participant. */
export const withSender = (command: Command): Command =>
  withKey(
    withPassphrase(command.option('--keystore <folder>', 'use the key of this Floe keystore')),
  );

/** An address or object id, 0x and 64 hex digits. */
export const address =
  (flag: string) =>
  (text: string): string => {
    if (!isObjectId(text)) throw usage(flag, '0x and 64 hex digits', text);
    return text.toLowerCase();
  };

/** The configuration file that the flag or the environment names; an empty variable names none. */
export const namedNetwork = ({ network }: Pick<NetworkFlags, 'network'>): string | undefined =>
  network ?? (process.env['FLOE_NETWORK'] || undefined);

/**
 * @throws FloeError `usage` when no file is named, `file_not_found`, `spec_invalid` naming the
 * field
 */
export const readNetworkFile = async (
  flags: Pick<NetworkFlags, 'network'>,
): Promise<NetworkFile> => {
  const path = namedNetwork(flags);
  if (path === undefined)
    throw new FloeError('usage', 'expected --network <file>, or FLOE_NETWORK');
  const file = await import('../protocol/net/network-file.ts');
  return file.readNetworkFile(path);
};

/**
 * The key that the flags or the environment name; undefined when none is named. @throws FloeError
 * `key_invalid`
 */
export const findKey = async (flags: NetworkFlags): Promise<SuiKey | undefined> => {
  const keys = await import('../protocol/net/sui/keys.ts');
  if (flags.keystoreFile === undefined) {
    const pair = keys.keyFromEnvironment({ FLOE_SUI_KEY: secretVariable('FLOE_SUI_KEY') });
    return pair && keys.suiKeyOf(pair);
  }
  const bytes = await readInput('--keystore-file', flags.keystoreFile, MAX_FILE_BYTES);
  return keys.suiKeyOf(keys.keyFromSuiKeystore(new TextDecoder().decode(bytes), flags.address));
};

/** A network without anything of Floe on it yet. */
export const openChain = async (
  flags: NetworkFlags,
): Promise<{ readonly file: NetworkFile; readonly client: Registry['client'] }> => {
  const { suiClientOf } = await import('../protocol/net/walrus/client.ts');
  const file = await readNetworkFile(flags);
  return { file, client: suiClientOf(file.network) };
};

/** Floe's package on a network. @throws FloeError `spec_invalid` when there is none */
export const openRegistry = async (flags: NetworkFlags): Promise<Registry> => {
  const { registryOf } = await import('../protocol/net/registry.ts');
  const { network, path } = await readNetworkFile(flags);
  return registryOf(network, path);
};

const findPayer = async (flags: SenderFlags): Promise<Identity> => {
  const { keystore, keystoreFile } = flags;
  if (keystore !== undefined && keystoreFile !== undefined)
    throw new FloeError('usage', 'expected one of --keystore and --keystore-file, got both');
  if (keystore !== undefined) {
    const { keystoreIdentity } = await import('./secrets.ts');
    return keystoreIdentity(keystore, flags);
  }
  const key = await findKey(flags);
  if (key === undefined)
    throw new FloeError(
      'usage',
      'expected --keystore <folder>, --keystore-file <path>, or FLOE_SUI_KEY',
    );
  const { identityFromSeed } = await import('../protocol/ports/identity.ts');
  return identityFromSeed(key.seed);
};

/**
 * Who pays and signs.
 * @throws FloeError `usage` when no key is named, `key_invalid`, `file_not_found`,
 * `passphrase_missing`, `decryption_failed`
 */
export const openSender = async (
  flags: SenderFlags,
  client: Registry['client'],
  output: Output,
): Promise<Sender> => {
  const { senderOf } = await import('../protocol/net/registry.ts');
  return senderOf({ client }, await findPayer(flags), ({ message }, attempt) =>
    output.warn(`attempt ${attempt}: ${message}`),
  );
};

/** Offers, passes and grants, as who pays and signs. */
export const openPasses = async (flags: SenderFlags, output: Output): Promise<Passes> => {
  const { passesWith } = await import('../protocol/net/passes.ts');
  const registry = await openRegistry(flags);
  return passesWith(registry, await openSender(flags, registry.client, output));
};
