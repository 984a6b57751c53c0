/**
 * @module `floe models`: the versions that a run has published on Sui, or the ancestors of a
 * version.
 */
import { isObjectId } from '../protocol/net/object-id.ts';
import { command } from './command.ts';
import { usage } from './flags.ts';
import { FOUND_NETWORK, networkOptions } from './source.ts';

export const modelsCommand = () =>
  command({
    name: 'models',
    about: 'list the models of a run on Sui, or the ancestors of a model',
    args: { '<source>': "a run or a model version on Sui, or a run's folder such as runs/latest" },
    flags: FOUND_NETWORK,
    notes: `For a run: every version, by attempt. For a version: itself, its parent, and so on to the first, also
across runs. Reading needs no key and costs nothing.`,
    examples: [
      'floe models runs/latest',
      'floe models 0x5e... --network net.json',
      'floe models 0x77... --network net.json --json',
    ],
    exit: 'Exit codes: 0 listed, 2 no run or version of this package, 3 the network did not answer.',
    run: async (context) => {
      const { describeVersions, listVersions } = await import('../client/reader/index.ts');
      const { args, flags, output } = context;
      const [source = ''] = args;
      if (!isObjectId(source) && flags.network !== undefined)
        throw usage('--network', 'an object id to look for on it', source);
      const found = await listVersions(source, await networkOptions(source, context));
      output.document(found);
      output.print(describeVersions(found));
    },
  });
