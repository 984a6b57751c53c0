/**
 * @module `floe doctor`: what this machine can do, and what it cannot and why.
 */
import { Command } from 'commander';
import { systemClock } from '../protocol/ports/clock.ts';
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
        const { examine } = await import('./examine.ts');
        const named = namedNetwork(options);
        const file = named === undefined ? undefined : await readNetworkFile(options);
        const key = file && (await findKey(options));
        const found = await examine({ folder: options.dir, port: options.port, signal });
        const checks = [...found.checks];
        if (file !== undefined) {
          const { examineNetwork } = await import('./examine-network.ts');
          const address = key?.address;
          checks.push(...(await examineNetwork({ network: file.network, address, signal })));
        }
        const clock = await import('./examine-clock.ts');
        const { coordinator } = options;
        let chain: (() => Promise<number>) | undefined;
        if (file !== undefined) {
          const { suiClientOf } = await import('../protocol/net/walrus/client.ts');
          const { chainTime } = await import('../protocol/net/sui/time.ts');
          chain = () => chainTime(suiClientOf(file.network), signal);
        }
        checks.push(
          ...(await clock.examineClock({
            clock: systemClock,
            chain,
            // A participant knows the coordinator by its WebSocket address.
            coordinator: coordinator?.replace(/^ws/u, 'http'),
            signal,
          })),
        );
        const ok = checks.every((check) => check.ok || !check.needed);
        const report = { ...found, ok, checks };
        output.document(report);
        const { machine } = report;
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
