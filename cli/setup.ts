/**
 * @module `floe setup`: what a user may add to an install.
 */
import { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import { command, helpText } from './command.ts';
import { confirm } from './confirm.ts';
import { on, text } from './flags.ts';

const nativeCommand = () =>
  command({
    name: 'native',
    about:
      "build TensorFlow's addon for Node, for --backend tensorflow, where npm could not get it",
    flags: {
      yes: on('do not ask'),
      wheel: text('<file>', 'a wheel that was downloaded elsewhere: pip is not needed then'),
      undo: on('remove what this command has built'),
    },
    notes: `npm leaves out the optional package @tensorflow/tfjs-node where its own download is out of reach. This command
takes the same library from a Python wheel instead (Linux on x86-64; it needs g++, strip, tar, npm, and python3
with pip; nothing of Python is used afterwards). It keeps the result in the cache folder of the user, outside
node_modules, so npm ci leaves it alone. An installed @tensorflow/tfjs-node comes first.`,
    examples: [
      'floe setup native',
      'floe setup native --yes --wheel tensorflow_cpu-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
      'floe setup native --undo',
    ],
    exit: 'Exit codes: 0 it is built, or removed, 1 a no was answered, 2 a flag is wrong, 3 a program or a download is missing.',
    run: async ({ flags, output, signal }) => {
      const native = await import('../client/native/index.ts');
      if (flags.undo === true) {
        if (flags.wheel !== undefined)
          throw new FloeError('usage', 'expected --wheel or --undo, not both');
        const folder = native.nativeFolder();
        const bytes = await native.undoNative();
        output.document({ outcome: 'removed', folder, bytes });
        output.say(
          bytes === 0
            ? `${folder}: nothing was built`
            : `${folder}: removed, ${Math.round(bytes / 1e6)} MB`,
        );
        return 0;
      }
      const result = await native.setupNative({
        wheel: flags.wheel,
        signal,
        confirm: async (plan) => {
          output.event({ ...plan, type: 'plan' }, native.describePlan(plan));
          return flags.yes === true || confirm('Go ahead?', signal);
        },
        emit: (event) => output.event(event, native.describeSetup(event)),
      });
      output.document(result);
      output.print([native.describeResult(result)]);
      return result.outcome === 'declined' ? 1 : 0;
    },
  });

export const setupCommand = (): Command =>
  new Command('setup')
    .description('add what npm could not install')
    .addCommand(nativeCommand())
    .addHelpText(
      'after',
      helpText({ examples: ['floe setup native', 'floe setup native --undo'] }),
    );
