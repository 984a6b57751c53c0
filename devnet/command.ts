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
}

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
    .option('--config-out <file>', 'write the network configuration here once it is ready')
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
    .option('--snapshot <folder>', 'resume from this folder and save to it on exit')
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

/**
 * The options that the flags ask for. With a snapshot, a size that was not asked for is the
 * snapshot's.
 */
const optionsOf = (flags: DevnetFlags, isDefault: (name: string) => boolean): DevnetOptions => {
  const isLeftOut = (name: string): boolean => flags.snapshot !== undefined && isDefault(name);
  return {
    ...(isLeftOut('seed') ? {} : { seed: flags.seed }),
    ...(isLeftOut('nodes') ? {} : { nodes: flags.nodes }),
    ...(isLeftOut('shardsPerNode') ? {} : { shardsPerNode: flags.shardsPerNode }),
    ...(isLeftOut('keyServers') ? {} : { sealServers: flags.keyServers }),
    ...(isLeftOut('threshold') ? {} : { sealThreshold: flags.threshold }),
    sliverChecks: flags.fullChecks === true ? 'full' : 'structure',
    ...(flags.port === undefined ? {} : { ports: portsFrom(flags.port, flags.keyServers) }),
    ...(flags.snapshot === undefined ? {} : { snapshot: flags.snapshot }),
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

/** A reader that waits for the file never sees half of it. */
const writeWhole = async (path: string, value: unknown): Promise<void> => {
  await writeFile(`${path}.new`, `${JSON.stringify(value, undefined, 2)}\n`);
  await rename(`${path}.new`, path);
};

/**
 * Runs a devnet as the flags of `command` say, until the signal fires.
 *
 * @throws {DevnetError} for flags that are wrong; the socket's error when a port is taken
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
  const devnet = await startDevnet({
    ...optionsOf(flags, (name) => command.getOptionValueSource(name) === 'default'),
    packages: { ...init.packages, ...named },
  });
  try {
    for (const fault of faults) devnet.faults.run(fault);
    const { config, nodes, vault, maxBlobBytes } = devnet;
    const described = describe(config);
    if (flags.configOut !== undefined) await writeWhole(flags.configOut, described);
    document(described);
    say(linesOf(config, nodes.length, vault.shards, maxBlobBytes));
    if (!signal.aborted) await interrupted;
  } finally {
    await devnet.stop();
  }
};
