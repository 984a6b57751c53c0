/**
 * @module `floe sim`: many participants and a coordinator on this machine, running the production
 * code.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RunSettings } from '../protocol/spec/settings.ts';
import type { ScenarioInput } from '../sim/scenario.ts';
import { attackLines } from '../sim/attackers/kinds.ts';
import { command } from './command.ts';
import { standard, text } from './flags.ts';
import { readNetwork } from './keys.ts';
import { settingFlags, strategyFlags } from '../protocol/spec/setting-flags.ts';
import { gatherSettings } from './run-flags.ts';

/** The configuration in place of its file; FLOE_NETWORK does not count for a simulation. */
const scenarioInput = async ({ network, ...settings }: RunSettings): Promise<ScenarioInput> => {
  if (network === undefined) return settings;
  const { packageOf } = await import('../protocol/net/network-file.ts');
  const file = await readNetwork({ network });
  packageOf(file.network, file.path);
  return { ...settings, substrate: { type: 'network', network: file.network } };
};

export const simCommand = () =>
  command({
    name: 'sim',
    about: 'simulate a federated run: a coordinator and many participants, the production code',
    flags: {
      ...settingFlags('sim'),
      ...strategyFlags(),
      scenario: text('<file>', 'JSON or YAML file with settings; flags win over it'),
      map: text('<file>', "mapping file: the data's columns and values, by those of --contract"),
      module: text(
        '<file>',
        'module with own data, model, trainer, strategies, attack or settings, see examples/simulation',
      ),
      out: standard(text('<folder>', 'where runs are kept'), 'runs'),
    },
    notes: `On a network without a faucet the simulated coordinator, whose key follows from --seed, needs coins: the
missing amount and its address are printed before anything is paid. Anyone who knows the seed has the
key. No phase of a simulation ends by a deadline unless one is given, or the scenario has virtual time
(--speed, --bandwidth, --participation, --over-select, an attack on the protocol): docs/simulated-world.md.
Attacks, as --attack KIND:FRACTION or KIND:FRACTION,NAME=VALUE:
${attackLines().join('\n')}
Phases for --drop: register, share, upload, consistent, unmask (a participant is lost right after it).
The run's folder holds summary.json, report.html, the transcript, the blobs and model.safetensors, the
only clear copy of the model.`,
    examples: [
      'floe sim                                            MNIST, 100 participants, 10 a round, masked',
      'floe sim --network net.json --seed 7                on a running floe devnet, or on testnet',
      'floe sim --local --rounds 60 --epochs 1             without Walrus, Seal and Sui, faster',
      'floe sim --partition shards:2 --rounds 100          each participant holds about two digits',
      'floe sim --drop share:0.1,upload:0.2 --seed 7       three of ten are lost in every round',
      'floe sim --partition label-dirichlet:0.5 --attack alie:0.2    colluders among skewed participants',
      'floe sim --speed log-normal:median=500 --bandwidth same:10    in virtual time, deadlines of a real run',
      'floe sim --local --module examples/simulation/research.ts     an experiment in one module',
      'floe sim --strategy fedavg --server-learning-rate 0.5',
      'floe sim --data table.csv --model mlp:32 --participants 8 --cohort 5',
      'floe sim --data rows.csv --contract contract.json --map map.json --local',
      'floe sim --scenario run.yaml --rounds 5             the file of floe coordinator --run, flags first',
    ],
    run: async ({ flags, output, signal }) => {
      const { scenario: file, module, map, out: outDir } = flags;
      const url = module === undefined ? undefined : pathToFileURL(resolve(module)).href;
      const { overModule, settingsOfModule } = await import('../sim/module-settings.ts');
      // Its strategies are known before flags and files are read.
      await settingsOfModule(url);
      const { settings: given, nameOf } = await gatherSettings(file, flags, 'sim', (line) =>
        output.warn(line),
      );
      const settings = await overModule(given, url);
      const { makeScenario } = await import('../sim/scenario.ts');
      const scenario = makeScenario(await scenarioInput(settings), nameOf);
      const { readMapping } = await import('../client/data/contract/mapping-file.ts');
      const mapping = map === undefined ? undefined : await readMapping('--map', map);
      const { runScenario } = await import('../sim/run.ts');
      const { showRun } = await import('./sim-output.ts');
      const show = showRun(output, scenario);
      try {
        const { summary, folder } = await runScenario(scenario, {
          outDir,
          ...(mapping === undefined ? {} : { map: mapping }),
          module: url,
          signal,
          onEvent: (event) => show.event(event),
        });
        show.end(summary, folder);
        output.document({ ...summary, folder });
      } finally {
        show.close();
      }
    },
  });
