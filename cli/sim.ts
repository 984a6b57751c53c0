/**
 * @module `floe sim`: many participants and a coordinator on this machine, running the production
 * code.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import type { RunSettings } from '../protocol/spec/settings.ts';
import type { ScenarioInput } from '../sim/scenario.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { withSettings, type SettingFlags } from './run-flags.ts';
import { showRun } from './sim-output.ts';
import { withStrategy } from './strategy-flags.ts';

interface Options extends CommonOptions, SettingFlags {
  readonly scenario?: string;
  readonly module?: string;
  readonly out: string;
}

/**
 * The settings with the configuration in place of the file of `network`; FLOE_NETWORK does not
 * count for a simulation.
 */
const scenarioInput = async ({ network, ...settings }: RunSettings): Promise<ScenarioInput> => {
  if (network === undefined) return settings;
  const { packageOf } = await import('../protocol/net/network-file.ts');
  const { readNetworkFile } = await import('./network.ts');
  const file = await readNetworkFile({ network });
  packageOf(file.network, file.path);
  return { ...settings, substrate: { type: 'network', network: file.network } };
};

export const simCommand = (): Command =>
  withStrategy(withSettings(withCommonOptions(new Command('sim')), 'sim'))
    .description(
      'simulate a federated run: a coordinator and many participants, the production code',
    )
    .option('--scenario <file>', 'JSON or YAML file with settings; flags win over it')
    .option('--module <file>', 'a module with own data, model or trainer, see examples/simulation')
    .option('--out <folder>', 'where runs are kept', 'runs')
    .addHelpText(
      'after',
      `
Examples:
  floe sim                                            MNIST, 100 participants, 10 a round, masked
  floe sim --network net.json --seed 7                on a running floe devnet, or on testnet
  floe sim --local --rounds 60 --epochs 1             without Walrus, Seal and Sui, which is quicker
  floe sim --partition shards:2 --rounds 100          each participant holds about two digits
  floe sim --drop share:0.1,upload:0.2 --seed 7       three of ten are lost in every round
  floe sim --strategy fedavg --server-learning-rate 0.5
  floe sim --data table.csv --model mlp:32 --participants 8 --cohort 5
  floe sim --scenario run.yaml --rounds 5             the file of floe coordinator --run, flags first

On a network without a faucet the simulated coordinator, whose key follows from --seed, needs coins: what
is missing, and the address to send it to, are said before anything is paid. Whoever knows the seed has
the key. No phase of a simulation ends by a deadline unless one is given.
Phases for --drop: register, share, upload, consistent, unmask (a participant is lost right after it).
The run's folder holds summary.json, report.html, the transcript, the blobs and model.safetensors, the
one clear copy of the model. Exit codes: floe help exit-codes.`,
    )
    .action(async (options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { gatherSettings } = await import('./run-file.ts');
        const { settings, nameOf } = await gatherSettings(options.scenario, options, {
          command: 'sim',
          say: (line) => output.warn(line),
        });
        const { makeScenario } = await import('../sim/scenario.ts');
        const scenario = makeScenario(await scenarioInput(settings), nameOf);
        const { runScenario } = await import('../sim/run.ts');
        const show = showRun(output, scenario);
        try {
          const { summary, folder } = await runScenario(scenario, {
            outDir: options.out,
            ...(options.module === undefined
              ? {}
              : { module: pathToFileURL(resolve(options.module)).href }),
            signal,
            onEvent: (event) => show.event(event),
          });
          show.end(summary, folder);
          output.document({ ...summary, folder });
        } finally {
          show.close();
        }
      });
    });
