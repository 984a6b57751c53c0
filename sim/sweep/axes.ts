/**
 * @module The axes of a sweep: `seed=1..5`, `strategy=fedavg,fedprox`,
 * `server-learning-rate=0.1,1`, `model=mlp:64,32|linear`. Each value is read as the flag of its
 * name reads it.
 */
import { usage } from '../../protocol/spec/flag.ts';
import { nearest } from '../../protocol/spec/nearest-name.ts';
import { readFlag } from '../../protocol/spec/read-settings.ts';
import type { GivenSettings } from '../../protocol/spec/run-file.ts';
import { flagOf, type Setting } from '../../protocol/spec/setting.ts';
import { camel } from '../../protocol/spec/setting-flags.ts';
import { SETTINGS } from '../../protocol/spec/settings.ts';
import { knownStrategies } from '../../protocol/algorithm/registry.ts';

/** Values of one axis, and runs of a sweep, at most. */
export const MAX_POINTS = 10_000;

export interface AxisValue {
  /** As it was written. */
  readonly text: string;
  readonly settings: GivenSettings;
}

export interface Axis {
  /** The flag without its dashes. */
  readonly name: string;
  readonly values: readonly AxisValue[];
}

/** Settings that say where and how a run takes place, which one sweep has one of. */
const NOT_SWEPT = new Set(['network', 'local', 'workers']);

/** By the flag without dashes. */
const settingNamed = (flag: string): readonly [string, Setting] | undefined =>
  Object.entries(SETTINGS as Readonly<Record<string, Setting>>).find(
    ([name, setting]) => setting.commands.includes('sim') && flagOf(name, setting) === flag,
  );

/** The parameters of the strategies that are known, by their flags. */
const parameters = (): readonly string[] =>
  knownStrategies().flatMap((strategy) => strategy.parameters.map(({ name }) => name));

const flagOfParameter = (name: string): string => flagOf(name, {});

/** What one text means on an axis. @throws FloeError `usage` */
const reader = (name: string): ((text: string) => GivenSettings) => {
  const label = `--over ${name}`;
  if (name === 'strategy') return (text) => ({ strategy: { name: text, parameters: {} } });
  const setting = settingNamed(name);
  if (setting !== undefined && !NOT_SWEPT.has(setting[0]) && setting[1].type !== 'data')
    return (text) => ({ [setting[0]]: readFlag(setting[1], label, text) });
  if (parameters().some((known) => flagOfParameter(known) === name))
    return (text) => {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(value)) throw usage(label, 'a number', text);
      return { strategy: { parameters: { [camel(name)]: value } } };
    };
  const known = Object.entries(SETTINGS as Readonly<Record<string, Setting>>).flatMap(
    ([own, each]) =>
      each.commands.includes('sim') && each.type !== 'data' && !NOT_SWEPT.has(own)
        ? [flagOf(own, each)]
        : [],
  );
  const names = ['strategy', ...known, ...parameters().map(flagOfParameter)];
  throw usage('--over', `a setting of a simulation, the nearest is ${nearest(name, names)}`, name);
};

/** `1..5` is 1, 2, 3, 4, 5. */
const unrolled = (text: string): readonly string[] => {
  const [, from, to] = /^(-?\d{1,9})\.\.(-?\d{1,9})$/u.exec(text) ?? [];
  if (from === undefined || to === undefined) return [text];
  const [first, last] = [Number(from), Number(to)];
  if (last < first || last - first >= MAX_POINTS)
    throw usage('--over', `a range of 1 to ${MAX_POINTS} numbers, ascending`, text);
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i));
};

/**
 * Reads `name=value,value` or, for values with commas, `name=value|value`; `1..5` is a range.
 *
 * @throws FloeError `usage` naming the axis
 */
export const parseAxis = (text: string): Axis => {
  const at = text.indexOf('=');
  if (at < 1) throw usage('--over', 'name=values such as seed=1..5', text);
  // A scenario file writes `learningRate`: the same name as the flag's.
  const name = flagOf(text.slice(0, at).trim(), {});
  const values = text
    .slice(at + 1)
    .split(text.includes('|') ? '|' : ',')
    .map((value) => value.trim());
  const read = reader(name);
  const all = values.flatMap(unrolled);
  if (new Set(all).size < all.length) throw usage('--over', 'each value once', text);
  return { name, values: all.map((value) => ({ text: value, settings: read(value) })) };
};
