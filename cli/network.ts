/**
 * @module What the commands that talk to a network share: its configuration file, the key that pays and signs, connections.
 * The key comes from a file or the environment, is never an argument, and is never printed.
 */
import type { SuiGrpcClient } from '@mysten/sui/grpc';
import type { Signer } from '@mysten/sui/cryptography';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import type { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';
import type { Sender } from '../protocol/net/sui/transactions.ts';
import { readInput, usage } from './flags.ts';
import { withPassphrase, type PassphraseFlags } from './passphrase.ts';
import { secretVariable } from './secret-variables.ts';
import type { Output } from './output.ts';

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

/** Whether it is an object id or an address, and nothing else that a command may be given. */
export const isObjectId = (text: string): boolean => /^0x[0-9a-f]{64}$/iu.test(text);

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

export interface NetworkFile {
  readonly path: string;
  readonly network: NetworkConfig;
  /** As it was read, with fields that Floe does not know. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** @throws FloeError `usage` when no file is named, `file_not_found`, `spec_invalid` naming the field */
export const readNetworkFile = async (
  flags: Pick<NetworkFlags, 'network'>,
): Promise<NetworkFile> => {
  const { parseNetworkConfig } = await import('../protocol/net/config.ts');
  const path = namedNetwork(flags);
  if (path === undefined)
    throw new FloeError('usage', 'expected --network <file>, or FLOE_NETWORK');
  const bytes = await readInput('--network', path, MAX_FILE_BYTES);
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FloeError('spec_invalid', `${path}: ${(cause as Error).message}`, {}, { cause });
  }
  const network = parseNetworkConfig(raw);
  return { path, network, raw: raw as Record<string, unknown> };
};

/** The key that the flags or the environment name; undefined when none is named. @throws FloeError `key_invalid` */
export const findKey = async (flags: NetworkFlags): Promise<Ed25519Keypair | undefined> => {
  const { keyFromEnvironment, keyFromSuiKeystore } = await import('../protocol/net/sui/keys.ts');
  if (flags.keystoreFile === undefined)
    return keyFromEnvironment({
      FLOE_SUI_KEY: secretVariable('FLOE_SUI_KEY'),
    });
  const bytes = await readInput('--keystore-file', flags.keystoreFile, MAX_FILE_BYTES);
  return keyFromSuiKeystore(new TextDecoder().decode(bytes), flags.address);
};

/** A network without anything of Floe on it yet. */
export interface Chain {
  readonly file: NetworkFile;
  readonly client: SuiGrpcClient;
}

export const openChain = async (flags: NetworkFlags): Promise<Chain> => {
  const { suiClientOf } = await import('../protocol/net/walrus/client.ts');
  const file = await readNetworkFile(flags);
  return { file, client: suiClientOf(file.network) };
};

/** Where Floe's package is. @param from named in the error @throws FloeError `spec_invalid` when there is none */
export const packageOf = ({ floe }: NetworkConfig, from: string): string => {
  if (floe !== undefined) return floe.packageId;
  throw new FloeError(
    'spec_invalid',
    `${from}: expected floe.packageId; floe publish writes it there`,
  );
};

/** Floe's package on a network, for reading. @throws FloeError `spec_invalid` when there is none */
export const openRegistry = async (flags: NetworkFlags): Promise<Chain & { packageId: string }> => {
  const chain = await openChain(flags);
  const { path, network } = chain.file;
  return { ...chain, packageId: packageOf(network, path) };
};

const findSigner = async (flags: SenderFlags): Promise<Signer | undefined> => {
  const { keystore, keystoreFile } = flags;
  if (keystore === undefined) return findKey(flags);
  if (keystoreFile !== undefined)
    throw new FloeError('usage', 'expected one of --keystore and --keystore-file, got both');
  const { keystoreIdentity } = await import('./secrets.ts');
  const { suiSignerOf } = await import('../protocol/net/sui/signer.ts');
  return suiSignerOf(await keystoreIdentity(keystore, flags));
};

/**
 * Who pays and signs.
 * @throws FloeError `usage` when no key is named, `key_invalid`, `file_not_found`, `passphrase_missing`, `decryption_failed`
 */
export const openSender = async (
  flags: SenderFlags,
  client: SuiGrpcClient,
  output: Output,
): Promise<Sender> => {
  const { createSender } = await import('../protocol/net/sui/transactions.ts');
  const signer = await findSigner(flags);
  if (signer === undefined)
    throw new FloeError(
      'usage',
      'expected --keystore <folder>, --keystore-file <path>, or FLOE_SUI_KEY',
    );
  return createSender({
    client,
    signer,
    onRetry: ({ message }, attempt) => output.warn(`attempt ${attempt}: ${message}`),
  });
};
