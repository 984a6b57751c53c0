/**
 * @module The command that runs a devnet until it is interrupted: its flags and its body.
 * `floe-devnet` consists of this command; another program can mount it as its own command, with its
 * own packages.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { MAX_KEY_SERVERS, MAX_SHARDS, MIN_NODES } from './config.ts';
import type { DevnetConfig, DevnetOptions, PublishablePackage } from './config.ts';
import { DevnetError } from './errors.ts';
import { keptFolderOf, readKeptPorts, removeKept, writeKeptPorts } from './kept.ts';
import type { Devnet } from './start.ts';

/** The flags of {@link withDevnetOptions}, as commander gives them. */
export interface DevnetFlags {
  readonly configOut?: string;
  readonly seed: string;
  readonly nodes: number;
  readonly shardsPerNode: number;
  readonly keyServers: number;
  readonly threshold: number;
  readonly port?: number;
  readonly fullChecks?: boolean;
  readonly snapshot?: string;
  readonly fresh?: boolean;
  readonly package: readonly string[];
  readonly fault: readonly string[];
}

/** What the command needs of the program that it belongs to. */
export interface DevnetCommandInit {
  /** Fires when the devnet shall stop. */
  readonly signal: AbortSignal;
  /** Takes the lines for people, once everything answers. */
  readonly say: (text: string) => void;
  /** Takes the configuration, once everything answers. */
  readonly document: (config: unknown) => void;
  /** Published at the start, besides those of the flags. */
  readonly packages?: Readonly<Record<string, PublishablePackage>>;
  /** The form in which the configuration is printed and written. Default as it is. */
  readonly describe?: (config: DevnetConfig) => unknown;
  /** Milliseconds between two saves of a devnet that is kept. Default 2,000. */
  readonly saveEveryMs?: number;
}

/** What a killed devnet loses at most. */
const SAVE_EVERY_MS = 2_000;

const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}, got ${text}`);
    return value;
  };

const collect = (text: string, before: readonly string[]): readonly string[] => [...before, text];

/** Declares the flags of a devnet on a command. */
export const withDevnetOptions = (command: Command): Command => {
  const option = (flags: string, description: string, min: number, max: number, fallback: number) =>
    command.option(flags, description, wholeNumber(min, max), fallback);
  command
    .option(
      '--config-out <file>',
      'write the network configuration here once it is ready, and keep state and ports beside it: net.devnet for net.json',
    )
    .option('--fresh', 'forget the state and the ports that an earlier devnet kept there')
    .option('--seed <text>', 'seed of all keys and ids', '1');
  option('--nodes <n>', 'storage nodes', MIN_NODES, MAX_SHARDS, 13);
  option(
    '--shards-per-node <n>',
    'shards of each storage node; more shards hold larger blobs',
    1,
    MAX_SHARDS,
    4,
  );
  option('--key-servers <n>', 'Seal key servers', 1, MAX_KEY_SERVERS, 3);
  option('--threshold <n>', 'key servers needed to open a key', 1, MAX_KEY_SERVERS, 2);
  return command
    .option(
      '--port <first>',
      'first of consecutive ports (default: any free ports)',
      wholeNumber(1, 65_535),
    )
    .option('--full-checks', 'check every sliver against its metadata before confirming')
    .option('--snapshot <folder>', 'keep state and ports in this folder')
    .option(
      '--package <name=file>',
      'publish a compiled Move package at the start (JSON with modules and dependencies); repeatable',
      collect,
      [],
    )
    .option(
      '--fault <json>',
      'enable a fault, such as {"type":"nodeDown","node":3}; repeatable',
      collect,
      [],
    );
};

/**
 * Ports in a row from the first: RPC, faucet, relay, publisher, aggregator, key servers, then
 * storage nodes.
 */
const portsFrom = (first: number, keyServers: number): NonNullable<DevnetOptions['ports']> => ({
  rpc: first,
  faucet: first + 1,
  relay: first + 2,
  publisher: first + 3,
  aggregator: first + 4,
  seal: first + 5,
  nodes: first + 5 + keyServers,
});

/** Where the devnet is kept; undefined: nowhere. */
const keptIn = ({ snapshot, configOut }: DevnetFlags): string | undefined =>
  snapshot ?? (configOut === undefined ? undefined : keptFolderOf(configOut));

/**
 * The options that the flags ask for. With a snapshot, a size that was not asked for is the
 * snapshot's.
 *
 * @param kept the ports of the devnet that is resumed
 */
const optionsOf = (
  flags: DevnetFlags,
  isDefault: (name: string) => boolean,
  kept: DevnetOptions['ports'],
): DevnetOptions => {
  const snapshot = keptIn(flags);
  const isLeftOut = (name: string): boolean => snapshot !== undefined && isDefault(name);
  const ports = flags.port === undefined ? kept : portsFrom(flags.port, flags.keyServers);
  return {
    ...(isLeftOut('seed') ? {} : { seed: flags.seed }),
    ...(isLeftOut('nodes') ? {} : { nodes: flags.nodes }),
    ...(isLeftOut('shardsPerNode') ? {} : { shardsPerNode: flags.shardsPerNode }),
    ...(isLeftOut('keyServers') ? {} : { sealServers: flags.keyServers }),
    ...(isLeftOut('threshold') ? {} : { sealThreshold: flags.threshold }),
    sliverChecks: flags.fullChecks === true ? 'full' : 'structure',
    ...(ports === undefined ? {} : { ports }),
    ...(snapshot === undefined ? {} : { snapshot }),
  };
};

/**
 * The package of a flag `name=file`. @throws {DevnetError} package_missing, module_malformed,
 * option_invalid
 */
const readNamed = async (flag: string): Promise<readonly [string, PublishablePackage]> => {
  const [name = '', ...rest] = flag.split('=');
  const path = rest.join('=');
  if (!/^[\w-]+$/u.test(name) || path === '')
    throw new DevnetError('option_invalid', `--package: expected name=file, got ${flag}`);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new DevnetError('package_missing', `--package: cannot read ${path}`, { cause });
  });
  const { parsePackage } = await import('./packages.ts');
  return [name, parsePackage(text, path)];
};

const linesOf = (config: DevnetConfig, nodes: number, shards: number, maxBlobBytes: number) =>
  [
    `devnet ready: ${nodes} storage nodes x ${shards / nodes} shards, ` +
      `${config.seal.servers.length} key servers (threshold ${config.seal.threshold})`,
    `RPC        ${config.rpcUrl}`,
    `faucet     ${config.faucetUrl}`,
    `relay      ${config.walrus.relayUrl}`,
    `publisher  ${config.walrus.publisherUrl}`,
    `aggregator ${config.walrus.aggregatorUrl}`,
    ...Object.entries(config.packages).map(([name, id]) => `package    ${id} (${name})`),
    `blobs up to ${maxBlobBytes} bytes; keys of this network protect nothing`,
  ].join('\n');

/** Saves from time to time what is new; a failure is told once, and the last save counts. */
const keepSaved = (
  devnet: Pick<Devnet, 'chain' | 'save'>,
  say: DevnetCommandInit['say'],
  everyMs = SAVE_EVERY_MS,
): { readonly stop: () => void } => {
  let failed = false;
  let saved = devnet.chain.records.length;
  const save = async (): Promise<void> => {
    try {
      await devnet.save();
      failed = false;
    } catch (thrown) {
      if (!failed) say(`the state cannot be saved: ${String(thrown)}`);
      failed = true;
    }
  };
  const timer = setInterval(() => {
    const { length } = devnet.chain.records;
    if (length === saved && !failed) return;
    saved = length;
    void save();
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
};

/** A reader that waits for the file never sees half of it. */
const writeWhole = async (path: string, value: unknown): Promise<void> => {
  await writeFile(`${path}.new`, `${JSON.stringify(value, undefined, 2)}\n`);
  await rename(`${path}.new`, path);
};

/**
 * Runs a devnet as the flags of `command` say, until the signal fires.
 *
 * @throws {DevnetError} for flags that are wrong, `port_taken`
 */
export const runDevnet = async (command: Command, init: DevnetCommandInit): Promise<void> => {
  const { signal, say, document, describe = (config) => config } = init;
  const flags = command.opts<DevnetFlags>();
  const { parseFault, startDevnet } = await import('./index.ts');
  const faults = flags.fault.map((text) => parseFault(text));
  const named = Object.fromEntries(await Promise.all(flags.package.map(readNamed)));
  const interrupted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const folder = keptIn(flags);
  if (folder !== undefined && flags.fresh === true) await removeKept(folder);
  const ports = folder === undefined ? undefined : await readKeptPorts(folder);
  const isDefault = (name: string): boolean => command.getOptionValueSource(name) === 'default';
  const devnet = await startDevnet({
    ...optionsOf(flags, isDefault, ports),
    packages: { ...init.packages, ...named },
  });
  const saving = folder === undefined ? undefined : keepSaved(devnet, say, init.saveEveryMs);
  try {
    if (folder !== undefined) {
      // A devnet that is killed is found again as it was saved last.
      await writeKeptPorts(folder, devnet);
      await devnet.save();
    }
    for (const fault of faults) devnet.faults.run(fault);
    const { config, nodes, vault, maxBlobBytes } = devnet;
    const described = describe(config);
    if (flags.configOut !== undefined) await writeWhole(flags.configOut, described);
    document(described);
    say(linesOf(config, nodes.length, vault.shards, maxBlobBytes));
    if (folder !== undefined)
      say(`state      ${folder}${ports === undefined ? '' : ', continued'}; --fresh begins anew`);
    if (!signal.aborted) await interrupted;
  } finally {
    saving?.stop();
    await devnet.stop();
  }
};
