/** @module A fork with a contract of its own: the parent's numbers keep their meaning. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newRun } from '../../coordinator/new-run.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';

type Feature = Extract<Contract['input'], { type: 'table' }>['features'][number];
const AGE: Feature = { type: 'number', name: 'age', normalise: { mean: 50, scale: 10 } };
const SEX: Feature = { type: 'category', name: 'sex', values: ['f', 'm'] };
const CLASSES = ['healthy', 'ill'];
const contractOf = (features: readonly Feature[], classes = CLASSES): Contract => ({
  version: 1,
  input: { type: 'table', features: [...features] },
  target: { type: 'classes', name: 'outcome', classes },
});
const PARENT = contractOf([AGE, SEX]);

const forkWith = async (contract: Contract) => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-fork-contract-'));
  try {
    const begin = () => Promise.reject(new Error('not begun'));
    const fork = { object: '0x1', open: begin };
    const run = await newRun(folder, { settings: { contract, cohort: 3 }, begin, fork });
    const tensors = [{ name: 'w', shape: [3, 2], dtype: 'float32' as const }];
    const model: RunSpec['model'] = { architecture: 'custom', tensors };
    const id = new Uint8Array(16);
    return run.spec({ id, coordinator: new Uint8Array(32), model, data: PARENT });
  } finally {
    await rm(folder, { recursive: true });
  }
};

it('ranges, missing values and weights may be others', async () => {
  const changed = contractOf([{ ...AGE, range: [0, 120], missing: 50 }, SEX]);
  const weighted = { ...changed, target: { ...changed.target, weights: [1, 2] } } as Contract;
  expect((await forkWith(weighted)).data).toEqual(weighted);
});

it.each<[string, Contract, RegExp]>([
  ['another order of columns', contractOf([SEX, AGE]), /column 1 is "age" in the parent, "sex"/u],
  ['a column less', contractOf([AGE]), /the parent has 2, the new contract 1/u],
  ['another order of classes', contractOf([AGE, SEX], ['ill', 'healthy']), /class 1 is "healthy"/u],
  ['a class more', contractOf([AGE, SEX], [...CLASSES, 'dead']), /the parent has 2/u],
  [
    'another order of values',
    contractOf([AGE, { ...SEX, values: ['m', 'f'] }]),
    /column "sex": value 1 is "f" in the parent, "m"/u,
  ],
  [
    'another normalisation',
    contractOf([{ ...AGE, normalise: { mean: 600, scale: 120 } }, SEX]),
    /column "age": the parent normalises by .*50.*600/u,
  ],
  [
    'another type',
    contractOf([{ type: 'category', name: 'age', values: ['1'] }, SEX]),
    /a number/u,
  ],
])('%s is refused by name', async (_, contract, message) => {
  await expect(forkWith(contract)).rejects.toMatchObject({
    code: 'contract_invalid',
    message: expect.stringMatching(message) as string,
  });
});
