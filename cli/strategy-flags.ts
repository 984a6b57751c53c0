/**
 * @module The flags that choose a strategy: its name, a flag for each parameter of those that are
 * known, and modules with strategies of others, which are loaded before the command runs.
 */
import type { Command } from 'commander';
import {
  DEFAULT_STRATEGY,
  knownStrategies,
  type StrategyInput,
} from '../protocol/algorithm/registry.ts';
import { collect, usage } from './flags.ts';

/** `serverLearningRate` as its flag is written. */
export const flagOf = (name: string): string =>
  `--${name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`;

export interface StrategyFlags {
  readonly strategy?: string;
  readonly strategyParameter?: readonly (readonly [string, number])[];
  readonly strategyModule?: readonly string[];
}

const numberOf =
  (flag: string) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value)) throw usage(flag, 'a number', text);
    return value;
  };

const assignment = (text: string): readonly [string, number] => {
  const at = text.indexOf('=');
  if (at < 1) throw usage('--strategy-parameter', 'name=value', text);
  return [text.slice(0, at), numberOf('--strategy-parameter')(text.slice(at + 1))];
};

/** The parameters of all known strategies, each name once, with what each strategy says of it. */
const parameters = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const { name: strategy, parameters: specs } of knownStrategies())
    for (const { name, help, default: standard } of specs) {
      const own = `${strategy}: ${standard}`;
      const before = found.get(name);
      found.set(
        name,
        before === undefined ? `${help} (${own})` : before.replace(/\)$/u, `, ${own})`),
      );
    }
  return found;
};

/**
 * Makes the strategies of modules known; again with the same ones it changes nothing.
 *
 * @throws FloeError `file_not_found`, `strategy_invalid`
 */
export const loadModules = async (paths: readonly string[] = []): Promise<void> => {
  if (paths.length === 0) return;
  const { loadStrategies } = await import('../protocol/algorithm/load-module.ts');
  await Promise.all(paths.map(loadStrategies));
};

/** For commands that meet a run with a strategy that is not Floe's. */
export const withStrategyModules = (command: Command): Command =>
  command
    .option(
      '--strategy-module <file>',
      'module with strategies of your own, see examples/strategy; may be repeated',
      collect((text) => text),
    )
    .hook('preAction', async (under) => loadModules(under.opts<StrategyFlags>().strategyModule));

/** For commands that begin a run. */
export const withStrategy = (command: Command): Command => {
  withStrategyModules(command)
    .option(
      '--strategy <name>',
      `what becomes of the updates: ${knownStrategies()
        .map(({ name }) => name)
        .join(', ')} (default ${DEFAULT_STRATEGY}; floe strategies)`,
    )
    .option(
      '--strategy-parameter <name=value>',
      'a parameter of a strategy of your own; may be repeated',
      collect(assignment),
    );
  for (const [name, help] of parameters())
    command.option(`${flagOf(name)} <x>`, help, numberOf(flagOf(name)));
  return command;
};

type Given = Readonly<Record<string, unknown>>;

/** The strategy that flags ask for, or undefined where they say nothing of it. */
export const strategyFrom = (
  flags: StrategyFlags,
):
  { readonly name?: string; readonly parameters: Readonly<Record<string, number>> } | undefined => {
  const values = flags as Given;
  const given = Object.fromEntries([
    ...[...parameters().keys()].flatMap((name) =>
      typeof values[name] === 'number' ? [[name, values[name]] as const] : [],
    ),
    ...(flags.strategyParameter ?? []),
  ]);
  if (flags.strategy === undefined && Object.keys(given).length === 0) return undefined;
  return {
    ...(flags.strategy === undefined ? {} : { name: flags.strategy }),
    parameters: given,
  } satisfies StrategyInput;
};
