/**
 * @module `floe strategies`: the strategies that turn updates into the next model, with parameters,
 * sources and costs in bytes.
 */
import { flagOf } from '../protocol/spec/setting.ts';
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
      const { describeStrategies } = await import('../protocol/algorithm/describe.ts');
      const strategies = describeStrategies(dimension);
      output.document({ dimension, strategies });
      for (const { name, summary, source, code, parameters, state, bytes } of strategies) {
        output.say(`${name}  ${summary}`);
        output.say(`  source: ${source}${code === undefined ? '' : `; module SHA-256 ${code}`}`);
        for (const { name: parameter, default: usual, range, help } of parameters)
          output.say(`  --${flagOf(parameter, {})} ${usual} (${range}): ${help}`);
        output.say(
          `  ${state.length === 0 ? 'carries no state' : `carries ${state.join(', ')}`}; a model version of ${dimension} parameters has ` +
            `${bytes.model} bytes, an upload of 10 participants ${bytes.upload}`,
        );
      }
    },
  });
