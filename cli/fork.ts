/**
 * @module `floe fork`: a new run that begins with a model version of another one.
 */
import { Command } from 'commander';
import { withRunOptions } from './coordinator.ts';
import type { CoordinatorOptions } from './coordinator-options.ts';
import { address } from './network.ts';
import { runCommand } from './run-command.ts';

interface Options extends CoordinatorOptions {
  readonly keyFile?: string;
  readonly keystore?: string;
}

export const forkCommand = (): Command =>
  withRunOptions(new Command('fork'), 'fork')
    .argument(
      '<object id>',
      'a model version on Sui, as floe models lists them',
      address('object id'),
    )
    .argument('[run-file]', 'JSON or YAML file with the settings of the new run; flags win over it')
    .description('start a new run from a model version on Sui')
    .option('--keystore <folder>', 'open the version with the key of this Floe keystore')
    .option('--key-file <path>', 'open the version with the seed in this file, in hex')
    .addHelpText(
      'after',
      `
The new run has the architecture of the version and begins with its weights; all other settings are new.
Where it has the strategy of the version (--strategy), it begins with the strategy's state too.
Its specification names the version and the hash of its model, participants and verifiers hold the first
round against that, and on Sui the first version of the new run names the one it was forked from.

The version opens with --keystore or --key-file, or else with the Sui key of --keystore-file or
FLOE_SUI_KEY, which a new keystore in --state also takes as the coordinator's own. It must be a key that
the other run admits: its coordinator's, an auditor's, a participant's, or one that was granted it.

Examples:
  floe fork 0x77... --network net.json --keystore ./run/keystore --state ./run2 --rounds 10
  FLOE_SUI_KEY=suiprivkey1... floe fork 0x77... --network net.json --state ./run2 --learning-rate 0.05

Everything else is as for floe coordinator, which also resumes a fork. Exit codes: floe help exit-codes.`,
    )
    .action(async (objectId: string, runFile: string | undefined, options: Options) => {
      await runCommand(options, async (context) => {
        const { openRun } = await import('../client/reader/index.ts');
        const { gatherSettings } = await import('./run-file.ts');
        const { runCoordinator } = await import('./run-coordinator.ts');
        const { openRunOptions } = await import('./reader.ts');
        const { keystoreFile: _, ...others } = options;
        // Where another key opens the version, --keystore-file is the new coordinator's alone.
        const isOpened = options.keyFile !== undefined || options.keystore !== undefined;
        // The version is read where the new run takes place, also where a run file names the
        // network.
        const { network } = (await gatherSettings(runFile, options, { command: 'fork' })).settings;
        const flags = {
          ...(isOpened ? others : options),
          ...(network === undefined ? {} : { network }),
        };
        const open = async () => {
          await using run = await openRun(objectId, await openRunOptions(objectId, flags, context));
          return await run.fork({ signal: context.signal });
        };
        await runCoordinator(runFile, options, context, { object: objectId, open });
      });
    });
