/**
 * @module The flags of the settings and of the strategies, made from their tables, and the settings
 * that the values of flags stand for.
 */
import { DEFAULT_STRATEGY, knownStrategies } from '../algorithm/registry.ts';
import {
  kindOf,
  repeated,
  text,
  usage,
  value,
  type Flag,
  type FlagTable,
  type TableOf,
} from './flag.ts';
import type { GivenSettings } from './run-file.ts';
import { defaultText, expected, flagOf, listed, SETTING_AREAS } from './setting.ts';
import type { Setting, SettingCommand, SettingsTable } from './setting.ts';
import { SETTINGS, type RunSettings } from './settings.ts';

export interface StrategyFlags {
  readonly strategy?: string | undefined;
  readonly strategyParameter?: readonly (readonly [string, number])[] | undefined;
  readonly strategyModule?: readonly string[] | undefined;
}

/** By names in camel case; a repeated flag and a file of keys have their own forms. */
export type SettingFlags = {
  readonly [
    Name in keyof Omit<
      RunSettings,
      | 'auditors'
      | 'allow'
      | 'drops'
      | 'textColumns'
      | 'dropColumns'
      | 'strategy'
      | 'strategyModules'
      | 'metrics'
      | 'contract'
    >
  ]?: RunSettings[Name] | undefined;
} & StrategyFlags & {
    readonly auditor?: readonly string[] | undefined;
    /** File of keys. */
    readonly allow?: string | undefined;
    readonly drop?: RunSettings['drops'] | undefined;
    /** File of a data contract. */
    readonly contract?: string | undefined;
    readonly textColumn?: RunSettings['textColumns'] | undefined;
    readonly dropColumn?: RunSettings['dropColumns'] | undefined;
  };

/** `server-learning-rate` as the name of a value. */
export const camel = (flag: string): string =>
  flag.replaceAll(/-([a-z])/gu, (_, letter: string) => letter.toUpperCase());

const PLACEHOLDERS: Readonly<Record<Exclude<Setting['type'], 'boolean' | 'data'>, string>> = {
  integer: '<n>',
  duration: '<seconds>',
  number: '<x>',
  fraction: '<x>',
  choice: '<name>',
  choices: '<name>',
  text: '<text>',
  texts: '<text>',
  file: '<file>',
  keys: '<key>',
  fractions: '<fractions>',
  variant: '<name>',
};

/** What a flag does, its choices, and its default, each once. */
const helpOf = (setting: Setting, command: SettingCommand): string => {
  const choices =
    setting.type === 'choice' || setting.type === 'choices'
      ? listed(setting.choices)
      : setting.type === 'variant'
        ? expected(setting)
        : undefined;
  const usual = defaultText(setting, command);
  const facts = [choices, usual === undefined ? undefined : `default: ${usual}`];
  const known = facts.filter((fact) => fact !== undefined);
  return known.length === 0 ? setting.help : `${setting.help} (${known.join('; ')})`;
};

const flagOfSetting = (setting: Setting, command: SettingCommand): Flag<unknown> | undefined => {
  // A contract has a file; strategies define their own flags.
  if (setting.type === 'data')
    return setting.file === true ? text('<file>', helpOf(setting, command)) : undefined;
  if (setting.type === 'boolean')
    // A setting that is on by default is turned off by its flag.
    return setting.default
      ? { help: setting.off ?? setting.help, negatable: 'hidden' }
      : { help: setting.help, negatable: 'shown' };
  const isKeyFile = setting.type === 'keys' && setting.flagNames === 'file';
  const placeholder = setting.placeholder ?? (isKeyFile ? '<file>' : PLACEHOLDERS[setting.type]);
  const help = helpOf(setting, command);
  if (isKeyFile) return text(placeholder, help);
  const read = kindOf<unknown>(setting);
  if (setting.type !== 'choices' && setting.type !== 'keys' && setting.type !== 'texts')
    return value(placeholder, help, read);
  const item = (label: string, given: string) => (read(label, given) as readonly unknown[])[0];
  return repeated(value(placeholder, help, item));
};

/** The flags of the settings that a command takes. */
export const settingFlags = (
  of: SettingCommand,
  table: SettingsTable = SETTINGS,
): TableOf<SettingFlags> & FlagTable =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, setting]) => {
      const flag = setting.commands.includes(of) ? flagOfSetting(setting, of) : undefined;
      if (flag === undefined) return [];
      const grouped = of === 'join' ? flag : { ...flag, group: SETTING_AREAS[setting.area] };
      return [[camel(flagOf(name, setting)), grouped]];
    }),
  ) as TableOf<SettingFlags> & FlagTable;

/** The settings among the flags of a command; the path of a file of keys stands for its keys. */
export const settingsAmong = (
  flags: object,
  of: SettingCommand,
  table: SettingsTable = SETTINGS,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, setting]) => {
      if (setting.type === 'data' || !setting.commands.includes(of)) return [];
      const given = (flags as Readonly<Record<string, unknown>>)[camel(flagOf(name, setting))];
      return given === undefined ? [] : [[name, given]];
    }),
  );

/** Any number: the strategy refuses one that is out of its range. */
const anyNumber = kindOf<number>({ type: 'number', min: -Number.MAX_VALUE, max: Number.MAX_VALUE });

const assignment = (label: string, given: string): readonly [string, number] => {
  const at = given.indexOf('=');
  if (at < 1) throw usage(label, 'name=value', given);
  return [given.slice(0, at), anyNumber(label, given.slice(at + 1))];
};

/** The parameters of all known strategies, each name once, with the default of each strategy. */
const parameterHelp = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const { name: strategy, parameters } of knownStrategies())
    for (const { name, help, default: usual } of parameters) {
      const before = found.get(name);
      const own = `${strategy}: ${usual}`;
      found.set(
        name,
        before === undefined ? `${help} (${own})` : before.replace(/\)$/u, `, ${own})`),
      );
    }
  return found;
};

/** For commands that meet a run with a strategy that is not Floe's; loaded before they run. */
export const MODULE_FLAGS = {
  strategyModule: repeated(
    text('<file>', 'module with strategies of your own, see examples/strategy; may be repeated'),
  ),
};

/** For commands that begin a run. */
export const strategyFlags = (): TableOf<StrategyFlags> => ({
  ...Object.fromEntries(
    [...parameterHelp()].map(([name, help]) => [name, value('<x>', help, anyNumber)]),
  ),
  ...MODULE_FLAGS,
  strategy: text(
    '<name>',
    `how updates become the next model: ${knownStrategies()
      .map(({ name }) => name)
      .join(', ')} (default ${DEFAULT_STRATEGY}; see floe strategies)`,
  ),
  strategyParameter: repeated(
    value('<name=value>', 'a parameter of a strategy of your own; may be repeated', assignment),
  ),
});

/** The strategy that flags give, or undefined without any. */
export const strategyAmong = (flags: StrategyFlags): GivenSettings['strategy'] => {
  const values = flags as Readonly<Record<string, unknown>>;
  const given = Object.fromEntries([
    ...[...parameterHelp().keys()].flatMap((name) =>
      typeof values[name] === 'number' ? [[name, values[name]] as const] : [],
    ),
    ...(flags.strategyParameter ?? []),
  ]);
  if (flags.strategy === undefined && Object.keys(given).length === 0) return undefined;
  return {
    ...(flags.strategy === undefined ? {} : { name: flags.strategy }),
    parameters: given,
  };
};
