/**
 * @module Flags of the commands that read a run: where it is, and whose key opens its models. The
 * key is never printed.
 */
import type { Command } from 'commander';
import type { NetworkOptions, OpenRunOptions } from '../client/reader/index.ts';
import { fromHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { isObjectId } from '../protocol/net/object-id.ts';
import { isThere } from '../protocol/ports/files.ts';
import { identityFromSeed, type Identity } from '../protocol/ports/identity.ts';
import { hexKey, readInput } from './flags.ts';
import {
  findKey,
  namedNetwork,
  readNetworkFile,
  withNetwork,
  withSender,
  type NetworkFlags,
  type SenderFlags,
} from './network.ts';
import type { Context } from './run-command.ts';
import { keystoreIdentity } from './secrets.ts';

export interface FoundNetworkFlags extends NetworkFlags {
  readonly run?: string;
}

export interface ReaderFlags extends SenderFlags {
  readonly keyFile?: string;
}

export interface SourceFlags extends ReaderFlags, FoundNetworkFlags {
  readonly expectRun?: string;
  readonly remote?: boolean;
}

const LATEST_RUN = 'runs/latest';

/** The flags that say where to look for an object. */
export const withFoundNetwork = (command: Command): Command =>
  withNetwork(command).option(
    '--run <folder>',
    'look for the object where this run took place (default: runs/latest)',
  );

/** @param remote describes --remote, where the command has it */
export const withSource = (command: Command, remote?: string): Command => {
  withSender(
    withFoundNetwork(command).option(
      '--key-file <path>',
      "file with an auditor's seed in hex (default: the folder's own)",
    ),
  );
  return remote === undefined
    ? command
    : command
        .option('--remote', remote)
        .option('--expect-run <hash>', 'the run hash that was agreed on');
};

const seedFrom = async (path: string): Promise<Uint8Array> => {
  const text = new TextDecoder().decode(await readInput('--key-file', path, 1024)).trim();
  // The text is a secret: an error must not repeat it.
  if (!/^[0-9a-f]{64}$/u.test(text))
    throw new FloeError('usage', `--key-file: expected 64 hex digits in ${path}`);
  return fromHex(text);
};

/**
 * The identity that the flags name; without one that of FLOE_SUI_KEY, where keys are a chain's.
 * @throws FloeError `usage` when more than one is named, `key_invalid`, `passphrase_missing`,
 * `file_not_found`
 */
const chooseReader = async (
  flags: ReaderFlags,
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
  if (keystoreFile === undefined && !onChain) return undefined;
  const key = await findKey(flags);
  return key && identityFromSeed(key.seed);
};

/** The devnet of a simulation, started again as it was; it is not changed. */
const restartDevnet: NonNullable<NetworkOptions['devnet']> = async (snapshot) => {
  const { startFloeDevnet } = await import('../move/floe-devnet.ts');
  const { parseNetworkConfig } = await import('../protocol/net/config.ts');
  const running = await startFloeDevnet({ snapshot, readOnly: true });
  return { network: parseNetworkConfig(running.config), stop: () => running.stop() };
};

/**
 * Where an object is looked for: `--network` or FLOE_NETWORK, else `--run` or the latest run.
 * @throws FloeError `usage`
 */
const placeOf = async (flags: FoundNetworkFlags): Promise<NetworkOptions> => {
  const { network, run } = flags;
  if (network !== undefined && run !== undefined)
    throw new FloeError('usage', 'expected --network or --run, not both');
  if (run !== undefined) return { runFolder: run };
  if (namedNetwork(flags) !== undefined) return { network: await readNetworkFile(flags) };
  if (await isThere(LATEST_RUN)) return { runFolder: LATEST_RUN };
  throw new FloeError('usage', 'expected --network <file>, FLOE_NETWORK or --run <folder>');
};

/** What the flags say of where `source` is read, with its lines for people. */
export const networkOptions = async (
  source: string,
  flags: FoundNetworkFlags,
  { output, signal }: Context,
): Promise<NetworkOptions> => ({
  ...(isObjectId(source)
    ? await placeOf(flags)
    : flags.network === undefined
      ? {}
      : { network: await readNetworkFile(flags) }),
  devnet: restartDevnet,
  signal,
  onEvent: (event) =>
    output.line(
      event.type === 'network'
        ? `network    ${event.url}, as ${event.from} says`
        : `network    the devnet of this run, started again from ${event.from}`,
    ),
});

export const openRunOptions = async (
  source: string,
  flags: SourceFlags,
  context: Context,
): Promise<OpenRunOptions> => {
  const { expectRun, remote } = flags;
  return {
    ...(await networkOptions(source, flags, context)),
    ...(expectRun === undefined ? {} : { expectRun: hexKey('--expect-run')(expectRun) }),
    ...(namedNetwork(flags) === undefined ? {} : { networkIfAny: () => readNetworkFile(flags) }),
    identity: (onChain) => chooseReader(flags, onChain),
    remote,
    journalLedger: async (path) => {
      const { readJournalLedger } = await import('../coordinator/read-ledger.ts');
      return readJournalLedger(path);
    },
  };
};
