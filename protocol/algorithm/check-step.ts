/**
 * @module What a participant's check of one block relies on: the step of a strategy is a function
 * of its inputs, and coordinate-wise. It is tried on a few numbers when a strategy is registered,
 * so that one that is neither is refused before it lets an honest coordinator look like a forger.
 */
import { FloeError } from '../errors.ts';
import { seededRandom } from '../ports/random.ts';
import { utf8, sha256 } from '../bytes.ts';
import type { Strategy } from './strategy.ts';

const SIZE = 12;

/** Numbers in (-1, 1), the same for everybody. */
const numbers = (label: string, size: number): Float32Array => {
  const bytes = seededRandom(sha256(utf8(label)))(2 * size);
  return Float32Array.from(
    { length: size },
    (_, i) => ((bytes[2 * i]! | (bytes[2 * i + 1]! << 8)) - 32_767.5) / 32_768,
  );
};

interface Stepped {
  readonly after: Float32Array;
  readonly state: readonly Float32Array[];
}

/** The step at some of the coordinates. */
const stepAt = (strategy: Strategy, at: readonly number[]): Stepped => {
  const pick = (label: string): Float32Array => {
    const all = numbers(label, SIZE);
    return Float32Array.from(at, (i) => all[i]!);
  };
  const scalars = strategy.member?.scalars ?? [];
  // A state may hold squares, which are never negative.
  const stateBefore = strategy.state.map(({ name }) => pick(`state ${name}`).map(Math.abs));
  const segments = strategy.member?.segments ?? [];
  const extra = segments.map(({ name }) => pick(`extra ${name}`));
  const inputs = [pick('mean'), pick('before'), ...extra, ...stateBefore];
  const copies = inputs.map((values) => values.slice());
  const after = new Float32Array(at.length);
  const state = strategy.state.map(() => new Float32Array(at.length));
  strategy.step({
    parameters: Object.fromEntries(strategy.parameters.map((spec) => [spec.name, spec.default])),
    totals: {
      weight: 100,
      survivors: 5,
      scalars: Object.fromEntries(scalars.map(({ name }) => [name, 3])),
    },
    mean: inputs[0]!,
    extra: inputs.slice(2, 2 + segments.length),
    before: inputs[1]!,
    stateBefore: inputs.slice(2 + segments.length),
    after,
    stateAfter: state,
  });
  if (inputs.some((values, k) => !same(values, copies[k]!)))
    throw new FloeError('strategy_invalid', `the step of ${strategy.name} changes its inputs`);
  return { after, state };
};

const same = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

/** @throws FloeError `strategy_invalid` */
export const checkStep = (strategy: Strategy): void => {
  const all = Array.from({ length: SIZE }, (_, i) => i);
  const { after, state } = stepAt(strategy, all);
  const whole = [after, ...state];
  for (const at of [all, all.filter((i) => i % 3 === 1), [7], [11, 0, 4]]) {
    const part = stepAt(strategy, at);
    const isSame = [part.after, ...part.state].every((values, k) =>
      values.every((value, g) => Object.is(value, whole[k]![at[g]!])),
    );
    if (!isSame)
      throw new FloeError(
        'strategy_invalid',
        `the step of ${strategy.name} is not coordinate-wise, or differs from call to call`,
      );
  }
};
