/**
 * @module `floe coordinator`: starts a run that others join, or goes on with the one in its state folder.
 */
import { withStrategy } from './strategy-flags.ts';
import { MODEL_AUDIENCES, SPEC_DEFAULTS } from '../protocol/spec/run-spec.ts';
import { Command } from 'commander';
import { toHex } from '../protocol/bytes.ts';
import { collect, hexKey, oneOf, wholeNumber } from './flags.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import type { PlaceFlags } from './coordinator-ports.ts';
import { withKey, withNetwork } from './network.ts';
import { withPassphrase, type PassphraseFlags } from './passphrase.ts';
import type { CoordinatorFlags } from './run-file.ts';
import {
  withDeadlines,
  withEncoding,
  withModel,
  withSizes,
  withStorageEpochs,
  withTraining,
} from './run-flags.ts';

export interface CoordinatorOptions
  extends CoordinatorFlags, PlaceFlags, PassphraseFlags, CommonOptions {
  readonly state: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly allowOrigin?: readonly string[];
  readonly keepServing?: boolean;
  readonly regroup?: boolean;
  readonly verbose?: boolean;
}

const runShape = (command: Command): Command =>
  withDeadlines(
    withEncoding(
      withTraining(
        withSizes(withStrategy(command), SPEC_DEFAULTS.rounds),
        SPEC_DEFAULTS.training.epochs,
      ),
    ),
    SPEC_DEFAULTS.deadlines,
  );

/** The options of a run that is not begun yet, but for its model; and of the server around it. */
export const withRunOptions = (command: Command): Command =>
  withStorageEpochs(withCommonOptions(withPassphrase(withKey(withNetwork(runShape(command))))))
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
    .option('--local', 'keep the run in the state folder, whatever FLOE_NETWORK says')
    .option('--name <text>', 'name of the run')
    .option(
      '--minimum <n>',
      'fewest survivors of a round (default 5)',
      wholeNumber('--minimum', 3, 255),
    )
    .option(
      '--start-with <n>',
      'the first round waits for this many (default: the cohort)',
      wholeNumber('--start-with', 3, 100_000),
    )
    .option('--no-mask', 'run WITHOUT masks: this process can read every update')
    .option(
      '--regroup',
      'ask groups of members anew after two sums that cannot be right: all of them answer by the policy consent (on a network they always do)',
    )
    .option(
      '--auditor <key>',
      'key that may open every model; may be repeated',
      collect((text) => toHex(hexKey('--auditor')(text))),
    )
    .option(
      '--access <audience>',
      `seal the models for ${MODEL_AUDIENCES.join(', ')} too; may be repeated; needs a network`,
      collect(oneOf('--access', MODEL_AUDIENCES)),
    )
    .option(
      '--allow <file>',
      'the members of the run, part of its specification: one key in hex a line, # for comments (default: anybody)',
    )
    .option(
      '--selection <how>',
      'draw: cohorts anew for each round; batches: of --allow, each whole or not at all (default draw)',
      oneOf('--selection', ['draw', 'batches']),
    )
    .option(
      '--allow-origin <origin>',
      'web pages of this origin may take part, * for all; may be repeated (default: none)',
      collect((text) => text),
    )
    .option('--tls-cert <file>', 'certificate chain (PEM)')
    .option('--tls-key <file>', 'private key (PEM)')
    .option('--keep-serving', 'after the last round, serve models and transcript until Ctrl-C')
    .option('--seed <text>', 'id of the run from a seed: for reproducible tests only')
    .option('--verbose', 'log every event to stderr');

export const coordinatorCommand = (): Command =>
  withModel(withRunOptions(new Command('coordinator')))
    .argument('[run-file]', 'JSON file with the settings of the run; flags win over it')
    .description('run a coordinator that others join, or resume the run in its state folder')
    .option(
      '--from <file>',
      'begin with the weights of this safetensors file, such as floe pull writes (default: drawn from a public seed)',
    )
    .addHelpText(
      'after',
      `
Examples:
  FLOE_PASSPHRASE=... floe coordinator --rounds 20 --cohort 5
  floe coordinator run.json --host 0.0.0.0 --port 7700 --tls-cert cert.pem --tls-key key.pem
  floe coordinator --cohort 5 --auditor 3f...e1 --allow members.txt
  floe coordinator --network net.json --rounds 3 --cohort 3 --access pass --access compute
  floe coordinator --from model.safetensors --rounds 10

With --network the models and uploads are blobs on Walrus, their keys lie at Seal, and every round is
frozen on Sui. The coordinator pays with its own key, a Sui address: a new keystore takes the key of
--keystore-file or FLOE_SUI_KEY, or makes one and prints the address to send SUI and WAL to. On a devnet
the coordinator asks the faucet. It announces the network to participants, addresses without queries and
passwords; each participant still names its own configuration.

A run file holds the same names: {"name": "...", "rounds": 20, "cohort": 5, "model": "mlp-2nn"}.
Started again with the same --state after a crash, it resumes the run where it stood.
Exit codes: floe help exit-codes.`,
    )
    .action(async (runFile: string | undefined, options: CoordinatorOptions) => {
      await runCommand(options, async (context) => {
        const { runCoordinator } = await import('./run-coordinator.ts');
        await runCoordinator(runFile, options, context);
      });
    });
