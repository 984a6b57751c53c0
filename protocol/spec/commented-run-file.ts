/**
 * @module A run file to begin with, in YAML, made from the settings table: every key with its
 * meaning, its values and its default, as a comment. A key that is not set keeps its default.
 */
import {
  defaultOf,
  defaultText,
  expected,
  SETTING_AREAS,
  type Setting,
  type SettingArea,
  type SettingCommand,
  type SettingsTable,
} from './setting.ts';
import { SETTINGS } from './settings.ts';

/** Keys that most runs change. */
const SET: ReadonlySet<string> = new Set(['name', 'rounds', 'cohort', 'model']);

/** A value as YAML reads it; JSON is YAML. */
const valueOf = (setting: Setting, command: SettingCommand): string | undefined => {
  const value: unknown = defaultOf(setting, command);
  return value === undefined ? undefined : JSON.stringify(value);
};

const linesOf = (name: string, setting: Setting, command: SettingCommand): readonly string[] => {
  const usual = defaultText(setting, command);
  const value = valueOf(setting, command);
  const facts = [expected(setting), ...(usual === undefined ? [] : [`default: ${usual}`])];
  const line = `${name}:${value === undefined ? '' : ` ${value}`}`;
  return [`# ${setting.help}`, `#   ${facts.join('; ')}`, SET.has(name) ? line : `# ${line}`, ''];
};

/**
 * The text of a run file for a command.
 *
 * @param command `coordinator`, or `sim` for a scenario: its keys and its defaults
 */
export const commentedRunFile = (
  command: 'coordinator' | 'sim',
  table: SettingsTable = SETTINGS,
): string => {
  const flag = command === 'sim' ? '--scenario' : '--run';
  const own = Object.entries(table).filter(([, { commands }]) => commands.includes(command));
  const sections = (Object.keys(SETTING_AREAS) as SettingArea[]).flatMap((area) => {
    const entries = own.filter(([, setting]) => setting.area === area);
    if (entries.length === 0) return [];
    return [
      `# == ${SETTING_AREAS[area]} ==`,
      '',
      ...entries.flatMap(([name, setting]) => linesOf(name, setting, command)),
    ];
  });
  return [
    `# Settings of a run: floe ${command} ${flag} FILE. Flags win over this file.`,
    '# A key without # is set; remove the # of another one to set it.',
    '',
    ...sections,
  ].join('\n');
};
