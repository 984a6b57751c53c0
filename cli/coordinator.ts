/**
 * @module `floe coordinator`: starts a run that others join, or resumes the one in its state
 * folder. `floe fork` does the same with a model version of another run.
 */
import { FloeError } from '../protocol/errors.ts';
import { command } from './command.ts';
import { coordinatorFlags } from './coordinator-flags.ts';
import { objectId, text } from './flags.ts';

const RUN_FILE = 'JSON or YAML file with the settings of the run; flags win over it';

export const coordinatorCommand = () =>
  command({
    name: 'coordinator',
    about: 'run a coordinator that others join, or resume the run in its state folder',
    args: { '[run-file]': 'settings of the run, as --run' },
    flags: { ...coordinatorFlags('coordinator'), run: text('<file>', RUN_FILE) },
    notes: `With --network the models and uploads are blobs on Walrus, their keys are sealed by Seal, and every
round is frozen on Sui. The coordinator pays with its own key, a Sui address: a new keystore takes the
key of --keystore-file or FLOE_SUI_KEY, or makes one and prints the address to send SUI and WAL to. On a
devnet the faucet is used automatically. The coordinator announces the network to participants, addresses
without queries and passwords; each participant still names its own configuration.

A run file has the keys of docs/settings.md: {"name": "...", "rounds": 20, "cohort": 5, "model": "mlp-2nn"}.
--contract FILE is the data contract that every site maps its own data to (floe contract infer): the inputs, classes
and task of the model follow from it.
The same file works with floe sim --scenario; each command names the keys that it does not use.
Started again with the same --state after a crash, the run resumes where it left off.`,
    examples: [
      'floe coordinator --contract contract.json --model mlp:32 --cohort 5',
      'FLOE_PASSPHRASE=... floe coordinator --rounds 20 --cohort 5',
      'floe coordinator --run run.yaml --host 0.0.0.0 --port 7700 --tls-cert cert.pem --tls-key key.pem',
      'floe coordinator --cohort 5 --auditor 3f...e1 --allow members.txt',
      'floe coordinator --network net.json --rounds 3 --cohort 3 --access pass --access compute',
      'floe coordinator --from model.safetensors --rounds 10',
    ],
    run: async (context) => {
      const { runCoordinator } = await import('./run-coordinator.ts');
      const [argument] = context.args;
      const { run } = context.flags;
      if (argument !== undefined && run !== undefined)
        throw new FloeError('usage', `expected one run file, got ${argument} and --run ${run}`);
      await runCoordinator(argument ?? run, context);
    },
  });

export const forkCommand = () =>
  command({
    name: 'fork',
    about: 'start a new run from a model version on Sui',
    args: {
      '<object id>': {
        help: 'a model version on Sui, as floe models lists them',
        read: objectId,
      },
      '[run-file]': RUN_FILE,
    },
    flags: {
      ...coordinatorFlags('fork'),
      keystore: text('<folder>', 'open the version with the key of this Floe keystore'),
      keyFile: text('<path>', 'open the version with the seed in this file, in hex'),
    },
    notes: `The new run has the architecture of the version and begins with its weights; all other settings are new.
With the strategy of the version (--strategy), it begins with the state of the strategy too.
Its specification names the version and the hash of its model; participants and verifiers compare the
first round with them. On Sui the first version of the new run names the version it was forked from.

The version opens with --keystore or --key-file, otherwise with the Sui key of --keystore-file or
FLOE_SUI_KEY, which a new keystore in --state also takes as the coordinator's own. The other run must
admit the key: its coordinator's, an auditor's, a participant's, or one with a grant or a pass.
Everything else is as for floe coordinator, which also resumes a fork.`,
    examples: [
      'floe fork 0x77... --network net.json --keystore ./run/keystore --state ./run2 --rounds 10',
      'FLOE_SUI_KEY=suiprivkey1... floe fork 0x77... --network net.json --state ./run2 --learning-rate 0.05',
    ],
    run: async (context) => {
      const { openRun } = await import('../client/reader/index.ts');
      const { gatherSettings } = await import('./run-flags.ts');
      const { runCoordinator } = await import('./run-coordinator.ts');
      const { openRunOptions } = await import('./source.ts');
      const [object = '', runFile] = context.args;
      const { keystoreFile, ...others } = context.flags;
      // Where another key opens the version, --keystore-file is the new coordinator's alone.
      const isOpened = others.keyFile !== undefined || others.keystore !== undefined;
      // The version is read on the network of the new run, also where a run file names it.
      const { network } = (await gatherSettings(runFile, context.flags, 'fork')).settings;
      const reading = {
        ...context,
        flags: {
          ...others,
          keystoreFile: isOpened ? undefined : keystoreFile,
          network: network ?? others.network,
        },
      };
      const open = async () => {
        await using run = await openRun(object, await openRunOptions(object, reading));
        return await run.fork({ signal: context.signal });
      };
      await runCoordinator(runFile, context, { object, open });
    },
  });
