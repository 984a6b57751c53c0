/**
 * @module `floe sim`: many participants and a coordinator on this machine, running the production
 * code.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RunSettings } from '../protocol/spec/settings.ts';
import { toFloeError } from '../protocol/errors.ts';
import { EXPORT_FORMATS } from '../sim/outputs/formats.ts';
import type { PartialRun } from '../sim/resume/open-partial.ts';
import type { ScenarioInput } from '../sim/scenario.ts';
import { attackLines } from '../sim/attackers/kinds.ts';
import { command, type Context } from './command.ts';
import { parsed, standard, text, value, type FlagValues } from './flags.ts';
import { readNetwork } from './keys.ts';
import {
  settingFlags,
  settingsAmong,
  strategyAmong,
  strategyFlags,
} from '../protocol/spec/setting-flags.ts';
import { commandName } from './output.ts';
import { usage } from '../protocol/spec/flag.ts';
import { gatherSettings } from './run-flags.ts';

/** The configuration in place of its file; FLOE_NETWORK does not count for a simulation. */
export const scenarioInput = async ({
  network,
  ...settings
}: RunSettings): Promise<ScenarioInput> => {
  if (network === undefined) return settings;
  const { packageOf } = await import('../protocol/net/network-file.ts');
  const file = await readNetwork({ network });
  packageOf(file.network, file.path);
  return { ...settings, substrate: { type: 'network', network: file.network } };
};

/** `csv,mlflow`. */
export const exportFormats = parsed(`some of ${EXPORT_FORMATS.join(', ')}`, (given) => {
  const forms = given.split(',').map((form) => EXPORT_FORMATS.find((known) => known === form));
  return forms.every((form) => form !== undefined) ? forms : undefined;
});

const OWN_FLAGS = {
  scenario: text('<file>', 'JSON or YAML file with settings; flags win over it'),
  map: text('<file>', "mapping file: the data's columns and values, by those of --contract"),
  module: text(
    '<file>',
    'module with own data, model, trainer, strategies, attack or settings, see examples/simulation',
  ),
  export: value(
    '<forms>',
    `write results for other tools: ${EXPORT_FORMATS.join(', ')}; separated by commas`,
    exportFormats,
  ),
  resume: text('<run>', 'continue an interrupted run with its own settings: its folder'),
  out: standard(text('<folder>', 'where runs are kept'), 'runs'),
};

type SimFlags = ReturnType<typeof settingFlags> & ReturnType<typeof strategyFlags>;
type SimContext = Context<FlagValues<SimFlags & typeof OWN_FLAGS>>;

/** An interrupted run has its settings. @throws FloeError `usage` where others are given */
const partialRun = async (path: string, { flags }: SimContext): Promise<PartialRun> => {
  const given = settingsAmong(flags, 'sim');
  const { scenario, module } = flags;
  const others = Object.keys({ ...given, ...strategyAmong(flags)?.parameters });
  if (flags.export !== undefined) others.push('export');
  if (
    others.length > 0 ||
    scenario !== undefined ||
    module !== undefined ||
    flags.map !== undefined
  )
    throw usage('--resume', 'no other setting, because the run has its own', others.join(', '));
  const { openPartial } = await import('../sim/resume/open-partial.ts');
  return openPartial(path);
};

/** The scenario of a file and flags. */
const givenRun = async ({ flags, output }: SimContext) => {
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
  const options = {
    outDir,
    exports: flags.export ?? [],
    ...(url === undefined ? {} : { module: url }),
    ...(map === undefined ? {} : { map: await readMapping('--map', map) }),
  };
  return { scenario, options };
};

export const simCommand = () =>
  command({
    name: 'sim',
    about: 'simulate a federated run: a coordinator and many participants, the production code',
    flags: { ...settingFlags('sim'), ...strategyFlags(), ...OWN_FLAGS },
    notes: `On a network without a faucet the simulated coordinator, whose key follows from --seed, needs coins: the
missing amount and its address are printed before anything is paid. Anyone who knows the seed has the
key. No phase of a simulation ends by a deadline unless one is given, or the scenario has virtual time
(--speed, --bandwidth, --participation, --over-select, an attack on the protocol): docs/simulated-world.md.
Attacks, as --attack KIND:FRACTION or KIND:FRACTION,NAME=VALUE:
${attackLines().join('\n')}
Phases for --drop: register, share, upload, consistent, unmask (a participant is lost right after it).
An interrupted run resumes after its last committed round and ends with the same model: with --local, on
its own devnet, and in virtual time, but not with --network or --buffer.
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
      'floe sim --export csv,tensorboard                   metrics/*.csv and tensorboard/ in the folder',
      'floe sim --resume runs/20270131-120000-seed1        continue after Ctrl-C or a crash',
    ],
    run: async (context) => {
      const { flags, output, signal } = context;
      const { scenario, options } =
        flags.resume === undefined
          ? await givenRun(context)
          : await partialRun(flags.resume, context);
      const { runScenario } = await import('../sim/run.ts');
      const { showRun } = await import('./sim-output.ts');
      const show = showRun(output, scenario);
      try {
        const { summary, folder } = await runScenario(scenario, {
          ...options,
          signal,
          onEvent: (event) => show.event(event),
        });
        show.end(summary, folder);
        output.document({ ...summary, folder });
      } catch (thrown) {
        const { details } = toFloeError(thrown);
        const partial = details['resume'];
        show.close();
        if (typeof partial === 'string')
          output.line(`resume it     ${commandName()} sim --resume ${partial}`);
        throw thrown;
      } finally {
        show.close();
      }
    },
  });
