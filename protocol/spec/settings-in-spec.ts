/**
 * @module Settings and their places in the run specification: its defaults from the table, and the
 * fields that given settings make.
 */
import { fromHex } from '../bytes.ts';
import { fieldIn, type SpecFields } from './setting-schema.ts';
import { defaultOf, type Setting, type SettingsTable } from './setting.ts';

/** The value of a setting as the specification has it. */
const inSpec = (setting: Setting, value: unknown): unknown => {
  if (setting.type === 'keys') return (value as readonly string[]).map(fromHex);
  return setting.type === 'boolean' && setting.inSpec !== undefined
    ? setting.inSpec[value === true ? 1 : 0]
    : value;
};

/** The defaults of one group of the specification; fields without a default are left out. */
export const specDefaults = <const Table extends SettingsTable, const Group extends string>(
  table: Table,
  group: Group,
): SpecFields<Table, Group> =>
  Object.fromEntries(
    Object.values(table).flatMap((setting) => {
      const field = fieldIn(group, setting.spec);
      const value = defaultOf(setting, 'coordinator');
      return field === undefined || value === undefined ? [] : [[field, inSpec(setting, value)]];
    }),
  ) as SpecFields<Table, Group>;

/**
 * The fields of the specification that the given settings make, nested; the others are left out.
 * Settings without a place in the specification are skipped.
 */
export const specFieldsOf = (
  table: SettingsTable,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> => {
  const fields: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const value = given[name];
    if (value === undefined || setting.spec === undefined) continue;
    const [group = '', field] = setting.spec.split('.');
    const converted = inSpec(setting, value);
    fields[group] =
      field === undefined
        ? converted
        : { ...(fields[group] as Readonly<Record<string, unknown>>), [field]: converted };
  }
  return fields;
};
