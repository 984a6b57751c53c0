/**
 * @module `floe devnet`: starts a network of Sui, Walrus and Seal on this machine and keeps it until interrupted. Runs by itself
 * too: `node cli/devnet.ts`.
 */
import { rename, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { MAX_KEY_SERVERS } from '../devnet/config.ts';
import type { DevnetOptions } from '../devnet/index.ts';
import { collect, wholeNumber } from './flags.ts';
import type { Output } from './output.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface DevnetFlags extends CommonOptions {
  readonly configOut?: string;
  readonly seed: string;
  readonly nodes: number;
  readonly shardsPerNode: number;
  readonly keyServers: number;
  readonly threshold: number;
  readonly port?: number;
  readonly fullChecks?: boolean;
  readonly snapshot?: string;
  readonly floe: boolean;
  readonly fault: readonly string[];
}

const MAX_NODES = 1_000;

/** Ports in a row from the first: RPC, faucet, relay, publisher, aggregator, key servers, then storage nodes. */
const portsFrom = (first: number, keyServers: number): NonNullable<DevnetOptions['ports']> => ({
  rpc: first,
  faucet: first + 1,
  relay: first + 2,
  publisher: first + 3,
  aggregator: first + 4,
  seal: first + 5,
  nodes: first + 5 + keyServers,
});

/** Seed and sizes. With a snapshot, what was not asked for is the snapshot's to say. */
const sizesOf = (flags: DevnetFlags, isDefault: (name: string) => boolean): DevnetOptions => {
  const isLeftOut = (name: string): boolean => flags.snapshot !== undefined && isDefault(name);
  return {
    ...(isLeftOut('seed') ? {} : { seed: flags.seed }),
    ...(isLeftOut('nodes') ? {} : { nodes: flags.nodes }),
    ...(isLeftOut('shardsPerNode') ? {} : { shardsPerNode: flags.shardsPerNode }),
    ...(isLeftOut('keyServers') ? {} : { sealServers: flags.keyServers }),
    ...(isLeftOut('threshold') ? {} : { sealThreshold: flags.threshold }),
  };
};

const run = async (
  flags: DevnetFlags,
  sizes: DevnetOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> => {
  const { parseFault, startDevnet } = await import('../devnet/index.ts');
  const { compiledFloe } = await import('../devnet/move/index.ts');
  const faults = flags.fault.map((text) => parseFault(text));
  const interrupted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const devnet = await startDevnet({
    ...sizes,
    sliverChecks: flags.fullChecks === true ? 'full' : 'structure',
    ...(flags.port === undefined ? {} : { ports: portsFrom(flags.port, flags.keyServers) }),
    ...(flags.snapshot === undefined ? {} : { snapshot: flags.snapshot }),
    ...(flags.floe ? { floePackage: compiledFloe() } : {}),
  });
  try {
    for (const fault of faults) devnet.faults.run(fault);
    if (flags.configOut !== undefined) {
      // Whoever waits for the file must never read half of it.
      const config = `${JSON.stringify(devnet.config, undefined, 2)}\n`;
      await writeFile(`${flags.configOut}.new`, config);
      await rename(`${flags.configOut}.new`, flags.configOut);
    }
    output.document(devnet.config);
    const { walrus, seal, rpcUrl, faucetUrl, floe } = devnet.config;
    const nodes = devnet.nodes.length;
    output.say(
      [
        `devnet ready: ${nodes} storage nodes x ${devnet.vault.shards / nodes} shards, ` +
          `${seal.servers.length} key servers (threshold ${seal.threshold})`,
        `RPC        ${rpcUrl}`,
        `faucet     ${faucetUrl}`,
        `relay      ${walrus.relayUrl}`,
        `publisher  ${walrus.publisherUrl}`,
        `aggregator ${walrus.aggregatorUrl}`,
        ...(floe === undefined ? [] : [`package    ${floe.packageId}`]),
        `blobs up to ${devnet.maxBlobBytes} bytes; keys of this network guard nothing`,
      ].join('\n'),
    );
    if (!signal.aborted) await interrupted;
  } finally {
    await devnet.stop();
  }
};

/** The `devnet` command, for the main program to mount. */
export const devnetCommand = (): Command =>
  withCommonOptions(new Command('devnet'))
    .description('run Sui, Walrus and Seal on this machine, for the SDKs unmodified')
    .option('--config-out <file>', 'write the network configuration here once it is ready')
    .option('--seed <text>', 'keys and ids follow from it', '1')
    .option('--nodes <n>', 'storage nodes', wholeNumber('--nodes', 4, MAX_NODES), 13)
    .option(
      '--shards-per-node <n>',
      'more shards hold larger blobs',
      wholeNumber('--shards-per-node', 1, MAX_NODES),
      4,
    )
    .option(
      '--key-servers <n>',
      'Seal key servers',
      wholeNumber('--key-servers', 1, MAX_KEY_SERVERS),
      3,
    )
    .option(
      '--threshold <n>',
      'key servers that suffice',
      wholeNumber('--threshold', 1, MAX_KEY_SERVERS),
      2,
    )
    .option(
      '--port <first>',
      'ports in a row from here (default: any free ones)',
      wholeNumber('--port', 1, 65_535),
    )
    .option('--full-checks', 'hold every sliver against its metadata before confirming')
    .option('--snapshot <folder>', 'resume from this folder and save to it on exit')
    .option('--no-floe', "do not publish Floe's own package")
    .option(
      '--fault <json>',
      'switch a fault on, e.g. {"type":"nodeDown","node":3}; repeatable',
      collect(String),
      [],
    )
    .addHelpText(
      'after',
      `
Runs until Ctrl-C. devnet/README.md says what is real in it, and lists the faults.

Examples:
  floe devnet --config-out net.json
  floe devnet --port 9000 --snapshot ./devnet-state --json
  floe devnet --nodes 13 --fault '{"type":"nodeDown","node":3}'

Exit codes: 130 stopped by Ctrl-C, 2 a flag is wrong, 1 it could not start (a port is taken).`,
    )
    .action(async (flags: DevnetFlags, command: Command) => {
      const isDefault = (name: string): boolean => command.getOptionValueSource(name) === 'default';
      await runCommand(flags, async ({ output, signal }) =>
        run(flags, sizesOf(flags, isDefault), output, signal),
      );
    });

if (import.meta.main) await devnetCommand().parseAsync();
