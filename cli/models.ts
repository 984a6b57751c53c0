/**
 * @module `floe models`: the versions that a run has published on Sui, or what a version comes from.
 */
import { Command } from 'commander';
import type { VersionFacts } from '../protocol/ledger/lineage.ts';
import { address, openRegistry, withNetwork, type NetworkFlags } from './network.ts';
import { runCommand, withCommonOptions } from './run-command.ts';

interface Options extends NetworkFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

const measured = ({ examples, loss, accuracy }: VersionFacts): string =>
  examples === 0
    ? 'nothing measured'
    : `accuracy ${(100 * accuracy).toFixed(2)} %, loss ${loss.toFixed(4)}, ${examples} examples`;

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
  withCommonOptions(withNetwork(new Command('models')))
    .argument('<object id>', 'a run, or a model version', address('object id'))
    .description('list the models of a run on Sui, or show what a model comes from')
    .addHelpText(
      'after',
      `
Of a run: every version, by round. Of a version: itself, its parent, and so on to the first, also
across runs. Reading needs no key and costs nothing.

Examples:
  floe models 0x5e... --network net.json
  floe models 0x77... --network net.json --json

Exit codes: 0 listed, 2 no run or version of this package, 3 the network did not answer.`,
    )
    .action(async (objectId: string, options: Options) => {
      await runCommand(options, async ({ output }) => {
        const { describeModels } = await import('../protocol/ledger/lineage.ts');
        const { client, packageId } = await openRegistry(options);
        const found = await describeModels({ client, packageId }, objectId);
        output.document({ id: objectId, ...found });
        const list = found.type === 'run' ? found.versions : found.lineage;
        if (found.type === 'run')
          output.line(`run "${found.name}" ${objectId}: ${list.length} versions`);
        else output.line(`version ${objectId}: ${list.length} in its line, the newest first`);
        for (const [at, version] of list.entries())
          for (const line of describe(version, list[at - 1])) output.say(line);
      });
    });
