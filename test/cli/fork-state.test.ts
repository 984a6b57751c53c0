/** Which forks begin with the state of the strategy that made their parent. */
import { expect, it } from 'vitest';
import { parentFor, type Beginning } from '../../protocol/model/run-start.ts';
import { makeStrategySpec } from '../../protocol/algorithm/registry.ts';

const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const beginning = (name: string): Beginning => ({
  model: { architecture: 'custom', tensors: [{ name: 'w', shape: [2], dtype: 'float32' }] },
  weights: new Float32Array(2),
  carried: { state: new Float32Array(4), strategy: makeStrategySpec({ name }) },
  parent: { modelHash: hash(1), stateHash: hash(2), object: hash(3) },
});

it('those of the same strategy, whatever its parameters; no other, and nothing without a parent', () => {
  const { parent } = beginning('fedadam');
  const slower = makeStrategySpec({ name: 'fedadam', parameters: { serverLearningRate: 0.001 } });
  expect(parentFor(beginning('fedadam'), slower)).toEqual(parent);
  const without = { modelHash: hash(1), object: hash(3) };
  expect(parentFor(beginning('fedadam'), makeStrategySpec({}))).toEqual(without);
  const othersCode = { name: 'fedadam', code: hash(9) };
  expect(parentFor(beginning('fedadam'), othersCode)).toEqual(without);
  const { carried: _, ...stateless } = beginning('fedadam');
  expect(parentFor(stateless, slower)).toEqual(without);
  const { parent: __, ...first } = beginning('fedadam');
  expect(parentFor(first, slower)).toBeUndefined();
});
