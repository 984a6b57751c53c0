/**
 * @module The settings of a run as an operator gives them: a file (JSON or YAML), flags that win
 * over it, defaults for the rest. `floe sim` and `floe coordinator` read the same file.
 */
import { toHex } from '../protocol/bytes.ts';
import { DEFAULT_STRATEGY } from '../protocol/algorithm/registry.ts';
import { FloeError } from '../protocol/errors.ts';
import { readSettings, type NameSetting } from '../protocol/spec/read-settings.ts';
import { flagOf, type Setting, type SettingCommand } from '../protocol/spec/setting.ts';
import { SETTINGS, type RunSettings } from '../protocol/spec/settings.ts';
import { hexKey, readInput } from './flags.ts';
import { settingsAmong, type SettingFlags } from './run-flags.ts';
import { loadModules, strategyFrom, type StrategyFlags } from './strategy-flags.ts';

const MAX_RUN_FILE_BYTES = 1 << 20;
const MAX_ALLOW_BYTES = 1 << 20;

/**
 * Keys of a file, one in hex a line, `#` for comments.
 *
 * @throws FloeError `file_not_found`, `usage`
 */
export const readKeys = async (flag: string, path: string): Promise<readonly Uint8Array[]> =>
  new TextDecoder()
    .decode(await readInput(flag, path, MAX_ALLOW_BYTES))
    .split('\n')
    .map((line) => line.replace(/#.*$/u, '').trim())
    .filter((line) => line !== '')
    .map(hexKey(flag));

/** YAML by the name of the file, else JSON. An empty YAML file has no settings. */
const parseRunFile = async (path: string, text: string): Promise<unknown> => {
  if (!/\.ya?ml$/iu.test(path)) return JSON.parse(text);
  const { parse } = await import('yaml');
  return parse(text, { logLevel: 'error', maxAliasCount: 0 }) ?? {};
};

export interface RunFile {
  readonly settings: RunSettings;
  /** Keys that the command does not use. */
  readonly unused: readonly string[];
}

/**
 * Reads a run file.
 *
 * @throws FloeError `file_not_found`, `spec_invalid` naming the key, what was expected and what
 * came
 */
export const readRunFile = async (
  path: string,
  command: SettingCommand = 'coordinator',
): Promise<RunFile> => {
  const bytes = await readInput('run file', path, MAX_RUN_FILE_BYTES);
  let value: unknown;
  try {
    value = await parseRunFile(path, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const [message = ''] = (cause as Error).message.split('\n');
    throw new FloeError('spec_invalid', `${path}: ${message}`, {}, { cause });
  }
  return readSettings(SETTINGS, value, {
    command: command === 'sim' ? 'sim' : 'coordinator',
    code: 'spec_invalid',
    nameOf: (name) => `${path}: ${name}`,
    whole: path,
  });
};

export interface Gathered {
  readonly settings: RunSettings;
  /** How a setting is named in errors: by the file that it is from, else by its flag. */
  readonly nameOf: NameSetting;
}

/** `network` and `local` exclude each other, so a flag for one wins over a file with the other. */
const withoutOther = (file: RunSettings, flags: RunSettings): RunSettings => {
  const { network, local, ...rest } = file;
  return {
    ...rest,
    ...(network === undefined || flags.local === true ? {} : { network }),
    ...(local === undefined || flags.network !== undefined ? {} : { local }),
  };
};

/** Another name in the flags leaves the parameters of the file's strategy out. */
const mergedStrategy = (
  file: RunSettings['strategy'],
  flags: StrategyFlags,
): RunSettings['strategy'] => {
  const given = strategyFrom(flags);
  if (given === undefined) return undefined;
  const name = given.name ?? file?.name ?? DEFAULT_STRATEGY;
  const before = file?.name === name ? file.parameters : {};
  return { name, parameters: { ...before, ...given.parameters } };
};

/** The settings of the strategy that flags give, over those of a file. */
const strategyAmong = (file: RunSettings, flags: StrategyFlags): RunSettings => {
  const strategy = mergedStrategy(file.strategy, flags);
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(flags.strategyModule === undefined ? {} : { strategyModules: [...flags.strategyModule] }),
  };
};

/**
 * Flags over file. Options of the command that are no settings are left out.
 *
 * @param say is told of the keys of the file that the command does not use
 * @throws FloeError `file_not_found`, `usage`, `spec_invalid` naming the key
 */
export const gatherSettings = async (
  path: string | undefined,
  flags: SettingFlags,
  {
    command = 'coordinator',
    say = () => undefined,
  }: { readonly command?: SettingCommand; readonly say?: (line: string) => void } = {},
): Promise<Gathered> => {
  const file = path === undefined ? undefined : await readRunFile(path, command);
  if (file !== undefined && file.unused.length > 0)
    say(`${path}: not used by floe ${command}: ${file.unused.join(', ')}`);
  const given: RunSettings = {
    ...settingsAmong(flags, command),
    ...strategyAmong(file?.settings ?? {}, flags),
  };
  const keys = flags.allow === undefined ? undefined : await readKeys('--allow', flags.allow);
  const own: RunSettings = keys === undefined ? given : { ...given, allow: keys.map(toHex) };
  const merged = { ...withoutOther(file?.settings ?? {}, own), ...own };
  const fromFile = new Set(Object.keys(file?.settings ?? {}));
  const nameOf: NameSetting = (name) =>
    fromFile.has(name) && !Object.hasOwn(own, name)
      ? `${path}: ${name}`
      : `--${flagOf(name, SETTINGS[name as keyof RunSettings] as Setting)}`;
  if (merged.network !== undefined && merged.local === true)
    throw new FloeError('usage', `expected ${nameOf('network')} or ${nameOf('local')}, not both`);
  // In one order, so that the same members are the same settings.
  const settings =
    merged.allow === undefined ? merged : { ...merged, allow: merged.allow.toSorted() };
  // What only prices a run runs no code that a file names.
  await loadModules(command === 'cost' ? flags.strategyModule : settings.strategyModules);
  return { settings, nameOf };
};

/** Where a run is kept, of settings; that is noted with the run and not with its settings. */
export const placeAmong = ({
  network,
  local,
  storageEpochs,
}: RunSettings): Pick<RunSettings, 'network' | 'local' | 'storageEpochs'> => ({
  ...(network === undefined ? {} : { network }),
  ...(local === undefined ? {} : { local }),
  ...(storageEpochs === undefined ? {} : { storageEpochs }),
});

/** The settings without the place. */
export const withoutPlace = (settings: RunSettings): RunSettings => {
  const { network: _, local: __, storageEpochs: ___, ...others } = settings;
  return others;
};

/**
 * The run file of a command that takes one as an argument or by a flag.
 *
 * @throws FloeError `usage` for both
 */
export const oneRunFile = (argument?: string, flag?: string): string | undefined => {
  if (argument !== undefined && flag !== undefined)
    throw new FloeError('usage', `expected one run file, got ${argument} and --run ${flag}`);
  return argument ?? flag;
};
