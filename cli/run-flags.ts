/**
 * @module The flags of the settings, made from the table: their help, choices, defaults and
 * readers, and the settings that given flags stand for.
 */
import { Option, type Command } from 'commander';
import { expected, defaultText, flagOf, listed } from '../protocol/spec/setting.ts';
import type { Setting, SettingCommand, SettingsTable } from '../protocol/spec/setting.ts';
import { readFlag } from '../protocol/spec/read-settings.ts';
import { SETTINGS, type RunSettings } from '../protocol/spec/settings.ts';
import { collect } from './flags.ts';
import type { StrategyFlags } from './strategy-flags.ts';

/**
 * Flags by their names in camel case; what a repeated flag or a file of keys gives has its own
 * form.
 */
export type SettingFlags = Omit<
  RunSettings,
  'auditors' | 'allow' | 'drops' | 'strategy' | 'strategyModules' | 'metrics'
> &
  StrategyFlags & {
    readonly auditor?: readonly string[];
    /** File of keys. */
    readonly allow?: string;
    readonly drop?: RunSettings['drops'];
  };

const camel = (flag: string): string =>
  flag.replaceAll(/-([a-z])/gu, (_, letter: string) => letter.toUpperCase());

const PLACEHOLDERS: Readonly<Record<Exclude<Setting['type'], 'boolean' | 'data'>, string>> = {
  integer: '<n>',
  duration: '<seconds>',
  number: '<x>',
  fraction: '<x>',
  choice: '<name>',
  choices: '<name>',
  text: '<text>',
  file: '<file>',
  keys: '<key>',
  fractions: '<fractions>',
  variant: '<name>',
};

/** Whether the flag may be repeated: each adds to a list. */
const isRepeated = (setting: Setting): boolean =>
  setting.type === 'choices' || (setting.type === 'keys' && setting.flagNames === 'key');

const isKeyFile = (setting: Setting): boolean =>
  setting.type === 'keys' && setting.flagNames === 'file';

const placeholderOf = (setting: Exclude<Setting, { readonly type: 'boolean' | 'data' }>): string =>
  setting.placeholder ?? (isKeyFile(setting) ? '<file>' : PLACEHOLDERS[setting.type]);

/** What a flag does, its choices, and its default, each once. */
const helpOf = (setting: Setting, command: SettingCommand): string => {
  const choices =
    setting.type === 'choice' || setting.type === 'choices'
      ? listed(setting.choices)
      : setting.type === 'variant'
        ? expected(setting)
        : undefined;
  const standard = defaultText(setting, command);
  const facts = [choices, standard === undefined ? undefined : `default: ${standard}`];
  const known = facts.filter((fact) => fact !== undefined);
  return known.length === 0 ? setting.help : `${setting.help} (${known.join('; ')})`;
};

const addFlag = (command: Command, name: string, setting: Setting, of: SettingCommand): void => {
  // Its flags are made apart: see strategy-flags.ts.
  if (setting.type === 'data') return;
  const flag = `--${flagOf(name, setting)}`;
  if (setting.type === 'boolean') {
    // A setting that is on in a command is turned off by its flag; the other flag wins over a run
    // file.
    const negated = `--no-${flagOf(name, setting)}`;
    const [shown, hidden] = setting.default ? [negated, flag] : [flag, negated];
    const options = [
      new Option(shown, setting.default ? (setting.off ?? setting.help) : setting.help),
      new Option(hidden).hideHelp(),
    ];
    // commander gives `--no-x` alone the value true where it is absent, so the plain flag comes
    // first.
    for (const option of setting.default ? options.toReversed() : options)
      command.addOption(option);
    return;
  }
  const option = new Option(`${flag} ${placeholderOf(setting)}`, helpOf(setting, of));
  if (isRepeated(setting))
    option.argParser(collect((text) => (readFlag(setting, flag, text) as readonly unknown[])[0]));
  else if (!isKeyFile(setting)) option.argParser((text: string) => readFlag(setting, flag, text));
  command.addOption(option);
};

/** Adds the flags of the settings that a command takes. */
export const withSettings = (
  command: Command,
  of: SettingCommand,
  table: SettingsTable = SETTINGS,
): Command => {
  for (const [name, setting] of Object.entries(table))
    if (setting.commands.includes(of)) addFlag(command, name, setting, of);
  return command;
};

/** The settings among the options of a command; the path of a file of keys stands for its keys. */
export const settingsAmong = (
  options: object,
  of: SettingCommand,
  table: SettingsTable = SETTINGS,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, setting]) => {
      if (setting.type === 'data' || !setting.commands.includes(of)) return [];
      const value = (options as Readonly<Record<string, unknown>>)[camel(flagOf(name, setting))];
      return value === undefined ? [] : [[name, value]];
    }),
  );
