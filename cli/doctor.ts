/**
 * @module `floe doctor`: what this machine can do, and what it cannot and why.
 */
import { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { wholeNumber } from './flags.ts';
import {
  findKey,
  namedNetwork,
  readNetworkFile,
  withKey,
  withNetwork,
  type NetworkFlags,
} from './network.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface Options extends NetworkFlags, CommonOptions {
  readonly dir: string;
  readonly port: number;
  readonly coordinator?: string;
}

export const doctorCommand = (): Command =>
  withCommonOptions(withKey(withNetwork(new Command('doctor'))))
    .description(
      'what this machine can do, and with --network whether Sui, Walrus and Seal can be reached',
    )
    .option('--dir <folder>', 'folder whose disk is tried', '.')
    .option('--port <n>', 'port that is tried; 0 for any', wholeNumber('--port', 0, 65_535), 0)
    .option('--coordinator <url>', 'coordinator to compare the clock with')
    .addHelpText(
      'after',
      `
Examples:
  floe doctor
  floe doctor --port 7700 --json
  floe doctor --coordinator http://localhost:7700
  floe doctor --network net.json --keystore-file ~/.sui/sui_config/sui.keystore

Exit codes: 0 all that Floe needs works, 1 something it needs does not (see the lines marked "no").
A backend that is not here is no failure while another one is; nor are storage nodes and key servers
that are down, while enough of them answer. With a key, its balances are looked at too.`,
    )
    .action(async (options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { examine } = await import('../client/doctor/index.ts');
        const named = namedNetwork(options) !== undefined;
        const network = named ? (await readNetworkFile(options)).network : undefined;
        const report = await examine({
          folder: options.dir,
          port: options.port,
          network,
          address: named ? (await findKey(options))?.address : undefined,
          coordinator: options.coordinator,
          signal,
        });
        output.document(report);
        const { machine, checks, ok } = report;
        output.line(
          `node ${machine.node} on ${machine.platform} ${machine.arch}; ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB memory, ${machine.freeGiB} GiB free`,
        );
        for (const { name, needed, ok: works, detail } of checks) {
          const verdict = works
            ? output.style('green', 'yes')
            : needed
              ? output.style('red', 'no ')
              : output.style('dim', 'no ');
          output.line(`${verdict}  ${name.padEnd(20)} ${detail}`);
        }
        output.say(ok ? 'everything Floe needs is here' : 'something Floe needs is missing');
        return ok ? EXIT.ok : EXIT.failed;
      });
    });
