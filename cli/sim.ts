/**
 * @module `floe sim`: many participants and a coordinator on this machine, running the production code.
 */
import { Command } from 'commander';
import { MAX_MEMBERS } from '../protocol/spec/run-spec.ts';
import type { ScenarioInput } from '../sim/scenario.ts';
import { TIMEOUTS } from '../protocol/spec/timeouts.ts';
import { parsePartition } from '../sim/partition.ts';
import { parseDrops } from '../sim/faults.ts';
import { decimal, oneOf, wholeNumber } from './flags.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import {
  type BACKENDS,
  deadlinesOf,
  type DeadlineFlags,
  withBackend,
  withDeadlines,
  withEncoding,
  withSizes,
  withTraining,
} from './run-flags.ts';
import { showRun } from './sim-output.ts';
import {
  isStrategyFlag,
  strategyFrom,
  withStrategy,
  type StrategyFlags,
} from './strategy-flags.ts';

interface Options extends CommonOptions, DeadlineFlags, StrategyFlags {
  readonly participants?: number;
  readonly cohort?: number;
  readonly minimum?: number;
  readonly rounds?: number;
  readonly seed?: string;
  readonly partition?: string;
  readonly drop?: string;
  readonly mask: boolean;
  readonly data?: string;
  readonly model?: string;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly clipNorm?: number;
  readonly selection?: 'draw' | 'batches';
  readonly ring?: 'ring16' | 'ring24' | 'ring32';
  readonly bits?: number;
  readonly baseline: boolean;
  readonly local?: boolean;
  readonly network?: string;
  readonly targetAccuracy?: number;
  readonly workers?: number;
  readonly backend?: (typeof BACKENDS)[number];
  readonly out: string;
}

/** The network of `--network`: a simulation has one of its own unless told, whatever FLOE_NETWORK says. */
const networkInput = async (options: Options): Promise<Pick<ScenarioInput, 'substrate'>> => {
  const { local, network } = options;
  if (network === undefined) return local === true ? { substrate: 'local' } : {};
  const { FloeError } = await import('../protocol/errors.ts');
  if (local === true) throw new FloeError('usage', 'expected --network or --local, not both');
  const { packageOf, readNetworkFile } = await import('./network.ts');
  const file = await readNetworkFile({ network });
  packageOf(file.network, file.path);
  return { substrate: { type: 'network', network: file.network } };
};

const camelCase = (flag: string): string =>
  flag.replaceAll(/-([a-z])/gu, (_, letter: string) => letter.toUpperCase());

/** Flags to a scenario; what is not given keeps the scenario's own default. */
const scenarioInput = async (options: Options): Promise<ScenarioInput> => {
  const { mask, out: _, json, quiet, debug, partition, drop, local, network, ...flags } = options;
  // The deadlines are a field of their own.
  const names = new Set(TIMEOUTS.map(({ flag }) => camelCase(flag)));
  const same = Object.fromEntries(
    Object.entries(flags).filter(([name]) => !names.has(name) && !isStrategyFlag(name)),
  );
  const strategy = strategyFrom(options);
  void [json, quiet, debug, local, network];
  return {
    ...same,
    deadlines: deadlinesOf(options),
    ...(strategy === undefined ? {} : { strategy }),
    strategyModules: [...(options.strategyModule ?? [])],
    masked: mask,
    ...(await networkInput(options)),
    ...(partition === undefined ? {} : { partition: parsePartition(partition) }),
    ...(drop === undefined ? {} : { drops: parseDrops(drop, mask) }),
  };
};

/** The simulation's own defaults: fewer rounds, with more work in each. */
const runShape = (command: Command): Command =>
  withDeadlines(withEncoding(withTraining(withSizes(withStrategy(command), 25), 3)));

export const simCommand = (): Command =>
  withBackend(withCommonOptions(runShape(new Command('sim'))))
    .description(
      'simulate a federated run: a coordinator and many participants, the production code',
    )
    .option(
      '--participants <n>',
      'participants (default 100)',
      wholeNumber('--participants', 3, MAX_MEMBERS),
    )
    .option('--minimum <n>', 'fewest survivors of a round', wholeNumber('--minimum', 3, 255))
    .option('--seed <text>', 'everything random derives from it (default 1)')
    .option('--partition <how>', 'iid, shards:N or dirichlet:ALPHA (default iid)')
    .option('--drop <shares>', 'lose this share of each cohort: 0.3, or share:0.1,upload:0.2')
    .option(
      '--selection <how>',
      'draw: cohorts anew for each round; batches: each whole or not at all (default draw)',
      oneOf('--selection', ['draw', 'batches']),
    )
    .option('--no-mask', 'run WITHOUT masks: the coordinator can read every update')
    .option('--data <source>', 'mnist, a .csv file or a folder of IDX files (default mnist)')
    .option('--model <name>', 'mlp-2nn, cnn, linear or mlp:UNITS,... (default mlp-2nn)')
    .option('--no-baseline', 'do not train the centralised baseline')
    .option(
      '--target-accuracy <x>',
      'stop at this test accuracy',
      decimal('--target-accuracy', 0, 1),
    )
    .option(
      '--workers <n>',
      'worker threads (default one a core)',
      wholeNumber('--workers', 1, 256),
    )
    .option(
      '--network <file>',
      'run on this network, as `floe devnet --config-out` writes it, not on a devnet of this run',
    )
    .option(
      '--local',
      'blobs on disk, keys in sealed boxes, freezes in the journal (default: Walrus, Seal and Sui, on a devnet of this run)',
    )
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

On a network without a faucet the simulated coordinator, whose key follows from --seed, needs coins: what
is missing, and the address to send it to, are said before anything is paid. Whoever knows the seed has
the key. No phase of a simulation ends by a deadline unless one is given.
Phases for --drop: register, share, upload, consistent, unmask (a participant is lost right after it).
The run's folder holds summary.json, report.html, the transcript, the blobs and model.safetensors, the
one clear copy of the model. Exit codes: floe help exit-codes.`,
    )
    .action(async (options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { makeScenario } = await import('../sim/scenario.ts');
        const scenario = makeScenario(await scenarioInput(options));
        const { runScenario } = await import('../sim/run.ts');
        const show = showRun(output, scenario);
        try {
          const { summary, folder } = await runScenario(scenario, {
            outDir: options.out,
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
