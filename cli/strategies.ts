/**
 * @module `floe strategies`: the strategies that turn updates into the next model, with parameters,
 * sources and costs in bytes.
 */
import { command } from './command.ts';
import { standard, whole } from './flags.ts';
import { MODULE_FLAGS } from '../protocol/spec/setting-flags.ts';

/** The 2NN of the default model. */
const DEFAULT_DIMENSION = 199_210;

export const strategiesCommand = () =>
  command({
    name: 'strategies',
    about: 'list the strategies that turn updates into the next model',
    flags: {
      ...MODULE_FLAGS,
      dimension: standard(
        whole('parameters of the model for which bytes are given', 1, 2 ** 31),
        DEFAULT_DIMENSION,
      ),
    },
    examples: [
      'floe strategies',
      'floe strategies --strategy-module my-strategy.ts',
      'floe sim --strategy fedadam --server-learning-rate 0.05',
    ],
    run: async ({ flags: { dimension }, output }) => {
      const { describeStrategies, linesOfStrategies } =
        await import('../protocol/algorithm/describe.ts');
      const strategies = describeStrategies(dimension);
      output.document({ dimension, strategies });
      for (const line of linesOfStrategies(strategies, dimension)) output.say(line);
    },
  });
