/**
 * @module A site's mapping file: which of its own columns and values are which of the data
 * contract's. Equal names need no entry.
 */
import * as v from 'valibot';
import { FloeError } from '../../../protocol/errors.ts';
import { type Contract, targetColumns } from '../../../protocol/spec/contract.ts';
import { nearest } from '../../../protocol/spec/nearest-name.ts';
import { parseJson } from '../../../protocol/spec/parse-contract.ts';
import { parseWith } from '../../../protocol/wire/cbor.ts';

const text = v.pipe(v.string(), v.maxLength(10_000));

const mappingSchema = v.strictObject({
  /** Own column to the contract's. */
  columns: v.optional(v.record(text, text)),
  /** By column, own or the contract's: own value to the contract's; null is a missing value. */
  values: v.optional(v.record(text, v.record(text, v.nullable(text)))),
});

/** `{"columns": {"Alter": "age"}, "values": {"Befund": {"gut": "benign", "unklar": null}}}`. */
export type Mapping = v.InferOutput<typeof mappingSchema>;

/** @throws FloeError `mapping_invalid` naming the field */
export const parseMapping = (json: unknown, whole = 'mapping'): Mapping => {
  const value = typeof json === 'string' ? parseJson(json, 'mapping_invalid', whole) : json;
  return parseWith(mappingSchema, value, 'mapping_invalid');
};

const invalid = (message: string, details: Readonly<Record<string, string>>): FloeError =>
  new FloeError('mapping_invalid', message, details);

/** Columns that a contract knows, of features and of the target. */
export const contractColumns = ({ input, target }: Contract): readonly string[] => [
  ...(input.type === 'table' ? input.features.map(({ name }) => name) : []),
  ...targetColumns(target),
];

const unknown = (name: string, known: readonly string[]): string => {
  const near = nearest(name, known.slice(0, 1000));
  return near === undefined ? '' : `; the nearest is ${JSON.stringify(near)}`;
};

/**
 * The own columns by the contract's names: those that the mapping names, and those of equal names.
 *
 * @throws FloeError `mapping_invalid` for names that neither side has, and for two columns that are
 * one of the contract's
 */
export const columnsByContract = (
  own: readonly string[],
  contract: Contract,
  { columns = {} }: Mapping,
): ReadonlyMap<string, string> => {
  const there = new Set(own);
  const known = contractColumns(contract);
  const wanted = new Set(known);
  const found = new Map<string, string>();
  for (const [mine, name] of Object.entries(columns)) {
    if (!there.has(mine))
      throw invalid(
        `columns: the data has no column ${JSON.stringify(mine)}${unknown(mine, own)}`,
        { column: mine },
      );
    if (!wanted.has(name))
      throw invalid(
        `columns: the contract has no column ${JSON.stringify(name)}${unknown(name, known)}`,
        { column: mine, value: name },
      );
    const before = found.get(name);
    if (before !== undefined)
      throw invalid(
        `columns: ${JSON.stringify(before)} and ${JSON.stringify(mine)} are both mapped to ${JSON.stringify(name)}`,
        { column: mine, value: name },
      );
    found.set(name, mine);
  }
  for (const name of known) {
    if (!there.has(name) || Object.hasOwn(columns, name)) continue;
    const before = found.get(name);
    if (before !== undefined)
      throw invalid(
        `columns: ${JSON.stringify(before)} is mapped to ${JSON.stringify(name)}, and the data has a column of that name too`,
        { column: before, value: name },
      );
    found.set(name, name);
  }
  return found;
};

/** Own value to the contract's; null: missing. */
export type ValueMap = ReadonlyMap<string, string | null>;

/**
 * The mapping of one column's values, under its own name or the contract's.
 *
 * @param allowed the contract's values; undefined where any value may be
 * @throws FloeError `mapping_invalid` for a value that the contract does not have
 */
export const valuesOf = (
  { values = {} }: Mapping,
  own: string,
  name: string,
  allowed?: readonly string[],
): ValueMap => {
  const merged = { ...values[name], ...values[own] };
  const known = allowed && new Set(allowed);
  for (const [from, to] of Object.entries(merged))
    if (to !== null && known?.has(to) === false)
      throw invalid(
        `values.${own}: the contract's ${name} has no value ${JSON.stringify(to)}; it has ${allowed?.slice(0, 20).join(', ')}`,
        { column: own, value: from },
      );
  return new Map(Object.entries(merged));
};

/** @throws FloeError `mapping_invalid` for values of a column that neither side has */
export const checkValueColumns = (
  { values = {} }: Mapping,
  found: ReadonlyMap<string, string>,
): void => {
  const known = new Set([...found.keys(), ...found.values()]);
  for (const column of Object.keys(values))
    if (!known.has(column))
      throw invalid(
        `values: neither the contract nor a column mapped to it is named ${JSON.stringify(column)}${unknown(column, [...known])}`,
        { column },
      );
};
