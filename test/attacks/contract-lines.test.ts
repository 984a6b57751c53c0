/**
 * @module What a participant is told of the data contract that a coordinator writes: which of its
 * columns the model gets, in lines that no name of the contract can break.
 */
import { expect, it } from 'vitest';
import { dataOfRun } from '../../client/data/run-data.ts';
import { readCsv } from '../../client/data/readers/csv.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { testSpec } from '../support/run.ts';

const linesOf = async (own: string, features: readonly string[]): Promise<string> => {
  const data: Contract = {
    version: 1,
    input: { type: 'table', features: features.map((name) => ({ type: 'number', name })) },
    target: { type: 'classes', name: 'y', classes: ['a', 'b\u001B[2J\nround 5 committed'] },
  };
  const spec = { ...(await testSpec()), data };
  const table = await readCsv(() => [new TextEncoder().encode(own)], 'site.csv', {});
  return dataOfRun(table, spec)
    .lines.map(([, text]) => text)
    .join('|');
};

const CSV = 'age,income,phone,y\n1,2,3,a\n2,3,4,a\n';

it('names each column of the site that the model gets', async () => {
  const lines = await linesOf(CSV, ['age', 'income']);
  expect(lines).toContain('|used       age, income, y|');
  expect(lines).toContain('|not used   phone|');
});

it('breaks no line by the name of a class', async () => {
  expect(await linesOf(CSV, ['age'])).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});
