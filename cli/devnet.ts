/**
 * @module `floe devnet`: the command of `floe-devnet`, with Floe's Move package published and the
 * configuration as Floe's network file.
 */
import { runDevnet, withDevnetOptions } from 'floe-devnet/command';
import { command } from './command.ts';

export const devnetCommand = () =>
  command({
    name: 'devnet',
    about: 'run Sui, Walrus and Seal on this machine, for the unmodified SDKs',
    extend: (made) => withDevnetOptions(made).option('--no-floe', "do not publish Floe's package"),
    notes: `With --config-out the devnet is kept: started again with the same file, it has the same state and answers
at the same ports, so the file stays valid. --fresh begins another network.
Runs until Ctrl-C. devnet/README.md describes which parts are real, and lists the faults.
Without Floe's package the same network is npx floe-devnet.`,
    examples: [
      'floe devnet --config-out net.json',
      'floe devnet --config-out net.json --fresh',
      'floe devnet --port 9000 --snapshot ./devnet-state --json',
      `floe devnet --nodes 13 --fault '{"type":"nodeDown","node":3}'`,
    ],
    exit: 'Exit codes: 130 stopped by Ctrl-C, 2 a flag is wrong, 1 it could not start (a port is taken).',
    run: async ({ command: self, output, signal }) => {
      const { floeErrorOf, floePackages, networkFileOf } = await import('../move/floe-devnet.ts');
      try {
        await runDevnet(self, {
          signal,
          say: (text) => output.say(text),
          document: (config) => output.document(config),
          packages: self.opts<{ readonly floe: boolean }>().floe ? floePackages() : {},
          describe: networkFileOf,
        });
      } catch (thrown) {
        throw floeErrorOf(thrown);
      }
    },
  });
