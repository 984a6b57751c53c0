/**
 * @module `floe doctor`: what this machine can do, and what it cannot and why.
 */
import { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { wholeNumber } from './flags.ts';
import { runCommand, withCommonOptions } from './run-command.ts';

interface Options {
  readonly dir: string;
  readonly port: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export const doctorCommand = (): Command =>
  withCommonOptions(new Command('doctor'))
    .description('what this machine can do: backends, cryptography, disk, network')
    .option('--dir <folder>', 'folder whose disk is tried', '.')
    .option('--port <n>', 'port that is tried; 0 for any', wholeNumber('--port', 0, 65_535), 0)
    .addHelpText(
      'after',
      `
Examples:
  floe doctor
  floe doctor --port 7700 --json

Exit codes: 0 all that Floe needs works, 1 something it needs does not (see the lines marked "no").
A backend that is not here is no failure while another one is.`,
    )
    .action(async (options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { examine } = await import('./examine.ts');
        const report = await examine({ folder: options.dir, port: options.port, signal });
        output.document(report);
        const { machine } = report;
        output.line(
          `node ${machine.node} on ${machine.platform} ${machine.arch}; ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB memory, ${machine.freeGiB} GiB free`,
        );
        for (const { name, needed, ok, detail } of report.checks) {
          const verdict = ok
            ? output.style('green', 'yes')
            : needed
              ? output.style('red', 'no ')
              : output.style('dim', 'no ');
          output.line(`${verdict}  ${name.padEnd(20)} ${detail}`);
        }
        output.say(report.ok ? 'everything Floe needs is here' : 'something Floe needs is missing');
        return report.ok ? EXIT.ok : EXIT.failed;
      });
    });
