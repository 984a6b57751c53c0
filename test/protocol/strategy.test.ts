/**
 * Strategies as data: what is registered, what a specification may say, what their step must be.
 */
import { describe, expect, it } from 'vitest';
import { describeStrategies } from '../../protocol/algorithm/describe.ts';
import { DEFAULT_METRICS } from '../../protocol/algorithm/metrics.ts';
import {
  codeOf,
  hashStrategy,
  knownStrategies,
  makeStrategySpec,
  registerStrategy,
  strategyOf,
} from '../../protocol/algorithm/registry.ts';
import { checkStep } from '../../protocol/algorithm/check-step.ts';
import { hashState, stateTensors, stateVectors } from '../../protocol/algorithm/state.ts';
import type { ServerStep, Strategy } from '../../protocol/algorithm/strategy.ts';
import { parentFor } from '../../protocol/model/run-start.ts';
import { decodeRunSpec, encodeRunSpec } from '../../protocol/spec/run-spec.ts';
import { testSpec } from '../support/run.ts';

const CODE = new Uint8Array(32).fill(1);
const OTHER = new Uint8Array(32).fill(2);

const plain = (over: Partial<Strategy> = {}): Strategy => ({
  name: 'plain',
  summary: 'adds the mean',
  source: 'a test',
  parameters: [{ name: 'rate', default: 1, least: 0, most: 2, help: 'a factor' }],
  state: [],
  step: ({ mean, before, after }) => {
    for (let i = 0; i < after.length; i += 1) after[i] = before[i]! + mean[i]!;
  },
  ...over,
});

const total = (values: Float32Array): number => values.reduce((a, b) => a + b, 0);

describe('registerStrategy', () => {
  it('names a field that a module left out', () => {
    const { state: _state, ...bare } = plain();
    expect(() => registerStrategy(bare as Strategy, CODE)).toThrow(/^state: missing$/u);
    expect(() => registerStrategy(undefined as never, CODE)).toThrow(/^strategy: missing$/u);
  });

  const steps: [string, (input: ServerStep) => void, RegExp][] = [
    [
      'a step over all coordinates',
      ({ mean, after }) => void after.fill(total(mean)),
      /not coordinate-wise/,
    ],
    [
      'a step by place',
      ({ after }) => after.forEach((_, i) => (after[i] = i)),
      /not coordinate-wise/,
    ],
    ['a random step', ({ after }) => void after.fill(Math.random()), /not coordinate-wise/],
    [
      'a step that changes the model it got',
      ({ before, after }) => {
        after.set(before);
        before.fill(0);
      },
      /changes its inputs/,
    ],
  ];
  it.each(steps)('refuses %s', (_, step, reason) => {
    expect(() => registerStrategy(plain({ step }), CODE)).toThrow(reason);
  });

  it.each<[string, Partial<Strategy>, RegExp]>([
    ['a name with blanks', { name: 'my own' }, /name/],
    ['a vector twice', { state: [{ name: 'm' }, { name: 'm' }] }, /each vector once/],
    [
      'a default out of range',
      { parameters: [{ name: 'rate', default: 3, least: 0, most: 2, help: '' }] },
      /default of rate/,
    ],
    [
      'nine scalars',
      {
        member: {
          scalars: Array.from({ length: 9 }, (_, i) => ({
            name: `s${i}`,
            kind: 'sum' as const,
            scale: 1,
          })),
          prepare: () => ({}),
        },
      },
      /scalars/,
    ],
    ['no step', { step: undefined as never }, /step/],
  ])('refuses %s', (_, over, reason) => {
    expect(() => registerStrategy(plain(over), CODE)).toThrow(reason);
  });

  it("takes the same code again, and no other under a name that is taken, Floe's included", () => {
    registerStrategy(plain(), CODE);
    registerStrategy(plain(), CODE);
    expect(() => registerStrategy(plain(), OTHER)).toThrow('is taken');
    expect(() => registerStrategy(plain({ name: 'fedavg' }), CODE)).toThrow('is taken');
    expect(() => registerStrategy(plain({ name: 'short' }), new Uint8Array(5))).toThrow('32 bytes');
  });
});

describe('the strategy of a specification', () => {
  it('is FedAvg unless told, with the defaults of its parameters', async () => {
    const spec = await testSpec();
    expect(spec.strategy).toEqual({
      name: 'fedavg',
      parameters: [{ name: 'serverLearningRate', value: 1 }],
    });
    expect(spec.metrics).toEqual(DEFAULT_METRICS);
    expect(strategyOf(decodeRunSpec(encodeRunSpec(spec))).parameters).toEqual({
      serverLearningRate: 1,
    });
  });

  it.each<[string, Parameters<typeof makeStrategySpec>[0], RegExp]>([
    ['an unknown name', { name: 'fedmagic' }, /expected one of .*fedavg/],
    ['an unknown parameter', { parameters: { beta9: 1 } }, /strategy.beta9: fedavg has no such/],
    ['a rate of 0', { parameters: { serverLearningRate: 0 } }, /above 0, at most 1000, got 0/],
    ['NaN', { parameters: { serverLearningRate: Number.NaN } }, /serverLearningRate/],
  ])('is refused with %s', (_, input, reason) => {
    expect(() => makeStrategySpec(input)).toThrow(reason);
  });

  it('is not resolved where it is unknown, or known with other code: by name and hash', () => {
    registerStrategy(plain(), CODE);
    const spec = makeStrategySpec({ name: 'plain' });
    expect(strategyOf({ strategy: spec }).strategy.name).toBe('plain');
    const failing = [
      { ...spec, name: 'absent' },
      { ...spec, code: OTHER },
      { name: 'fedavg', code: CODE, parameters: [] },
    ];
    for (const strategy of failing)
      expect(() => strategyOf({ strategy })).toThrow(
        expect.objectContaining({ code: 'strategy_unknown' }) as Error,
      );
    expect(() => strategyOf({ strategy: { ...spec, parameters: [] } })).toThrow('expected rate');
    expect(() => strategyOf({ strategy: { ...spec, code: OTHER } })).toThrow('02'.repeat(32));
  });

  it('is named by a hash of name, code and values', () => {
    registerStrategy(plain(), CODE);
    const one = makeStrategySpec({ name: 'plain' });
    const hashes = [
      one,
      makeStrategySpec({ name: 'plain', parameters: { rate: 0.5 } }),
      { ...one, code: OTHER },
      makeStrategySpec({}),
    ].map((spec) => Buffer.from(hashStrategy(spec)).toString('hex'));
    expect(new Set(hashes).size).toBe(4);
    expect(makeStrategySpec(one)).toEqual(one);
  });
});

describe('a strategy whose participants carry vectors', () => {
  it('counts the members of a closed run, unless the run says how many there are', async () => {
    const keys = [1, 2, 3, 4, 5].map((byte) => new Uint8Array(32).fill(byte));
    const populationOf = async (over: Parameters<typeof testSpec>[0]): Promise<unknown> =>
      strategyOf(await testSpec(over)).parameters['population'];
    const members = { type: 'closed' as const, keys };
    expect(await populationOf({ strategy: { name: 'scaffold' } })).toBe(1);
    expect(await populationOf({ strategy: { name: 'scaffold' }, members })).toBe(5);
    const given = { name: 'feddyn', parameters: { population: 9 } };
    expect(await populationOf({ strategy: given, members })).toBe(9);
  });

  it('is forked without the state of the server; others with it', () => {
    const hash = new Uint8Array(32);
    const fork = (name: string): unknown =>
      parentFor(
        {
          model: {} as never,
          parent: { modelHash: hash, stateHash: hash },
          carried: { state: new Float32Array(1), strategy: makeStrategySpec({ name }) },
        },
        { name },
      );
    expect(fork('fedadam')).toEqual({ modelHash: hash, stateHash: hash });
    for (const name of ['scaffold', 'feddyn']) expect(fork(name)).toEqual({ modelHash: hash });
  });

  it('is refused with a local optimiser or a robust rule that it is not defined for', async () => {
    const adam = { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
    for (const name of ['scaffold', 'fednova'])
      await expect(
        testSpec({ strategy: { name }, training: { optimizer: adam } }),
      ).rejects.toMatchObject({
        code: 'spec_invalid',
        message: expect.stringContaining('takes sgd or momentum, got adam') as string,
      });
    await testSpec({ strategy: { name: 'diloco' }, training: { optimizer: adam } });
    const robust = { rule: { type: 'median' } } as const;
    await expect(
      testSpec({ strategy: { name: 'feddyn' }, secagg: 'none', robust }),
    ).rejects.toMatchObject({
      code: 'spec_invalid',
      message: expect.stringContaining('needs the mean of the updates') as string,
    });
    await testSpec({ strategy: { name: 'fedavgm' }, secagg: 'none', robust });
  });

  it.each<[string, Strategy['member']]>([
    ['vectors that nothing advances', { scalars: [], prepare: () => ({}), kept: [{ name: 'c' }] }],
    ['an advance without vectors', { scalars: [], prepare: () => ({}), advance: () => [] }],
    [
      'one vector twice',
      {
        scalars: [],
        prepare: () => ({}),
        kept: [{ name: 'c' }, { name: 'c' }],
        advance: () => [],
      },
    ],
  ])('is not registered with %s', (_, member) => {
    expect(() => registerStrategy(plain({ member: member! }), CODE)).toThrow(/kept vectors/);
  });
});

describe('the state of a strategy', () => {
  it('is hashed by names and bits', () => {
    const { strategy } = { strategy: plain({ state: [{ name: 'm' }, { name: 'v' }] }) };
    const tensors = stateTensors({ strategy }, 2);
    expect(tensors.map(({ name }) => name)).toEqual(['strategy/m', 'strategy/v']);
    const state = Float32Array.of(1, 2, 3, 0);
    expect(stateVectors(state, 2).map((vector) => [...vector])).toEqual([
      [1, 2],
      [3, 0],
    ]);
    const hash = hashState(tensors, state);
    expect(hash).not.toEqual(hashState(tensors, Float32Array.of(1, 2, 3, -0)));
    expect(hash).not.toEqual(hashState(tensors.toReversed(), state));
    expect(() => hashState(tensors, state.subarray(1))).toThrow('expected a state of 4 values');
  });

  it('lies in tensors whose names no model may have', async () => {
    const tensors = [{ name: 'strategy/m', shape: [2], dtype: 'float32' as const }];
    await expect(testSpec({ model: { architecture: 'x', tensors } })).rejects.toMatchObject({
      code: 'spec_invalid',
    });
  });
});

it('every strategy of Floe has a coordinate-wise step, a source, and defaults within range', () => {
  for (const strategy of knownStrategies().filter(({ name }) => codeOf(name) === undefined)) {
    checkStep(strategy);
    expect(strategy.source).toMatch(/\d{4}/u);
  }
  const described = describeStrategies(1000);
  const fedAvg = described.find(({ name }) => name === 'fedavg');
  expect(fedAvg).toMatchObject({ state: [], bytes: { model: 4000 } });
});
