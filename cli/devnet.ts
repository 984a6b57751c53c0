/**
 * @module `floe devnet`: the command of `floe-devnet`, with Floe's Move package published and the
 * configuration as Floe's network file.
 */
import { Command } from 'commander';
import { runDevnet, withDevnetOptions } from 'floe-devnet/command';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface DevnetFlags extends CommonOptions {
  readonly floe: boolean;
}

/** The `devnet` command, for the main program to mount. */
export const devnetCommand = (): Command =>
  withDevnetOptions(withCommonOptions(new Command('devnet')))
    .description('run Sui, Walrus and Seal on this machine, for the SDKs unmodified')
    .option('--no-floe', "do not publish Floe's own package")
    .addHelpText(
      'after',
      `
Runs until Ctrl-C. devnet/README.md says what is real in it, and lists the faults.
Without Floe the same is to be had as npx floe-devnet.

Examples:
  floe devnet --config-out net.json
  floe devnet --port 9000 --snapshot ./devnet-state --json
  floe devnet --nodes 13 --fault '{"type":"nodeDown","node":3}'

Exit codes: 130 stopped by Ctrl-C, 2 a flag is wrong, 1 it could not start (a port is taken).`,
    )
    .action(async (flags: DevnetFlags, command: Command) => {
      await runCommand(flags, async ({ output, signal }) => {
        const { floeErrorOf, floePackages, networkFileOf } = await import('../move/floe-devnet.ts');
        try {
          await runDevnet(command, {
            signal,
            say: (text) => output.say(text),
            document: (config) => output.document(config),
            packages: flags.floe ? floePackages() : {},
            describe: networkFileOf,
          });
        } catch (thrown) {
          throw floeErrorOf(thrown);
        }
      });
    });
