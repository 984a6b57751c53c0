/**
 * @module The points of a sweep: every combination of the values of its axes, the last axis
 * fastest.
 */
import { createHash } from 'node:crypto';
import { FloeError } from '../../protocol/errors.ts';
import { mergedStrategy, type GivenSettings } from '../../protocol/spec/run-file.ts';
import type { ScenarioInput } from '../scenario.ts';
import { MAX_POINTS, type Axis } from './axes.ts';

export interface Point {
  /** Names its folder. */
  readonly name: string;
  /** Its value on each axis, as written. */
  readonly values: Readonly<Record<string, string>>;
  readonly input: ScenarioInput;
}

/** Characters of a folder's name before it is cut. */
const MAX_NAME = 100;

/** `seed=1,strategy=fedavg`; other characters become `_`, and a hash tells such names apart. */
const nameOf = (values: Readonly<Record<string, string>>): string => {
  const whole = Object.entries(values)
    .map(([axis, text]) => `${axis}=${text}`)
    .join(',');
  const plain = whole.replaceAll(/[^\w.,=+-]/gu, '_').slice(0, MAX_NAME);
  if (plain === whole) return plain;
  return `${plain}-${createHash('sha256').update(whole).digest('hex').slice(0, 8)}`;
};

const withSettings = (
  { strategy: before, ...base }: ScenarioInput,
  { strategy, ...given }: GivenSettings,
): ScenarioInput => {
  const merged = strategy === undefined ? before : mergedStrategy(before, strategy);
  return { ...base, ...given, ...(merged === undefined ? {} : { strategy: merged }) };
};

/** Names come before parameters, which belong to them. */
const namedFirst = (settings: readonly GivenSettings[]): readonly GivenSettings[] =>
  settings.toSorted(
    (a, b) => Number(b.strategy?.name !== undefined) - Number(a.strategy?.name !== undefined),
  );

/** @throws FloeError `usage` for an axis that comes twice, or too many points */
export const gridOf = (base: ScenarioInput, axes: readonly Axis[]): readonly Point[] => {
  const names = axes.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new FloeError('usage', `--over: ${twice} comes twice`);
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  if (count > MAX_POINTS)
    throw new FloeError('usage', `--over: expected at most ${MAX_POINTS} runs, got ${count}`);
  let combined: readonly (readonly Axis['values'][number][])[] = [[]];
  for (const { values } of axes)
    combined = combined.flatMap((before) => values.map((value) => [...before, value]));
  return combined.map((chosen) => {
    const values = Object.fromEntries(chosen.map(({ text }, i) => [names[i] as string, text]));
    const settings = namedFirst(chosen.map((value) => value.settings));
    return { name: nameOf(values), values, input: settings.reduce(withSettings, base) };
  });
};
