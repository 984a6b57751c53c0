/**
 * @module The default of the server rate in buffered rounds: its values, that the user's own wins,
 * and that it keeps a model stable that waits for late updates, where the usual rate does not.
 */
import { describe, expect, it } from 'vitest';
import { makeStrategySpec } from '../../protocol/algorithm/registry.ts';
import { stalenessFactor } from '../../protocol/rules/buffered.ts';
import { describeBuffer } from '../../protocol/spec/describe-buffer.ts';
import { makeRunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';

const rateOf = ({ parameters }: { parameters: readonly { name: string; value: number }[] }) =>
  parameters.find(({ name }) => name === 'serverLearningRate')?.value;

describe('the rate where none is given', () => {
  it.each([
    ['fedavg', 6, 30, 0.447],
    ['fedavg', 10, 10, 1],
    ['fedavg', 3, 300, 0.1],
    ['fedavgm', 6, 30, 0.447],
    ['diloco', 5, 20, 0.35],
    ['fedadam', 5, 20, 0.0025],
  ])('%s, K %i of %i: %d', (name, buffer, members, rate) => {
    expect(rateOf(makeStrategySpec({ name }, { members, buffer }))).toBe(rate);
  });

  it('is the usual one without a buffer, and what the user gives with one', () => {
    expect(rateOf(makeStrategySpec({}, { members: 30 }))).toBe(1);
    const given = { parameters: { serverLearningRate: 0.8 } };
    expect(rateOf(makeStrategySpec(given, { members: 30, buffer: 6 }))).toBe(0.8);
  });
});

/**
 * Whether x goes to 0 where each commit adds the step of an update that is `age` commits old, on
 * f(x) = x^2 / 2 and with local training that reaches the minimum of its own model.
 */
const settles = (rate: number, age: number): boolean => {
  const models = new Float64Array(4000).fill(1);
  for (let i = age + 1; i < models.length; i += 1)
    models[i] = models[i - 1]! - rate * stalenessFactor(age) * models[i - 1 - age]!;
  return Math.abs(models[models.length - 1]!) < 1e-3;
};

it.each([2, 3, 4, 5, 9, 30, 85])('is stable where M is %i times K', (times) => {
  const rate = rateOf(makeStrategySpec({}, { members: 3 * times, buffer: 3 }))!;
  expect(settles(rate, times - 1)).toBe(true);
  // The rate without a buffer is not, from four times on.
  expect(settles(1, times - 1)).toBe(times < 4);
});

describe('a run', () => {
  const keys = Array.from({ length: 12 }, (_, i) => new Uint8Array(32).fill(i + 1));
  const runWith = (over: Partial<RunSpecInput> = {}) =>
    makeRunSpec({
      id: new Uint8Array(16),
      coordinator: new Uint8Array(32),
      model: {
        architecture: 'custom',
        tensors: [{ name: 'w', shape: [4], dtype: 'float32' }],
      },
      members: { type: 'closed', keys },
      cohort: { size: 3, minimum: 3 },
      buffer: { size: 3 },
      ...over,
    });
  const told = (over?: Partial<RunSpecInput>) => {
    const { buffer, strategy } = runWith(over);
    return describeBuffer(buffer!, { members: keys.length, strategy });
  };

  it('has the default in its specification, and says where it comes from', () => {
    expect(rateOf(runWith().strategy)).toBe(0.5);
    expect(told()[1]).toMatch(
      /serverLearningRate 0.5 by default: 12 members .* about 4 rounds \(1 without/,
    );
  });

  it("has the user's own, and says that it was given, and what the default is", () => {
    const strategy = { parameters: { serverLearningRate: 1 } };
    expect(rateOf(runWith({ strategy }).strategy)).toBe(1);
    expect(told({ strategy })[1]).toMatch(/serverLearningRate 1 as it was given.* default is 0.5/);
  });
});
