/**
 * @module The valibot schema of a setting: of its value in a run file or scenario, and of its field
 * in the run specification. Every message says what was expected and what came.
 */
import * as v from 'valibot';
import { fixedBytes } from '../wire/cbor.ts';
import {
  expected,
  type ParameterTable,
  type SettingKind,
  type SettingsTable,
  type SettingValue,
} from './setting.ts';

const SHOWN = 80;

/** A refused value, short enough for a line. */
export const show = (value: unknown): string => {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const text =
    typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
};

type Message = (issue: { readonly input: unknown }) => string;

const messageOf =
  (expectation: string): Message =>
  ({ input }) =>
    `expected ${expectation}, got ${show(input)}`;

const numberSchema = (
  { above, min, max }: { readonly above?: number; readonly min?: number; readonly max: number },
  message: Message,
): v.GenericSchema<number> =>
  above === undefined
    ? v.pipe(
        v.number(message),
        v.finite(message),
        v.minValue(min ?? 0, message),
        v.maxValue(max, message),
      )
    : v.pipe(
        v.number(message),
        v.finite(message),
        v.gtValue(above, message),
        v.maxValue(max, message),
      );

const distinct = (list: readonly unknown[]): boolean => new Set(list).size === list.length;

/** In the specification an empty list is left out, so it has one item at least. */
const choicesSchema = (choices: readonly string[], message: Message, least: number) =>
  v.pipe(
    v.array(v.picklist(choices, messageOf(`one of ${choices.join(', ')}`)), message),
    v.minLength(least, message),
    v.check((list) => distinct(list), message),
  );

/**
 * The alternatives; parameters with a default may be left out, unless `whole`: the bytes of a
 * specification say everything.
 */
const variantSchema = (
  variants: Readonly<Record<string, ParameterTable>>,
  message: Message,
  whole: boolean,
): v.GenericSchema =>
  v.variant(
    'type',
    Object.entries(variants).map(([type, parameters]) =>
      v.strictObject({
        type: v.literal(type),
        ...Object.fromEntries(
          Object.entries(parameters).map(([name, parameter]) => [
            name,
            whole || parameter.default === undefined
              ? anySchema(parameter)
              : v.optional(anySchema(parameter), parameter.default),
          ]),
        ),
      }),
    ),
    message,
  );

const anySchema = (kind: SettingKind): v.GenericSchema => {
  const message = messageOf(expected(kind));
  switch (kind.type) {
    case 'integer':
    case 'duration':
      return v.pipe(
        v.number(message),
        v.safeInteger(message),
        v.minValue(kind.min, message),
        v.maxValue(kind.max, message),
      );
    case 'number':
    case 'fraction':
      return numberSchema(kind, message);
    case 'boolean':
      return v.boolean(message);
    case 'choice':
      return v.picklist(kind.choices, message);
    case 'choices':
      return choicesSchema(kind.choices, message, 0);
    case 'texts':
      return v.pipe(
        v.array(
          v.pipe(v.string(message), v.minLength(1, message), v.maxLength(kind.max, message)),
          message,
        ),
        v.maxLength(kind.most, message),
        v.check((list) => distinct(list), message),
      );
    case 'text':
      return v.pipe(v.string(message), v.minLength(1, message), v.maxLength(kind.max, message));
    case 'file':
      return v.pipe(v.string(message), v.minLength(1, message), v.maxLength(4096, message));
    case 'keys':
      return v.pipe(
        v.array(
          v.pipe(
            v.string(message),
            v.toLowerCase(),
            v.regex(/^[0-9a-f]{64}$/u, messageOf('64 hex digits')),
          ),
          message,
        ),
        v.minLength(kind.min, `expected ${expected(kind)}`),
        v.maxLength(kind.max, `expected ${expected(kind)}`),
      );
    case 'fractions': {
      const fraction = v.pipe(v.number(message), v.minValue(0, message), v.ltValue(1, message));
      const names = kind.of.map((name) => [name, v.optional(fraction)]);
      return v.union([fraction, v.strictObject(Object.fromEntries(names), message)], message);
    }
    case 'variant':
      return variantSchema(kind.variants, message, false);
    case 'data':
      return kind.schema;
  }
};

/** The schema of a value as a run file, a scenario or a flag gives it. */
export const schemaOf = <const Kind extends SettingKind>(
  kind: Kind,
): v.GenericSchema<unknown, SettingValue<Kind>> =>
  anySchema(kind) as v.GenericSchema<unknown, SettingValue<Kind>>;

/** The type of a field of the specification: keys are bytes, some booleans have names. */
export type SpecValue<Of> = Of extends { readonly type: 'keys' }
  ? Uint8Array[]
  : Of extends { readonly type: 'boolean'; readonly inSpec: readonly (infer Name)[] }
    ? Name
    : Of extends { readonly type: 'choices'; readonly choices: readonly (infer Choice)[] }
      ? Choice[]
      : SettingValue<Of>;

/** The schema of a field of the specification. */
export const specSchemaOf = <const Kind extends SettingKind>(
  kind: Kind,
): v.GenericSchema<SpecValue<Kind>> => {
  const schema = ((): v.GenericSchema => {
    if (kind.type === 'boolean' && kind.inSpec !== undefined)
      return v.picklist(kind.inSpec.toReversed(), messageOf(`one of ${kind.inSpec.join(', ')}`));
    if (kind.type === 'choices') return choicesSchema(kind.choices, messageOf(expected(kind)), 1);
    if (kind.type === 'variant')
      return variantSchema(kind.variants, messageOf(expected(kind)), true);
    if (kind.type !== 'keys') return anySchema(kind);
    const keys = v.array(fixedBytes(32));
    return kind.min === 0
      ? v.pipe(keys, v.maxLength(kind.max))
      : v.pipe(keys, v.minLength(kind.min), v.maxLength(kind.max));
  })();
  return schema as v.GenericSchema<SpecValue<Kind>>;
};

/**
 * The name below a group: `size` of `cohort.size` in `cohort`; fields at the top where the group is
 * ''.
 */
type FieldOf<Of, Group extends string> = Of extends { readonly spec: infer Path extends string }
  ? Group extends ''
    ? Path extends `${string}.${string}`
      ? never
      : Path
    : Path extends `${Group}.${infer Field}`
      ? Field
      : never
  : never;

/** The fields that the settings of a table have in one group of the specification. */
export type SpecEntries<Table, Group extends string> = {
  readonly [Name in keyof Table as FieldOf<Table[Name], Group>]: Table[Name] extends {
    readonly optional: true;
  }
    ? v.OptionalSchema<v.GenericSchema<SpecValue<Table[Name]>>, undefined>
    : v.GenericSchema<SpecValue<Table[Name]>>;
};

/**
 * The name of a setting's field in a group of the specification; undefined where it is not in that
 * group.
 */
export const fieldIn = (group: string, path: string | undefined): string | undefined => {
  if (path === undefined) return undefined;
  const at = path.lastIndexOf('.');
  return path.slice(0, Math.max(at, 0)) === group ? path.slice(at + 1) : undefined;
};

/** Schemas of the fields of one group of the specification, in the order of the table. */
export const specEntries = <const Table extends SettingsTable, const Group extends string>(
  table: Table,
  group: Group,
): SpecEntries<Table, Group> =>
  Object.fromEntries(
    Object.values(table).flatMap((setting) => {
      const field = fieldIn(group, setting.spec);
      if (field === undefined) return [];
      const schema = specSchemaOf(setting);
      return [[field, setting.optional === true ? v.optional(schema) : schema]];
    }),
  ) as SpecEntries<Table, Group>;

/** The values of that group of the specification. */
export type SpecFields<Table, Group extends string> = {
  [
    Name in keyof Table as Table[Name] extends { readonly optional: true }
      ? never
      : FieldOf<Table[Name], Group>
  ]: SpecValue<Table[Name]>;
};
