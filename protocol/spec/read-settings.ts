/**
 * @module Reads settings against a table: the object of a run file or of a scenario, and the text
 * of a flag. Every error names the setting, what was expected and what came; an unknown key names
 * the nearest known one.
 */
import * as v from 'valibot';
import { FloeError, type ErrorCode } from '../errors.ts';
import { nearest } from './nearest-name.ts';
import { schemaOf, show } from './setting-schema.ts';
import {
  defaultOf,
  expected,
  withDefaults,
  type Setting,
  type SettingKind,
  type SettingCommand,
  type SettingsTable,
  type SettingValues,
} from './setting.ts';

/** How a setting is named in errors, such as `--cohort` or `run.json: cohort`. */
export type NameSetting = (name: string) => string;

/** Where settings come from. */
export interface SettingSource {
  readonly command: SettingCommand;
  /** Of every error. */
  readonly code: ErrorCode;
  readonly nameOf: NameSetting;
  /** What is read, for errors about all of it. */
  readonly whole: string;
}

/**
 * Checks one value; text stands for itself, and for an alternative as its flag is written.
 *
 * @throws FloeError
 */
export const checkSetting = (
  setting: Setting,
  value: unknown,
  label: string,
  code: ErrorCode,
): unknown => {
  const given =
    setting.type === 'variant' && typeof value === 'string' ? variantOfText(setting, value) : value;
  const result = v.safeParse(schemaOf(setting), given, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  // An issue of valibot's own words says less than the entry.
  const message = issue.message.startsWith('expected ')
    ? issue.message
    : `expected ${expected(setting)}, got ${show(value)}`;
  throw new FloeError(code, `${label}${path === null ? '' : `.${path}`}: ${message}`);
};

/**
 * Reads the object of a run file or scenario. Keys without a value are left out.
 *
 * @returns the settings that the command uses, and the names of those given that it does not use
 * @throws FloeError `source.code`, naming the key
 */
export const readSettings = <const Table extends SettingsTable>(
  table: Table,
  value: unknown,
  { command, code, nameOf, whole }: SettingSource,
): { readonly settings: SettingValues<Table>; readonly unused: readonly string[] } => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FloeError(
      code,
      `${whole}: expected settings such as {"rounds": 20}, got ${show(value)}`,
    );
  const settings: Record<string, unknown> = {};
  const unused: string[] = [];
  for (const [name, given] of Object.entries(value)) {
    const setting = Object.hasOwn(table, name) ? table[name] : undefined;
    if (setting === undefined)
      throw new FloeError(
        code,
        `${whole}: unknown key ${show(name)}; the nearest known key is ${nearest(name, Object.keys(table))}`,
      );
    if (given === undefined) continue;
    const checked = checkSetting(setting, given, nameOf(name), code);
    if (setting.commands.includes(command)) settings[name] = checked;
    else unused.push(name);
  }
  return { settings: settings as SettingValues<Table>, unused };
};

/** The defaults of a command below what is given. Settings without either are left out. */
export const withDefaultSettings = (
  table: SettingsTable,
  command: SettingCommand,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> => ({
  ...Object.fromEntries(
    Object.entries(table).flatMap(([name, setting]) => {
      const value = setting.commands.includes(command) ? defaultOf(setting, command) : undefined;
      return value === undefined ? [] : [[name, value]];
    }),
  ),
  ...given,
});

const numberOfText = (text: string, whole: boolean): number => {
  if (whole) return /^-?\d+$/u.test(text) ? Number(text) : Number.NaN;
  return text.trim() === '' ? Number.NaN : Number(text);
};

type Variant = Extract<SettingKind, { readonly type: 'variant' }>;

/**
 * `shards`, `shards:2`, `dirichlet:0.5`, `name:a=1,b=2`; undefined where the text is none of them.
 */
const variantOfText = (setting: Variant, text: string): unknown => {
  const at = text.indexOf(':');
  const type = at < 0 ? text : text.slice(0, at);
  if (!Object.hasOwn(setting.variants, type)) return undefined;
  if (at < 0) return withDefaults(setting, type);
  const parameters = setting.variants[type] ?? {};
  const names = Object.keys(parameters);
  const [only = ''] = names;
  const pairs = text
    .slice(at + 1)
    .split(',')
    .map((part) => {
      const equals = part.indexOf('=');
      return equals < 0 && names.length === 1
        ? ([only, part] as const)
        : ([part.slice(0, Math.max(equals, 0)), part.slice(equals + 1)] as const);
    });
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) return undefined;
  const given = pairs.map(([name, value]) => {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    return [name, parameter === undefined ? value : scalarOfText(parameter, value)] as const;
  });
  return withDefaults(setting, type, Object.fromEntries(given));
};

const scalarOfText = (kind: Pick<SettingKind, 'type'>, text: string): unknown => {
  switch (kind.type) {
    case 'integer':
    case 'duration':
      return numberOfText(text, true);
    case 'number':
    case 'fraction':
      return numberOfText(text, false);
    case 'boolean':
      return text === 'true' || (text === 'false' ? false : text);
    default:
      return text;
  }
};

/** `0.3`, or `share:0.1,upload:0.2`; undefined where a name comes twice or has no number. */
const fractionsOfText = (text: string): unknown => {
  if (!text.includes(':')) return numberOfText(text, false);
  const parts = text.split(',').map((part) => part.split(':'));
  const names = parts.map(([name = '']) => name.trim());
  if (new Set(names).size < names.length || parts.some((part) => part.length !== 2))
    return undefined;
  return Object.fromEntries(
    parts.map(([, value = ''], i) => [names[i], numberOfText(value, false)]),
  );
};

/**
 * The value that one text of a flag stands for, unchecked; of a repeated flag, one item of the
 * list.
 */
const valueOfText = (setting: SettingKind, text: string): unknown => {
  switch (setting.type) {
    case 'fractions':
      return fractionsOfText(text);
    case 'keys':
      return [text.replace(/^0x/iu, '')];
    case 'choices':
    case 'texts':
      return [text];
    default:
      return scalarOfText(setting, text);
  }
};

/**
 * The items of a repeated flag are checked one by one, so an item is judged by what an item may be.
 */
const expectedOfFlag = (setting: SettingKind): string => {
  if (setting.type === 'keys') return '64 hex digits';
  if (setting.type === 'texts') return `a text of 1 to ${setting.max} characters`;
  return setting.type === 'choices' ? `one of ${setting.choices.join(', ')}` : expected(setting);
};

/**
 * Of an alternative that is known, the parameter at fault says more than all the alternatives.
 *
 * @param at the parameter at fault
 * @returns undefined where the fault is no value of a parameter that the alternative has
 */
const expectedOfParameter = (
  setting: SettingKind,
  value: unknown,
  at: string | null,
): string | undefined => {
  if (setting.type !== 'variant' || at === null) return undefined;
  if (typeof value !== 'object' || value === null || !('type' in value)) return undefined;
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(setting.variants, type)) return undefined;
  const parameters = setting.variants[type] ?? {};
  const parameter = Object.hasOwn(parameters, at) ? parameters[at] : undefined;
  return parameter === undefined ? undefined : `as ${at} of ${type} ${expected(parameter)}`;
};

/**
 * Reads the text of a flag.
 *
 * @param label the flag, with its dashes
 * @throws FloeError `usage` naming the flag, what was expected and the text
 */
export const readFlag = (setting: SettingKind, label: string, text: string): unknown => {
  const value =
    setting.type === 'variant' ? variantOfText(setting, text) : valueOfText(setting, text);
  const bounded = setting.type === 'keys' ? { ...setting, min: 0 } : setting;
  const result = v.safeParse(schemaOf(bounded), value, { abortEarly: true });
  if (result.success) return result.output;
  const wanted =
    expectedOfParameter(setting, value, v.getDotPath(result.issues[0])) ?? expectedOfFlag(setting);
  throw new FloeError('usage', `${label}: expected ${wanted}, got ${JSON.stringify(text)}`);
};
