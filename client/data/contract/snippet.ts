/**
 * @module What a refusal tells a site to write: the lines of a mapping file for the columns and
 * values that have no place in the contract, with the likely name where there is one.
 */
import { editDistance } from '../../../protocol/spec/nearest-name.ts';

/** Entries that one snippet has. */
const MOST = 20;
/** Names that are compared with each other. */
const COMPARED = 200;

/** ` (and 2 other values)` after the first one; nothing for none. */
export const andOthers = (count: number, word: string, words = `${word}s`): string =>
  count < 1 ? '' : ` (and ${count} other ${count === 1 ? word : words})`;

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');

/** The candidate that `name` most likely is; undefined where none is near. */
const likely = (name: string, candidates: readonly string[]): string | undefined => {
  const wanted = plain(name);
  let best: string | undefined;
  let least = Math.floor(wanted.length / 3) + 1;
  for (const candidate of candidates.slice(0, COMPARED)) {
    const distance = editDistance(wanted.slice(0, 64), plain(candidate).slice(0, 64));
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
};

const alternatives = (names: readonly string[]): string =>
  names.length <= 8 ? `<${names.join(' or ')}>` : `<one of ${names.slice(0, 6).join(', ')}, ...>`;

const written = (value: unknown): string => JSON.stringify(value);

/** For columns of the contract that the site lacks. @param unused own columns without a place */
export const columnSnippet = (missing: readonly string[], unused: readonly string[]): string => {
  const left = new Set(unused);
  const entries = missing.slice(0, MOST).map((name): [string, string] => {
    const own = likely(name, [...left]);
    if (own !== undefined) left.delete(own);
    return [own ?? `<your column for ${name}>`, name];
  });
  return written({ columns: Object.fromEntries(entries) });
};

type Entries = Readonly<Record<string, string | null>>;

/** For values that are none of the contract's. */
export const entriesAmong = (values: readonly string[], allowed: readonly string[]): Entries =>
  Object.fromEntries(
    values.slice(0, MOST).map((value) => [value, likely(value, allowed) ?? alternatives(allowed)]),
  );

/** For texts among numbers: missing values. */
export const missingEntries = (values: readonly string[]): Entries =>
  Object.fromEntries(values.slice(0, MOST).map((value) => [value, null]));

/** The lines for the values of columns. */
export const mappingOf = (columns: readonly (readonly [string, Entries])[]): string =>
  written({ values: Object.fromEntries(columns) });
