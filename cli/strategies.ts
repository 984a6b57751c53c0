/**
 * @module `floe strategies`: what becomes of the updates of a round, with parameters, sources and
 * what each strategy costs in bytes.
 */
import { Command } from 'commander';
import { wholeNumber } from './flags.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { flagOf, withStrategyModules, type StrategyFlags } from './strategy-flags.ts';

interface Options extends StrategyFlags, CommonOptions {
  readonly dimension?: number;
}

/** The 2NN of the default model. */
const DEFAULT_DIMENSION = 199_210;

export const strategiesCommand = (): Command =>
  withStrategyModules(withCommonOptions(new Command('strategies')))
    .description('list the strategies that turn updates into the next model')
    .option(
      '--dimension <n>',
      `parameters of the model that bytes are told for (default ${DEFAULT_DIMENSION})`,
      wholeNumber('--dimension', 1, 2 ** 31),
    )
    .addHelpText(
      'after',
      `
Examples:
  floe strategies
  floe strategies --strategy-module my-strategy.ts
  floe sim --strategy fedadam --server-learning-rate 0.05

Exit codes: floe help exit-codes.`,
    )
    .action(async (options: Options) => {
      await runCommand(options, async ({ output }) => {
        const { describeStrategies } = await import('../protocol/algorithm/describe.ts');
        const dimension = options.dimension ?? DEFAULT_DIMENSION;
        const strategies = describeStrategies(dimension);
        output.document({ dimension, strategies });
        for (const { name, summary, source, code, parameters, state, bytes } of strategies) {
          output.say(`${name}  ${summary}`);
          output.say(`  source: ${source}${code === undefined ? '' : `; module SHA-256 ${code}`}`);
          for (const parameter of parameters)
            output.say(
              `  ${flagOf(parameter.name)} ${parameter.default} (${parameter.range}): ${parameter.help}`,
            );
          const carried = state.length === 0 ? 'carries nothing' : `carries ${state.join(', ')}`;
          output.say(
            `  ${carried}; a model version of ${dimension} parameters has ${bytes.model} bytes, ` +
              `an upload of 10 participants ${bytes.upload}`,
          );
        }
      });
    });
