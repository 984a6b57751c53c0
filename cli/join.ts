/**
 * @module `floe join`: takes part in a run from this machine, with its own data.
 */
import { Command, Option } from 'commander';
import { ANSWER_POLICIES } from '../protocol/rules/one-set.ts';
import { withAdmission } from './admission.ts';
import { duration, hexKey, shardOf, wholeNumber } from './flags.ts';
import type { JoinFlags } from './join-flags.ts';
import { withNetwork } from './network.ts';
import { withPassphrase } from './passphrase.ts';
import { runCommand, withCommonOptions } from './run-command.ts';
import { SETTINGS } from '../protocol/spec/settings.ts';
import { withSettings } from './run-flags.ts';
import { withStrategyModules } from './strategy-flags.ts';

export const joinCommand = (): Command =>
  withAdmission(
    withStrategyModules(
      withSettings(withCommonOptions(withPassphrase(withNetwork(new Command('join')))), 'join'),
    ),
  )
    .argument('[url]', "the coordinator's address, such as ws://host:7700 or wss://host")
    .description('take part in a run with the data of this machine')
    .option(
      '--shard <i/n>',
      'use the i-th of n parts of the data, for trying out',
      shardOf('--shard'),
    )
    .option(
      '--keystore <folder>',
      'identity and memory of unfinished rounds, encrypted; made if missing',
    )
    .option('--expect-run <hash>', 'refuse any other run', hexKey('--expect-run'))
    .option('--coordinator <key>', 'refuse any other coordinator', hexKey('--coordinator'))
    .option(
      '--accept-network',
      'take the network that the coordinator announces, and with it its word for what is on chain',
    )
    .option(
      '--wait <seconds>',
      'try an address that has never answered for so long (default: 120); later outages are waited for',
      wholeNumber('--wait', 0, 30 * 24 * 3600),
    )
    .option(
      '--give-up <time>',
      'leave a run without progress for so long, such as 90s, 10m or 2h (default: waits while the run stands)',
      duration('--give-up'),
    )
    .option('--ca <file>', 'certificate (PEM) to trust besides those that this machine trusts')
    .option('--local', 'the run is on no network, whatever FLOE_NETWORK says')
    .addOption(
      new Option(
        '--answers <policy>',
        'which survivor sets to answer for on one model (default: ledger on a network, else strict)',
      ).choices(ANSWER_POLICIES),
    )
    .option('--consent <files...>', "with --answers consent: the members' signed consents")
    .option(
      '--seed <text>',
      'identity and training randomness from a seed: for reproducible tests ONLY',
    )
    .option('--show-key', 'print the public key of the keystore and do nothing else')
    .addHelpText(
      'after',
      `
Examples:
  floe join wss://host --data patients.csv --require-minimum 10
  floe join ws://host:7700 --data mnist --shard 3/10 --require-minimum 3 --require-known 0
  FLOE_PASSPHRASE=... floe join wss://host --keystore ./me --data patients.csv --expect-run 9c...07
  FLOE_PASSPHRASE=... floe join --keystore ./me --show-key
  floe join ws://host:7700 --network net.json --data mnist --shard 3/10

What a run must offer is this participant's to say: masks, sums of at least 5, members that its specification
lists, a first model that nobody chose, bounds on clip norm, batch and weight. A run that offers less is refused
by name (admission_refused) before anything but the login is sent. The --require flags, or --require FILE with
{"minimum": 3, "known": 0, "clipNorm": {"min": 0.1, "max": 8}}, change that, and the first lines say what was lowered.

On a network models are read from Walrus, their keys are asked of Seal with this identity, and cohorts and
survivor sets are compared with Sui. It takes no coins: the coordinator pays. --network is this
participant's own configuration, from a source it trusts; a coordinator on another one is refused
(network_mismatch), and so is a run on a network where none is given.

An update is spent once: on one model this participant answers again for the very same survivor set only
(--answers strict), also where a public ledger shows that every part of all sets has the minimum cohort
(ledger), or where each member has signed that a joint sum may become known (consent). Otherwise it
sits out until the model changes, and says so (update_already_spent).

Without --keystore the identity is new and forgotten at the end; a participant that is killed then cannot
finish its round. Exit codes: floe help exit-codes.`,
    )
    .action(async (url: string | undefined, given: Omit<JoinFlags, 'data'>) => {
      const options: JoinFlags = { data: SETTINGS.data.default, ...given };
      await runCommand(options, async (context) => {
        const { runJoin } = await import('./run-join.ts');
        await runJoin(url, options, context);
      });
    });
