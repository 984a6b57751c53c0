/**
 * @module `floe coordinator`: starts a run that others join, or continues with the one in its state
 * folder.
 */
import { Command } from 'commander';
import { collect, wholeNumber } from './flags.ts';
import { runCommand, withCommonOptions } from './run-command.ts';
import type { CoordinatorOptions } from './coordinator-options.ts';
import { withKey } from './network.ts';
import { withPassphrase } from './passphrase.ts';
import { oneRunFile } from './run-file.ts';
import { withSettings } from './run-flags.ts';
import { withStrategy } from './strategy-flags.ts';

interface Options extends CoordinatorOptions {
  /** Run file. */
  readonly run?: string;
}

/** The options of a run that has not begun and of the server around it. */
export const withRunOptions = (command: Command, of: 'coordinator' | 'fork'): Command =>
  withStrategy(withSettings(withCommonOptions(withPassphrase(withKey(command))), of))
    .option(
      '--state <folder>',
      'keystore, journal, blobs, network; a run found here is resumed',
      'floe-coordinator',
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option(
      '--port <n>',
      'port to listen on; 0 takes a free one',
      wholeNumber('--port', 0, 65_535),
      7700,
    )
    .option(
      '--regroup',
      'ask groups of members anew after two sums that cannot be right: all of them answer by the policy consent (on a network they always do)',
    )
    .option(
      '--allow-origin <origin>',
      'web pages of this origin may take part, * for all; may be repeated (default: none)',
      collect((text) => text),
    )
    .option('--tls-cert <file>', 'certificate chain (PEM)')
    .option('--tls-key <file>', 'private key (PEM)')
    .option('--keep-serving', 'after the last round, serve models and transcript until Ctrl-C')
    .option('--verbose', 'log every event to stderr');

export const coordinatorCommand = (): Command =>
  withRunOptions(new Command('coordinator'), 'coordinator')
    .argument('[run-file]', 'settings of the run, as --run')
    .option('--run <file>', 'JSON or YAML file with the settings of the run; flags win over it')
    .description('run a coordinator that others join, or resume the run in its state folder')
    .addHelpText(
      'after',
      `
Examples:
  FLOE_PASSPHRASE=... floe coordinator --rounds 20 --cohort 5
  floe coordinator --run run.yaml --host 0.0.0.0 --port 7700 --tls-cert cert.pem --tls-key key.pem
  floe coordinator --cohort 5 --auditor 3f...e1 --allow members.txt
  floe coordinator --network net.json --rounds 3 --cohort 3 --access pass --access compute
  floe coordinator --from model.safetensors --rounds 10

With --network the models and uploads are blobs on Walrus, their keys lie at Seal, and every round is
frozen on Sui. The coordinator pays with its own key, a Sui address: a new keystore takes the key of
--keystore-file or FLOE_SUI_KEY, or makes one and prints the address to send SUI and WAL to. On a devnet
the coordinator asks the faucet. It announces the network to participants, addresses without queries and
passwords; each participant still names its own configuration.

A run file has the keys of docs/settings.md: {"name": "...", "rounds": 20, "cohort": 5, "model": "mlp-2nn"}.
The same file works with floe sim --scenario; each command names the keys that it does not use.
Started again with the same --state after a crash, it resumes the run where it stood.
Exit codes: floe help exit-codes.`,
    )
    .action(async (runFile: string | undefined, options: Options) => {
      await runCommand(options, async (context) => {
        const { runCoordinator } = await import('./run-coordinator.ts');
        await runCoordinator(oneRunFile(runFile, options.run), options, context);
      });
    });
