/**
 * @module Whose key opens a run's models, for the commands that read: a seed in a file, a Floe keystore, a Sui key, or the
 * simulated auditor's of a run's folder. The key is never printed.
 */
import { decodeSuiPrivateKey } from '@mysten/sui/cryptography';
import type { Command } from 'commander';
import { fromHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { identityFromSeed, type Identity } from '../protocol/ports/identity.ts';
import { readInput } from './flags.ts';
import { findKey, withSender, type NetworkFlags, type SenderFlags } from './network.ts';
import { keystoreIdentity } from './secrets.ts';

export interface ReaderFlags extends SenderFlags {
  readonly keyFile?: string;
}

export const withReader = (command: Command): Command =>
  withSender(
    command.option(
      '--key-file <path>',
      "file with an auditor's seed in hex (default: the folder's own)",
    ),
  );

const seedFrom = async (path: string): Promise<Uint8Array> => {
  const text = new TextDecoder().decode(await readInput('--key-file', path, 1024)).trim();
  // The text is a secret: an error must not repeat it.
  if (!/^[0-9a-f]{64}$/u.test(text))
    throw new FloeError('usage', `--key-file: expected 64 hex digits in ${path}`);
  return fromHex(text);
};

const suiIdentity = async (flags: NetworkFlags): Promise<Identity | undefined> => {
  const key = await findKey(flags);
  return key && identityFromSeed(decodeSuiPrivateKey(key.getSecretKey()).secretKey);
};

/**
 * The identity that the flags name; without one that of FLOE_SUI_KEY, where keys are a chain's; else the folder's own.
 * @param own seed that the run's folder holds
 * @param onChain whether Sui keys mean anything to the run
 * @throws FloeError `usage` when more than one is named, `key_invalid`, `passphrase_missing`, `file_not_found`
 */
export const chooseReader = async (
  flags: ReaderFlags,
  own: Uint8Array | undefined,
  onChain: boolean,
): Promise<Identity | undefined> => {
  const { keyFile, keystore, keystoreFile } = flags;
  if ([keyFile, keystore, keystoreFile].filter((given) => given !== undefined).length > 1)
    throw new FloeError(
      'usage',
      'expected one of --key-file, --keystore and --keystore-file, got several',
    );
  if (keyFile !== undefined) return identityFromSeed(await seedFrom(keyFile));
  if (keystore !== undefined) return keystoreIdentity(keystore, flags);
  if (keystoreFile !== undefined || onChain) {
    const identity = await suiIdentity(flags);
    if (identity !== undefined) return identity;
  }
  return own === undefined ? undefined : identityFromSeed(own);
};
