/**
 * @module `floe init`: writes a commented run file to begin with.
 */
import { FloeError } from '../protocol/errors.ts';
import { command } from './command.ts';
import { on } from './flags.ts';

export const initCommand = () =>
  command({
    name: 'init',
    about: 'write a commented run file to begin with',
    args: { '[file]': 'file to write, in YAML (default: run.yaml)' },
    flags: {
      sim: on('the keys and defaults of a simulation'),
      print: on('print the file and write nothing'),
      force: on('overwrite a file that is there'),
    },
    notes: `The file lists every setting of a run with its values and its default. A setting whose line begins with #
keeps its default. floe coordinator --run FILE and floe sim --scenario FILE read it; docs/settings.md has the same
table.`,
    examples: [
      'floe init',
      'floe init trial.yaml --sim && floe sim --scenario trial.yaml',
      'floe init --print | less',
    ],
    run: async ({ args: [named], flags, output }) => {
      const { commentedRunFile } = await import('../protocol/spec/commented-run-file.ts');
      const { isThere, writeWhole } = await import('../protocol/ports/files.ts');
      const path = named ?? 'run.yaml';
      if (!/\.ya?ml$/iu.test(path))
        throw new FloeError('usage', `expected a name that ends in .yaml or .yml, got ${path}`);
      const which = flags.sim === true ? 'sim' : 'coordinator';
      const content = commentedRunFile(which);
      if (flags.print === true) {
        output.document({ content });
        output.say(content.trimEnd());
        return;
      }
      if (flags.force !== true && (await isThere(path)))
        throw new FloeError('file_exists', `${path} exists; --force overwrites it`);
      await writeWhole(path, content);
      output.document({ file: path });
      const flag = which === 'sim' ? 'sim --scenario' : 'coordinator --run';
      output.say(`${path}: written; edit it, then run floe ${flag} ${path}`);
    },
  });
