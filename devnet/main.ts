#!/usr/bin/env node
/**
 * @module `floe-devnet`: Sui, Walrus and Seal on this machine until Ctrl-C.
 */
import { Command, CommanderError } from 'commander';
import { runDevnet, withDevnetOptions } from './command.ts';
import { DevnetError, type DevnetErrorCode } from './errors.ts';
import manifest from './package.json' with { type: 'json' };

const EXIT = { failed: 1, usage: 2 } as const;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

const USAGE: ReadonlySet<DevnetErrorCode> = new Set([
  'option_invalid',
  'fault_invalid',
  'snapshot_invalid',
  'module_malformed',
  'package_missing',
]);

const command = withDevnetOptions(new Command('floe-devnet'))
  .description('Run Sui, Walrus and Seal on this machine, for the unmodified SDKs.')
  .version(manifest.version, '--version', 'print the version')
  .helpOption('--help', 'print this help')
  .option('--json', 'print the network configuration on stdout as JSON, and nothing else')
  .allowExcessArguments(false)
  .exitOverride()
  .addHelpText(
    'after',
    `
Runs until Ctrl-C. The README of floe-devnet says what is real in it, and lists the faults.

Examples:
  floe-devnet --config-out net.json
  floe-devnet --port 9000 --snapshot ./devnet-state --json
  floe-devnet --package mine=compiled.json
  floe-devnet --nodes 13 --fault '{"type":"nodeDown","node":3}'

Exit codes: 130 stopped by Ctrl-C, 143 by SIGTERM, 2 a flag or a file of a flag is wrong,
1 it could not start (a port is taken).`,
  );

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const abort = new AbortController();
let stopped: number | undefined;
for (const [name, code] of Object.entries(SIGNALS))
  process.on(name, () => {
    if (stopped !== undefined) process.exit(code);
    stopped = code;
    abort.abort();
  });

const exitCodeOf = (thrown: unknown): number => {
  // Commander has printed its message; asking for help is no error.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT.usage;
  if (thrown instanceof DevnetError) {
    process.stderr.write(`error ${thrown.code}: ${thrown.message}\nwhat to do: ${thrown.remedy}\n`);
    return USAGE.has(thrown.code) ? EXIT.usage : EXIT.failed;
  }
  process.stderr.write(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  return EXIT.failed;
};

try {
  command.parse();
  const isJson = command.opts<{ readonly json?: boolean }>().json === true;
  await runDevnet(command, {
    signal: abort.signal,
    say: isJson ? () => undefined : print,
    document: isJson ? (config) => print(JSON.stringify(config, undefined, 2)) : () => undefined,
  });
  process.exitCode = stopped ?? 0;
} catch (thrown) {
  process.exitCode = stopped ?? exitCodeOf(thrown);
}
