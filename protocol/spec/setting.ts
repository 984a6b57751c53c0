/**
 * @module The kinds of settings: what an entry of a settings table looks like, the type of its
 * value, and the words for the values that it takes. Everything that knows settings (specification,
 * run file, flags, docs) is derived from such entries.
 */

import type { GenericSchema, InferOutput } from 'valibot';

/** Commands that take settings. `coordinator` and `sim` also read them from a run file. */
export const SETTING_COMMANDS = [
  'sim',
  'coordinator',
  'fork',
  'cost',
  'join',
  'evaluate',
  'predict',
  'contract infer',
  'contract check',
] as const;
export type SettingCommand = (typeof SETTING_COMMANDS)[number];
export const EVERY_RUN = [
  'sim',
  'coordinator',
  'fork',
] as const satisfies readonly SettingCommand[];
export const REAL_RUNS = ['coordinator', 'fork'] as const satisfies readonly SettingCommand[];
/** Commands that read a file of data. */
export const DATA_READERS = [
  'sim',
  'join',
  'evaluate',
  'predict',
  'contract infer',
  'contract check',
] as const satisfies readonly SettingCommand[];

/** Sections of docs/settings.md, in order. */
export const SETTING_AREAS = {
  run: 'Run and model',
  cohort: 'Participants and cohorts',
  training: 'Training',
  encoding: 'Encoding and masks',
  robustness: 'Robust aggregation',
  privacy: 'Differential privacy',
  timeouts: 'Timeouts',
  readers: 'Readers of the models',
  place: 'Where a run is kept',
  simulation: 'Simulation',
} as const;
export type SettingArea = keyof typeof SETTING_AREAS;

/** What holds where a setting is not given; a simulation may have another default. */
interface Defaults<Value> {
  readonly default?: Value;
  readonly simulated?: Value;
}

/** A whole number in [min, max]; of a duration, in seconds. */
export interface IntegerKind extends Defaults<number> {
  readonly type: 'integer' | 'duration';
  readonly min: number;
  readonly max: number;
}
/** A finite number, above `above` or at least `min`, at most `max`. */
interface NumberKind extends Defaults<number> {
  readonly type: 'number' | 'fraction';
  readonly above?: number;
  readonly min?: number;
  readonly max: number;
}
interface BooleanKind extends Defaults<boolean> {
  readonly type: 'boolean';
  readonly default: boolean;
  /** Help of the flag `--no-...`, of a setting that is on by default. */
  readonly off?: string;
  /** What the specification has for false and for true, where that is not the boolean. */
  readonly inSpec?: readonly [off: string, on: string];
}
interface ChoiceKind extends Defaults<string> {
  readonly type: 'choice';
  readonly choices: readonly string[];
}
/** A list of distinct choices; its flag is repeated. */
interface ChoicesKind {
  readonly type: 'choices';
  readonly choices: readonly string[];
}
/** A list of at most `most` distinct texts of 1 to `max` characters; its flag is repeated. */
interface TextsKind {
  readonly type: 'texts';
  readonly max: number;
  readonly most: number;
}
/** Text of 1 to `max` characters. */
interface TextKind extends Defaults<string> {
  readonly type: 'text';
  readonly max: number;
}
/** Path of a file, relative to the folder that a command is called in. */
interface FileKind {
  readonly type: 'file';
}
/**
 * A list of `min` to `max` Ed25519 keys in hex. Its flag names a file of keys, or one key and is
 * repeated.
 */
interface KeysKind {
  readonly type: 'keys';
  readonly min: number;
  readonly max: number;
  readonly flagNames: 'file' | 'key';
}
/**
 * A fraction in [0, 1) for each of some names; a single number is spread evenly over all of them.
 */
interface FractionsKind {
  readonly type: 'fractions';
  readonly of: readonly string[];
}
/**
 * One of several alternatives, each with its own parameters: `{"type": NAME, ...}`, as a flag
 * `NAME` or `NAME:VALUE`.
 */
interface VariantKind extends Defaults<string> {
  readonly type: 'variant';
  /** A default names an alternative without required parameters. */
  readonly variants: Readonly<Record<string, ParameterTable>>;
}

/**
 * A value with its own schema, as JSON in a run file. Its flags, where it has some, are made
 * apart from the table.
 */
interface DataKind extends Defaults<object> {
  readonly type: 'data';
  readonly schema: GenericSchema;
  /** What it takes, after "expected". */
  readonly expected: string;
  readonly flags: boolean;
  /** True: its flag names a file with the value. */
  readonly file?: boolean;
}

/** Kinds that stand alone, and as parameters of an alternative. */
export type ScalarKind = IntegerKind | NumberKind | BooleanKind | ChoiceKind | TextKind;
/** What an entry says of its values. */
export type SettingKind =
  | ScalarKind
  | ChoicesKind
  | TextsKind
  | FileKind
  | KeysKind
  | FractionsKind
  | VariantKind
  | DataKind;

/** A parameter of one alternative, such as of a strategy. Required where it has no default. */
export type Parameter = ScalarKind & { readonly help: string };
export type ParameterTable = Readonly<Record<string, Parameter>>;

interface Entry {
  readonly area: SettingArea;
  /** One line, without the default and without the range. */
  readonly help: string;
  /**
   * What holds where nothing is given and there is no default, for all commands or for those named.
   */
  readonly otherwise?: string | Partial<Readonly<Record<SettingCommand, string>>>;
  /** Without dashes; the name in kebab case where it is missing. */
  readonly flag?: string;
  /**
   * How a value is written in help, such as `<name>`; follows from the kind where it is missing.
   */
  readonly placeholder?: string;
  /**
   * Place in the run specification, with dots. Missing where only a simulator or a coordinator has
   * it.
   */
  readonly spec?: string;
  /** True leaves the field out of the specification where the setting is not given. */
  readonly optional?: boolean;
  /** Commands with the flag. Also which of `sim` and `coordinator` use the key of a run file. */
  readonly commands: readonly SettingCommand[];
}

export type Setting = SettingKind & Entry;
/** Keys of a run file to what they mean. */
export type SettingsTable = Readonly<Record<string, Setting>>;

type ParametersOf<Table> = { readonly [Name in keyof Table]: SettingValue<Table[Name]> };

/** The type of a setting's value. */
export type SettingValue<Of> = Of extends {
  readonly type: IntegerKind['type'] | NumberKind['type'];
}
  ? number
  : Of extends { readonly type: 'boolean' }
    ? boolean
    : Of extends { readonly type: 'choice'; readonly choices: readonly (infer Choice)[] }
      ? Choice
      : Of extends { readonly type: 'choices'; readonly choices: readonly (infer Choice)[] }
        ? readonly Choice[]
        : Of extends { readonly type: 'text' | 'file' }
          ? string
          : Of extends { readonly type: 'texts' }
            ? readonly string[]
            : Of extends { readonly type: 'keys' }
              ? readonly string[]
              : Of extends { readonly type: 'fractions'; readonly of: readonly (infer Name)[] }
                ? number | { readonly [Key in Name & string]?: number }
                : Of extends { readonly type: 'variant'; readonly variants: infer Variants }
                  ? {
                      readonly [Type in keyof Variants]: {
                        readonly type: Type;
                      } & ParametersOf<Variants[Type]>;
                    }[keyof Variants]
                  : Of extends { readonly type: 'data'; readonly schema: infer Schema }
                    ? Schema extends GenericSchema
                      ? InferOutput<Schema>
                      : never
                    : never;

/** What is given of a table: any of its keys. */
export type SettingValues<Table extends SettingsTable> = {
  readonly [Name in keyof Table]?: SettingValue<Table[Name]>;
};

/** The flag of a setting, without its dashes and without `no-`. */
export const flagOf = (name: string, { flag }: Pick<Setting, 'flag'>): string =>
  flag ?? name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`);

/** One alternative with its parameters. */
export interface Alternative {
  readonly type: string;
  readonly [parameter: string]: unknown;
}

/** One alternative, with the defaults of its parameters below what is given. */
export const withDefaults = (
  { variants }: VariantKind,
  type: string,
  given: Readonly<Record<string, unknown>> = {},
): Alternative => ({
  type,
  ...Object.fromEntries(
    Object.entries(variants[type] ?? {}).flatMap(([name, parameter]) =>
      parameter.default === undefined ? [] : [[name, parameter.default]],
    ),
  ),
  ...given,
});

/** What a setting is where nothing is given; undefined where that is no fixed value. */
export const defaultOf = (
  setting: Setting,
  command: SettingCommand,
): number | boolean | string | object | undefined => {
  const { otherwise } = setting;
  if (typeof otherwise === 'object' && otherwise[command] !== undefined) return undefined;
  if (!('default' in setting || 'simulated' in setting)) return undefined;
  const value = command === 'sim' ? (setting.simulated ?? setting.default) : setting.default;
  return setting.type === 'variant' && typeof value === 'string'
    ? withDefaults(setting, value)
    : value;
};

/** The same in words; undefined where a setting that is not given is simply not there. */
export const defaultText = (setting: Setting, command: SettingCommand): string | undefined => {
  const { otherwise } = setting;
  const words = typeof otherwise === 'object' ? otherwise[command] : otherwise;
  const value = defaultOf(setting, command);
  if (words !== undefined || value === undefined) return words;
  return typeof value === 'object' ? (value as Alternative).type : String(value);
};

/** `a, b or c`. */
export const listed = (items: readonly string[], last = 'or'): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`;

const numberText = ({ above, min = 0, max }: NumberKind, noun: string): string =>
  above === undefined ? `${noun} from ${min} to ${max}` : `${noun} above ${above}, at most ${max}`;

const upper = (name: string): string => flagOf(name, {}).toUpperCase();

/** One alternative as a flag is written: `shards:PER-PARTICIPANT`. */
const variantText = (type: string, parameters: ParameterTable): string => {
  const names = Object.keys(parameters);
  if (names.length === 0) return type;
  const [first = ''] = names;
  const written =
    names.length === 1 ? upper(first) : names.map((name) => `${name}=${upper(name)}`).join(',');
  const full = `${type}:${written}`;
  return Object.values(parameters).every((parameter) => parameter.default !== undefined)
    ? `${type}, ${full}`
    : full;
};

/** What a setting takes, after "expected". */
export const expected = (kind: SettingKind): string => {
  switch (kind.type) {
    case 'integer':
      return `a whole number from ${kind.min} to ${kind.max}`;
    case 'duration':
      return `a whole number of seconds from ${kind.min} to ${kind.max}`;
    case 'number':
      return numberText(kind, 'a number');
    case 'fraction':
      return numberText(kind, 'a fraction');
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${kind.choices.join(', ')}`;
    case 'choices':
      return `a list of ${listed(kind.choices, 'and')}, each at most once`;
    case 'texts':
      return `a list of at most ${kind.most} texts of 1 to ${kind.max} characters, each once`;
    case 'text':
      return `a text of 1 to ${kind.max} characters`;
    case 'file':
      return 'the path of a file';
    case 'keys':
      return `a list of ${kind.min} to ${kind.max} keys, each 64 hex digits`;
    case 'fractions':
      return `a fraction from 0 and below 1, or one for each of ${listed(kind.of, 'and')}`;
    case 'variant':
      return listed(Object.entries(kind.variants).map(([type, table]) => variantText(type, table)));
    case 'data':
      return kind.expected;
  }
};
