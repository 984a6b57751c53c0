/**
 * @module `floe models`: the versions that a run has published on Sui, or what a version comes
 * from.
 */
import { Command } from 'commander';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import { isObjectId } from '../protocol/net/object-id.ts';
import { usage } from './flags.ts';
import { networkOptions, withFoundNetwork, type FoundNetworkFlags } from './reader.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

type Options = FoundNetworkFlags & CommonOptions;

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
      await runCommand(options, async (context) => {
        const { listVersions } = await import('../client/reader/versions.ts');
        const { output } = context;
        if (!isObjectId(source) && options.network !== undefined)
          throw usage('--network', 'an object id to look for on it', source);
        const found = await listVersions(source, await networkOptions(source, options, context));
        output.document(found);
        const list = found.type === 'run' ? found.versions : found.lineage;
        if (found.type === 'run')
          output.line(`run "${found.name}" ${found.id}: ${list.length} versions`);
        else output.line(`version ${found.id}: ${list.length} in its line, the newest first`);
        for (const [at, version] of list.entries())
          for (const line of describe(version, list[at - 1])) output.say(line);
      });
    });
