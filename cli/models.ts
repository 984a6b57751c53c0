/**
 * @module `floe models`: the versions that a run has published on Sui, or what a version comes from.
 */
import { Command } from 'commander';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import type { Registry } from '../protocol/net/sui/registry.ts';
import { usage } from './flags.ts';
import { isObjectId, packageOf } from './network.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { withFoundNetwork, type FoundNetworkFlags } from './run-network.ts';

type Options = FoundNetworkFlags & CommonOptions;

/** The run of a folder on chain. */
const runObjectOf = async (folder: string, registry: Registry): Promise<string> => {
  const { FloeError } = await import('../protocol/errors.ts');
  const { addressOf, cryptoReady } = await import('../protocol/ports/identity.ts');
  const { findRun } = await import('../protocol/net/sui/run.ts');
  const { hashRunSpec } = await import('../protocol/spec/run-spec.ts');
  const { readRun } = await import('../sim/run-folder.ts');
  await cryptoReady;
  const { spec } = await readRun(folder);
  const found = await findRun(
    { ...registry, owner: addressOf(spec.coordinator) },
    hashRunSpec(spec),
  );
  if (found === undefined)
    throw new FloeError('usage', `the run of ${folder} is not on its network yet`);
  return found.run;
};

const measured = ({ examples, metrics }: VersionFacts): string =>
  examples === 0
    ? 'nothing measured'
    : [
        ...Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`),
        `${examples} examples`,
      ].join(', ');

const describe = (version: VersionFacts, before: VersionFacts | undefined): string[] => {
  const { id, round, run, parent, privacy, blob } = version;
  const place = before === undefined || before.run === run ? '' : ` of the run ${run}`;
  return [
    `round ${round}${place}  ${id}`,
    `  ${measured(version)}; ${
      privacy === undefined
        ? 'no differential privacy'
        : `epsilon ${privacy.epsilon} at delta ${privacy.delta}`
    }`,
    `  blob ${blob.id}, ${blob.size} bytes; parent ${parent ?? 'none'}`,
  ];
};

export const modelsCommand = (): Command =>
  withCommonOptions(withFoundNetwork(new Command('models')))
    .argument('<source>', "a run or a model version on Sui, or a run's folder such as runs/latest")
    .description('list the models of a run on Sui, or show what a model comes from')
    .addHelpText(
      'after',
      `
Of a run: every version, by round. Of a version: itself, its parent, and so on to the first, also
across runs. Reading needs no key and costs nothing.

Examples:
  floe models runs/latest
  floe models 0x5e... --network net.json
  floe models 0x77... --network net.json --json

Exit codes: 0 listed, 2 no run or version of this package, 3 the network did not answer.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { suiClientOf } = await import('../protocol/net/walrus/client.ts');
        const { describeModels } = await import('../protocol/net/sui/lineage.ts');
        const { findNetwork } = await import('./run-network.ts');
        await using resources = new AsyncDisposableStack();
        const say = (text: string): void => output.line(text);
        const isObject = isObjectId(source);
        if (!isObject && options.network !== undefined)
          throw usage('--network', 'an object id to look for on it', source);
        const place = isObject ? options : { run: source };
        const { network, from } = await findNetwork(place, { say, signal, resources });
        const registry = { client: suiClientOf(network), packageId: packageOf(network, from) };
        const objectId = isObject ? source.toLowerCase() : await runObjectOf(source, registry);
        const found = await describeModels(registry, objectId);
        output.document({ id: objectId, ...found });
        const list = found.type === 'run' ? found.versions : found.lineage;
        if (found.type === 'run')
          output.line(`run "${found.name}" ${objectId}: ${list.length} versions`);
        else output.line(`version ${objectId}: ${list.length} in its line, the newest first`);
        for (const [at, version] of list.entries())
          for (const line of describe(version, list[at - 1])) output.say(line);
      });
    });
