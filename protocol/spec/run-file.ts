/**
 * @module The settings of a run as an operator gives them: a file (JSON or YAML), and given values
 * that win over it. A simulation and a coordinator read the same file. Node only.
 */
import { DEFAULT_STRATEGY } from '../algorithm/registry.ts';
import { fromHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { readInput } from '../ports/input-file.ts';
import { readContract } from './contract-file.ts';
import { readSettings, type NameSetting } from './read-settings.ts';
import { flagOf, type Setting, type SettingCommand } from './setting.ts';
import { SETTINGS, type RunSettings } from './settings.ts';

const MAX_RUN_FILE_BYTES = 1 << 20;
const MAX_KEYS_BYTES = 1 << 20;

/**
 * Keys of a file: one in hex a line, `#` for comments.
 *
 * @param label names the flag or setting in errors
 * @throws FloeError `file_not_found`, `usage`
 */
export const readKeys = async (label: string, path: string): Promise<Uint8Array[]> =>
  new TextDecoder()
    .decode(await readInput(label, path, MAX_KEYS_BYTES))
    .split('\n')
    .map((line) => line.replace(/#.*$/u, '').trim().toLowerCase().replace(/^0x/u, ''))
    .filter((line) => line !== '')
    .map((key) => {
      if (/^[0-9a-f]{64}$/u.test(key)) return fromHex(key);
      throw new FloeError('usage', `${label}: expected 64 hex digits, got ${JSON.stringify(key)}`);
    });

/** YAML by the name of the file, else JSON. An empty YAML file has no settings. */
const parseRunFile = async (path: string, text: string): Promise<unknown> => {
  if (!/\.ya?ml$/iu.test(path)) return JSON.parse(text);
  const { parse } = await import('yaml');
  return parse(text, { logLevel: 'error', maxAliasCount: 0 }) ?? {};
};

/** The key `contract` may name a file; its contents then stand for it. */
const withContract = async (path: string, value: unknown): Promise<unknown> => {
  if (typeof value !== 'object' || value === null || !('contract' in value)) return value;
  const { contract } = value;
  if (typeof contract !== 'string') return value;
  return { ...value, contract: await readContract(`${path}: contract`, contract) };
};

export interface RunFile {
  readonly settings: RunSettings;
  /** Keys that the command does not use. */
  readonly unused: readonly string[];
}

/**
 * Reads a run file.
 *
 * @throws FloeError `file_not_found`, `spec_invalid` naming the key, the expected and the given
 * value
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
  return readSettings(SETTINGS, await withContract(path, value), {
    command: command === 'sim' ? 'sim' : 'coordinator',
    code: 'spec_invalid',
    nameOf: (name) => `${path}: ${name}`,
    whole: path,
  });
};

/** Settings that win over a file; a strategy may be given in part. */
export type GivenSettings = Omit<RunSettings, 'strategy'> & {
  readonly strategy?: {
    readonly name?: string;
    readonly parameters: Readonly<Record<string, number>>;
  };
};

export interface GatheredSettings extends RunFile {
  /** Names a setting in errors: by the file that it is from, else by its flag. */
  readonly nameOf: NameSetting;
}

/** `network` and `local` exclude each other: a given one wins over a file with the other. */
const withoutOther = (file: RunSettings, given: GivenSettings): RunSettings => {
  const { network, local, ...rest } = file;
  return {
    ...rest,
    ...(network === undefined || given.local === true ? {} : { network }),
    ...(local === undefined || given.network !== undefined ? {} : { local }),
  };
};

/** Another name leaves out the parameters of the file's strategy. */
export const mergedStrategy = (
  file: RunSettings['strategy'],
  given: NonNullable<GivenSettings['strategy']>,
): NonNullable<RunSettings['strategy']> => {
  const name = given.name ?? file?.name ?? DEFAULT_STRATEGY;
  const before = file?.name === name ? file.parameters : {};
  return { name, parameters: { ...before, ...given.parameters } };
};

/**
 * The settings of a file with the given ones over them.
 *
 * @param path JSON or YAML; undefined for no file
 * @throws FloeError `file_not_found`, `usage`, `spec_invalid` naming the setting
 */
export const gatherSettings = async (
  path: string | undefined,
  given: GivenSettings = {},
  command: SettingCommand = 'coordinator',
): Promise<GatheredSettings> => {
  const { settings: file, unused } =
    path === undefined ? { settings: {}, unused: [] } : await readRunFile(path, command);
  const { strategy, ...others } = given;
  const own: RunSettings =
    strategy === undefined
      ? others
      : { ...others, strategy: mergedStrategy(file.strategy, strategy) };
  const nameOf: NameSetting = (name) =>
    Object.hasOwn(file, name) && !Object.hasOwn(own, name)
      ? `${path}: ${name}`
      : `--${flagOf(name, SETTINGS[name as keyof RunSettings] as Setting)}`;
  const settings: RunSettings = { ...withoutOther(file, own), ...own };
  if (settings.network !== undefined && settings.local === true)
    throw new FloeError('usage', `expected ${nameOf('network')} or ${nameOf('local')}, not both`);
  const { allow } = settings;
  // Sorted, so that the same members are the same settings.
  return {
    settings: allow === undefined ? settings : { ...settings, allow: allow.toSorted() },
    unused,
    nameOf,
  };
};

/** Where a run is kept; the run's folder notes that apart from its settings. */
export type RunPlace = Pick<RunSettings, 'network' | 'local' | 'storageEpochs'>;

/** The place of a run, and its settings without the place. */
export const splitPlace = ({
  network,
  local,
  storageEpochs,
  ...settings
}: RunSettings): { readonly place: RunPlace; readonly settings: RunSettings } => ({
  place: {
    ...(network === undefined ? {} : { network }),
    ...(local === undefined ? {} : { local }),
    ...(storageEpochs === undefined ? {} : { storageEpochs }),
  },
  settings,
});
