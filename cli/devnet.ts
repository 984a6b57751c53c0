/**
 * @module `floe devnet`: starts a network of Sui, Walrus and Seal on this machine and keeps it until interrupted. Runs by itself
 * too: `node cli/devnet.ts`.
 */
import { rename, writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import {
  parseFault,
  startDevnet,
  type DevnetOptions,
  type FaultCommand,
} from '../sim/devnet/index.ts';
import { compiledFloe } from '../sim/devnet/move/index.ts';

interface DevnetFlags {
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
  readonly fault: readonly FaultCommand[];
  readonly json?: boolean;
}

const integer = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('expected a whole number');
  return value;
};

const fault = (text: string, before: readonly FaultCommand[]): readonly FaultCommand[] => {
  try {
    return [...before, parseFault(text)];
  } catch (error) {
    throw new InvalidArgumentError(toFloeError(error).message);
  }
};

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

/** Resolves at the first SIGINT or SIGTERM. */
const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });

const run = async (flags: DevnetFlags): Promise<void> => {
  const devnet = await startDevnet({
    seed: flags.seed,
    nodes: flags.nodes,
    shardsPerNode: flags.shardsPerNode,
    sealServers: flags.keyServers,
    sealThreshold: flags.threshold,
    sliverChecks: flags.fullChecks ? 'full' : 'structure',
    ...(flags.port === undefined ? {} : { ports: portsFrom(flags.port, flags.keyServers) }),
    ...(flags.snapshot === undefined ? {} : { snapshot: flags.snapshot }),
    ...(flags.floe ? { floePackage: compiledFloe() } : {}),
  });
  const end = interrupted();
  try {
    for (const command of flags.fault) devnet.faults.run(command);
    const config = `${JSON.stringify(devnet.config, undefined, 2)}\n`;
    if (flags.configOut !== undefined) {
      // Whoever waits for the file must never read half of it.
      await writeFile(`${flags.configOut}.new`, config);
      await rename(`${flags.configOut}.new`, flags.configOut);
    }
    if (flags.json) process.stdout.write(config);
    else
      console.log(
        [
          `devnet ready: ${flags.nodes} storage nodes x ${flags.shardsPerNode} shards, ` +
            `${flags.keyServers} key servers (threshold ${flags.threshold})`,
          `  RPC        ${devnet.config.rpcUrl}`,
          `  faucet     ${devnet.config.faucetUrl}`,
          `  relay      ${devnet.config.walrus.relayUrl}`,
          `  publisher  ${devnet.config.walrus.publisherUrl}`,
          `  aggregator ${devnet.config.walrus.aggregatorUrl}`,
          `  blobs up to ${devnet.maxBlobBytes} bytes; keys of this network guard nothing`,
        ].join('\n'),
      );
    await end;
  } finally {
    await devnet.stop();
  }
};

/** The `devnet` command, for the main program to mount. */
export const devnetCommand = (): Command =>
  new Command('devnet')
    .description('run Sui, Walrus and Seal on this machine, for the SDKs unmodified')
    .option('--config-out <file>', 'write the network configuration here once it is ready')
    .option('--seed <text>', 'keys and ids follow from it', '1')
    .option('--nodes <count>', 'storage nodes', integer, 13)
    .option('--shards-per-node <count>', 'more shards hold larger blobs', integer, 4)
    .option('--key-servers <count>', 'Seal key servers', integer, 3)
    .option('--threshold <count>', 'key servers that suffice', integer, 2)
    .option('--port <first>', 'ports in a row from here (default: any free ones)', integer)
    .option('--full-checks', 'hold every sliver against its metadata before confirming')
    .option('--snapshot <file>', 'resume from this file and save to it on exit')
    .option('--no-floe', "do not publish Floe's own package")
    .option(
      '--fault <json>',
      'switch a fault on, e.g. {"type":"nodeDown","node":3}; repeatable',
      fault,
      [],
    )
    .option('--json', 'print the configuration as JSON')
    .action(async (flags: DevnetFlags) => {
      await run(flags);
    });

if (import.meta.main) {
  try {
    await devnetCommand().parseAsync();
  } catch (error) {
    const { code, message } = error instanceof FloeError ? error : toFloeError(error);
    console.error(`${code}: ${message}`);
    process.exitCode = 1;
  }
}
