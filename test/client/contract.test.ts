/**
 * @module The data contract: small tables as sites have them are mapped with the right values, or
 * refused with the column, the value, the row, and what to write.
 */
import { describe, expect, it } from 'vitest';
import { applyContract, applyInputs } from '../../client/data/contract/apply.ts';
import { inferContract, inferContractOfDataset } from '../../client/data/contract/infer.ts';
import type { InferOptions } from '../../client/data/contract/infer-column.ts';
import { type Mapping, parseMapping } from '../../client/data/contract/mapping.ts';
import { describeReport, warningsOf } from '../../client/data/contract/report.ts';
import { denormalise, scalesOfTarget } from '../../client/data/contract/units.ts';
import { createDataset, type Dataset } from '../../client/data/dataset.ts';
import { readCsv } from '../../client/data/readers/csv.ts';
import { dataOfRun } from '../../client/data/run-data.ts';
import type { Table } from '../../client/data/table.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { parseContract } from '../../protocol/spec/parse-contract.ts';
import { makeRunSpec } from '../../protocol/spec/run-spec.ts';

const tableOf = async (text: string): Promise<Table> =>
  readCsv(() => [new TextEncoder().encode(text)], 'own.csv', {});

/** Two numbers, a category, two classes. */
const CONTRACT: Contract = parseContract({
  version: 1,
  input: {
    type: 'table',
    features: [
      { type: 'number', name: 'age', normalise: { mean: 50, scale: 10 }, range: [20, 80] },
      { type: 'number', name: 'bmi', normalise: { mean: 25, scale: 5 }, missing: 25 },
      { type: 'category', name: 'sex', values: ['f', 'm'], missing: 'zeros' },
    ],
  },
  target: { type: 'classes', name: 'outcome', classes: ['healthy', 'ill'] },
});

const CLEAN = 'age,bmi,sex,outcome\n60,30,f,ill\n40,20,m,healthy\n50,25,f,ill\n';
const FEATURES = [1, 1, 1, 0, -1, -1, 0, 1, 0, 0, 1, 0];
const LABELS = [1, 0, 1];

const GERMAN: Mapping = {
  columns: { Alter: 'age', BMI: 'bmi', Geschlecht: 'sex', Befund: 'outcome' },
  values: { Befund: { krank: 'ill', gesund: 'healthy' }, Geschlecht: { w: 'f' } },
};

const caught = (work: () => unknown): FloeError => {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof FloeError) return thrown;
    throw thrown;
  }
  throw new Error('expected an error');
};

describe('a table that fits', () => {
  it.each<[string, string, Mapping?]>([
    ['in the order of the contract', CLEAN],
    [
      'with its columns in another order',
      'outcome,sex,bmi,age\nill,f,30,60\nhealthy,m,20,40\nill,f,25,50\n',
    ],
    [
      'with more columns',
      'id,age,bmi,ward,sex,outcome\n7,60,30,A,f,ill\n8,40,20,B,m,healthy\n9,50,25,C,f,ill\n',
    ],
    [
      'with its names in another language',
      'Befund;Alter;BMI;Geschlecht\nkrank;60;30;w\ngesund;40;20;m\nkrank;50;25;w\n',
      GERMAN,
    ],
    [
      'with a text for a missing value',
      'age,bmi,sex,outcome\n60,30,f,ill\n40,20,m,healthy\n50,unknown,f,ill\n',
      { values: { bmi: { unknown: null } } },
    ],
    ['with a missing value', 'age,bmi,sex,outcome\n60,30,f,ill\n40,20,m,healthy\n50,,f,ill\n'],
    [
      'with two of its values for one class',
      'age,bmi,sex,outcome\n60,30,f,severe\n40,20,m,healthy\n50,25,f,mild\n',
      { values: { outcome: { severe: 'ill', mild: 'ill' } } },
    ],
    [
      'with codes of numbers for classes',
      'age,bmi,sex,outcome\n60,30,f,1\n40,20,m,0\n50,25,f,1\n',
      { values: { outcome: { '0': 'healthy', '1': 'ill' } } },
    ],
  ])('%s has the same examples', async (_, text, mapping) => {
    const { data } = applyContract(await tableOf(text), CONTRACT, mapping);
    expect([...data.features]).toEqual(FEATURES);
    expect([...data.labels]).toEqual(LABELS);
    expect(data).toMatchObject({ featureShape: [4], classes: 2, classNames: ['healthy', 'ill'] });
    expect(data.featureNames).toEqual(['age', 'bmi', 'sex=f', 'sex=m']);
  });

  it('names the columns that are mapped, those that are not used, and the examples of each class', async () => {
    const { report } = applyContract(
      await tableOf('ward;Befund;Alter;BMI;Geschlecht\n1;krank;60;30;w\n2;krank;40;20;m\n'),
      CONTRACT,
      GERMAN,
    );
    expect(report.unused).toEqual(['ward']);
    expect(report.histogram).toEqual([
      { name: 'healthy', examples: 0 },
      { name: 'ill', examples: 2 },
    ]);
    expect(report.warnings).toEqual(['no example of class healthy']);
    const lines = describeReport(report, CONTRACT, { weightCap: 1, whole: true });
    const text = lines.map(([, line]) => line).join('\n');
    expect(text).toContain('Alter is age');
    expect(text).toContain('Befund: krank is ill');
    expect(text).toContain('counts for 1 of its 2 examples (weight cap 1)');
  });

  it('refuses a column in another unit with both numbers, the factor and what to write', async () => {
    const months = 'age,bmi,sex,outcome\n720,30,f,ill\n480,20,m,healthy\n';
    const table = await tableOf(months);
    const error = caught(() => applyContract(table, CONTRACT));
    expect(error).toMatchObject({ code: 'data_unfit', details: { column: 'age' } });
    expect(error.message).toMatch(/age: the mean is 600 .* the contract has 50 .* scale of 10/u);
    expect(error.message).toMatch(/12 times the contract's numbers: divide it by 12/u);
    expect(error.message).toMatch(/add --accept-drift age$/u);
    const { report } = applyContract(table, CONTRACT, {}, { acceptDrift: ['age'] });
    expect(report.warnings[0]).toMatch(/age: the mean is 600/u);
    expect(
      caught(() => applyContract(table, CONTRACT, {}, { acceptDrift: ['Alter'] })),
    ).toMatchObject({ code: 'usage', details: { column: 'Alter' } });
  });

  it('refuses a spread of many scales around the mean of the contract', async () => {
    const wide = 'age,bmi,sex,outcome\n-400,30,f,ill\n500,20,m,healthy\n';
    const table = await tableOf(wide);
    expect(caught(() => applyContract(table, CONTRACT)).code).toBe('data_unfit');
  });

  it('warns of other values outside of the range, of five columns at most', () => {
    const columns = Array.from({ length: 8 }, (_, i) => ({
      name: `c${i}`,
      from: `c${i}`,
      type: 'number' as const,
      missing: 0,
      range: [0, 1] as const,
      outside: 1,
      ...(i === 7 ? { mean: 1000, expected: { mean: 1, scale: 0.5 } } : {}),
    }));
    const warnings = warningsOf(columns, 3, undefined);
    expect(warnings[0]).toMatch(/^column c7: the mean is 1000/u);
    expect(warnings.slice(1, 6).every((each) => each.includes('outside'))).toBe(true);
    expect(warnings.slice(6)).toEqual(['and 2 more warnings about columns']);
  });

  it('gives the inputs of a table without a target', async () => {
    const { features, rows } = applyInputs(await tableOf('sex,bmi,age\nm,20,40\n'), CONTRACT);
    expect([...features]).toEqual([-1, -1, 0, 1]);
    expect(rows).toBe(1);
  });
});

describe('a table that does not fit', () => {
  it.each<[string, string, Mapping | undefined, string, object, RegExp]>([
    [
      'a missing column',
      'Age,bmi,sex,outcome\n60,30,f,ill\n',
      undefined,
      'data_unmapped',
      { column: 'age' },
      /no column "age".*\{"columns":\{"Age":"age"\}\}/u,
    ],
    [
      'a missing target',
      'age,bmi,sex\n60,30,f\n',
      undefined,
      'data_unmapped',
      { column: 'outcome' },
      /<your column for outcome>/u,
    ],
    [
      'a class of another name',
      'age,bmi,sex,outcome\n60,30,f,ill\n60,30,f,Healthy \n40,20,m,krank\n',
      undefined,
      'data_unmapped',
      { column: 'outcome', value: 'Healthy', row: 2 },
      /and 1 other value\) .*\{"values":\{"outcome":\{"Healthy":"healthy","krank":"<healthy or ill>"\}\}\}/u,
    ],
    [
      'a value of another category',
      'age,bmi,sex,outcome\n60,30,x,ill\n',
      undefined,
      'data_unmapped',
      { column: 'sex', value: 'x', row: 1 },
      /"x":"<f or m>"/u,
    ],
    [
      'values of several columns: one mapping file mends them all',
      'age,bmi,sex,outcome\n60,30,x,ill\nold,30,f,krank\n',
      undefined,
      'data_unmapped',
      { column: 'outcome', value: 'krank', row: 2 },
      /"krank" is not.*"old"; row 1, column sex: .*file: \{"values":\{"outcome":\{.*\},"age":\{"old":null\},"sex":\{"x":"<f or m>"\}\}\}/u,
    ],
    [
      'text among numbers',
      'age,bmi,sex,outcome\n60,30,f,ill\nold,20,m,healthy\n50,25,f,ill\n44,20,m,ill\n',
      undefined,
      'data_unmapped',
      { column: 'age', value: 'old', row: 2 },
      /\{"values":\{"age":\{"old":null\}\}\}/u,
    ],
    [
      'a missing number that the contract has nothing for',
      'age,bmi,sex,outcome\n60,30,f,ill\n,20,m,healthy\n',
      undefined,
      'data_unfit',
      { column: 'age', row: 2 },
      /is missing.*"missing" to a number/u,
    ],
    [
      'a row without a target',
      'age,bmi,sex,outcome\n60,30,f,ill\n40,20,m,\n',
      undefined,
      'data_unfit',
      { column: 'outcome', row: 2 },
      /target is missing/u,
    ],
    [
      'a number that is too large',
      'age,bmi,sex,outcome\n1e300,30,f,ill\n',
      undefined,
      'data_unfit',
      { column: 'age', row: 1 },
      /too large/u,
    ],
    [
      'a mapping of a column that is not there',
      CLEAN,
      { columns: { Alter: 'age' } },
      'mapping_invalid',
      { column: 'Alter' },
      /no column "Alter".*nearest/u,
    ],
    [
      'a mapping to a column that the contract does not have',
      CLEAN,
      { columns: { age: 'years' } },
      'mapping_invalid',
      { value: 'years' },
      /contract has no column "years"/u,
    ],
    [
      'two columns mapped to one',
      'a,b,bmi,sex,outcome\n1,2,3,f,ill\n',
      { columns: { a: 'age', b: 'age' } },
      'mapping_invalid',
      { column: 'b' },
      /"a" and "b" are both mapped to "age"/u,
    ],
    [
      'a column mapped to one that is there by name',
      'a,age,bmi,sex,outcome\n1,2,3,f,ill\n',
      { columns: { a: 'age' } },
      'mapping_invalid',
      { column: 'a' },
      /a column of that name too/u,
    ],
    [
      'a class mapped to one that the contract does not have',
      CLEAN,
      { values: { outcome: { ill: 'krank' } } },
      'mapping_invalid',
      { value: 'ill' },
      /no value "krank"; it has healthy, ill/u,
    ],
    [
      'values of a column that nobody has',
      CLEAN,
      { values: { outcom: { ill: 'healthy' } } },
      'mapping_invalid',
      { column: 'outcom' },
      /nearest is "outcome"/u,
    ],
    [
      'a number mapped to a text',
      CLEAN,
      { values: { age: { '60': 'old' } } },
      'mapping_invalid',
      { column: 'age' },
      /expected a number or null/u,
    ],
  ])('%s is refused by name', async (_, text, mapping, code, details, message) => {
    const table = await tableOf(text);
    const error = caught(() => applyContract(table, CONTRACT, mapping));
    expect(error).toMatchObject({ code, details });
    expect(error.message).toMatch(message);
  });

  it('a column twice is refused by the reader', async () => {
    await expect(tableOf('age,age,y\n1,2,3\n')).rejects.toMatchObject({ code: 'data_malformed' });
  });

  it('two columns swapped by the mapping are both taken', async () => {
    const swapped = { columns: { age: 'bmi', bmi: 'age' } };
    const { data } = applyContract(
      await tableOf('bmi,age,sex,outcome\n60,30,f,ill\n'),
      CONTRACT,
      swapped,
    );
    expect([...data.features]).toEqual([1, 1, 1, 0]);
  });

  it.each(['{"columns": {"a": 3}}', '{"colums": {}}', 'no JSON', '[]'])(
    'the mapping %s is refused',
    (text) => {
      expect(caught(() => parseMapping(text)).code).toBe('mapping_invalid');
    },
  );
});

describe('the contract that a table gives', () => {
  const rows = (cells: (i: number) => string, count = 20): string =>
    Array.from({ length: count }, (_, i) => cells(i)).join('\n');

  it('notes the facts of the table that it holds, and no others', async () => {
    const table = await tableOf(`dose,y\n${rows((i) => `${i},${i % 2 ? 'b' : 'a'}`)}\n`);
    const factsIn = (options: InferOptions): string | undefined =>
      inferContract(table, options).notes.find((note) => note.includes('facts'));
    expect(factsIn({})).toContain('(means, spreads, ranges)');
    expect(factsIn({ ranges: false })).toContain('(means, spreads)');
    expect(factsIn({ normalise: false })).toContain('(ranges)');
    expect(factsIn({ ranges: false, normalise: false })).toBeUndefined();
  });

  it('has categories, dates, normalised numbers, and leaves identifiers out', async () => {
    const text = `patient_id,name,day,colour,dose,flat,y\n${rows(
      (i) =>
        `${100 + i},n${i},2026-01-${String(1 + (i % 9)).padStart(2, '0')},${i % 2 ? 'red' : 'blue'},${i},1,${i % 2 ? 'b' : 'a'}`,
    )}\n`;
    const { contract, notes } = inferContract(await tableOf(text));
    expect(contract.input).toMatchObject({
      features: [
        { type: 'number', name: 'day', date: true },
        { type: 'category', name: 'colour', values: ['blue', 'red'] },
        { type: 'number', name: 'dose', normalise: { mean: 9.5 }, range: [0, 19] },
        { type: 'number', name: 'flat', normalise: { mean: 1, scale: 1 } },
      ],
    });
    expect(contract.target).toEqual({ type: 'classes', name: 'y', classes: ['a', 'b'] });
    const said = notes.join('\n');
    for (const part of ['patient_id: left out', 'name: left out', 'day: dates', 'flat: the same'])
      expect(said).toContain(part);
    const { data } = applyContract(await tableOf(text), contract);
    const dose = Array.from({ length: data.size }, (_, i) => data.features[i * 5 + 3] ?? 0);
    expect(dose.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 4);
    expect(dose.reduce((a, b) => a + b * b, 0) / data.size).toBeCloseTo(1, 4);
  });

  it('takes a target of many numbers for values, of few for classes, or as it is told', async () => {
    const text = `x,y\n${rows((i) => `${i},${25 + 3 * i}`)}\n`;
    expect(inferContract(await tableOf(text)).contract.target.type).toBe('values');
    const few = await tableOf(`x,y\n${rows((i) => `${i},${10 - (i % 3)}`)}\n`);
    expect(inferContract(few).contract.target).toMatchObject({ classes: ['8', '9', '10'] });
    expect(inferContract(few, { task: 'regression' }).contract.target.type).toBe('values');
    expect(inferContract(few, { target: 'x' }).contract.target.type).toBe('values');
  });

  it('normalises values, and gives predictions back in their units', async () => {
    const table = await tableOf(`x,y\n${rows((i) => `${i},${100 + i}`)}\n`);
    const { contract } = inferContract(table);
    const { data } = applyContract(table, contract);
    const back = denormalise(data.labels, contract.target);
    for (const [i, value] of back.entries()) expect(value).toBeCloseTo(100 + i, 3);
    expect(scalesOfTarget(contract.target)[0]).toBeCloseTo(5.766, 2);
  });

  it.each<[string, string, object, string, RegExp]>([
    [
      'text among numbers',
      `age,y\n${rows((i) => `${i === 4 ? 'old' : i},${i % 2}`)}\n`,
      {},
      'data_unfit',
      /row 5, column age: "old"/u,
    ],
    [
      'texts for regression',
      'x,y\n1,a\n2,b\n3,a\n',
      { task: 'regression' },
      'data_unfit',
      /takes numbers/u,
    ],
    ['one class', 'x,y\n1,a\n2,a\n', {}, 'data_unfit', /two classes/u],
    [
      'a different class in each row',
      `x,y\n${rows((i) => `${i},c${i}`)}\n`,
      {},
      'data_unfit',
      /20 different values/u,
    ],
    ['an unknown target', 'x,y\n1,a\n2,b\n', { target: 'z' }, 'data_malformed', /no column "z"/u],
    [
      'three classes for binary',
      `x,y\n${rows((i) => `${i},${i % 3}`)}\n`,
      { task: 'binary' },
      'data_unfit',
      /binary takes 2 classes, got 3/u,
    ],
    ['no column but the target', 'y\na\nb\n', {}, 'data_unfit', /a column and a target/u],
  ])('refuses %s', async (_, text, options, code, message) => {
    const table = await tableOf(text);
    const error = caught(() => inferContract(table, options));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe('data sets without columns', () => {
  const images = (classNames?: readonly string[]): Dataset =>
    createDataset({
      features: Float32Array.of(0, 1, 0.5, 0.5),
      labels: Int32Array.of(0, 1),
      featureShape: [1, 2, 1],
      classes: 2,
      ...(classNames === undefined ? {} : { classNames }),
    });
  const contract = inferContractOfDataset(images(['cat', 'dog'])).contract;

  it('have their classes in the order of the contract', () => {
    const { data } = applyContract(images(['dog', 'cat']), contract);
    expect([...data.labels]).toEqual([1, 0]);
    const mapped = { values: { class: { Hund: 'dog', Katze: 'cat' } } };
    expect([...applyContract(images(['Hund', 'Katze']), contract, mapped).data.labels]).toEqual([
      1, 0,
    ]);
    expect(caught(() => applyContract(images(['Hund', 'cat']), contract)).code).toBe(
      'data_unmapped',
    );
    expect(caught(() => applyContract(images(), contract)).code).toBe('data_unmapped');
  });

  it('have the shape of the contract', () => {
    const wide = createDataset({ ...images(['cat', 'dog']), featureShape: [2, 1, 1] });
    expect(caught(() => applyContract(wide, contract)).message).toMatch(
      /\[1, 2, 1\].*\[2, 1, 1\]/u,
    );
    expect(caught(() => applyContract(images(), CONTRACT)).message).toMatch(/give a table/u);
  });
});

describe('a run', () => {
  const base = {
    id: new Uint8Array(16),
    coordinator: new Uint8Array(32),
    model: {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [8], dtype: 'float32' as const }],
    },
  };

  it('has the task of its contract, and refuses another one by field', () => {
    expect(makeRunSpec({ ...base, data: CONTRACT }).training.task).toEqual({ type: 'multi-class' });
    const binary = { training: { task: { type: 'binary' } as const } };
    expect(makeRunSpec({ ...base, data: CONTRACT, ...binary }).training.task?.type).toBe('binary');
    const regression = { type: 'regression', loss: 'squared', delta: 1 } as const;
    expect(
      caught(() => makeRunSpec({ ...base, data: CONTRACT, training: { task: regression } })),
    ).toMatchObject({
      code: 'spec_invalid',
      message: expect.stringMatching(/data\.target/u) as string,
    });
    const weighted = parseContract({
      ...CONTRACT,
      target: { ...CONTRACT.target, weights: [1, 2] },
    });
    expect(makeRunSpec({ ...base, data: weighted, ...binary }).data).toEqual(weighted);
  });

  it('a preflight report counts the shard', async () => {
    const spec = makeRunSpec({ ...base, data: CONTRACT });
    const whole = dataOfRun(await tableOf(CLEAN), spec);
    const shard = dataOfRun(await tableOf(CLEAN), spec, undefined, { index: 0, count: 2 });
    expect(shard.data.size).toBeLessThan(whole.data.size);
    for (const { data, lines } of [whole, shard]) {
      const text = lines.map(([, line]) => line).join('\n');
      expect(text).toContain(`counts for ${data.size} of its ${data.size} example`);
      // The first line of a participant has it, for the examples that are not held out.
      expect(text).not.toContain('rounding error');
    }
  });

  it('without a contract gives names of classes no numbers', async () => {
    const spec = makeRunSpec(base);
    const named = await tableOf(CLEAN.replaceAll(/,[fm],/gu, ',1,'));
    expect(caught(() => dataOfRun(named, spec)).code).toBe('contract_missing');
    const numbered = await tableOf('a,b,y\n1,2,0\n3,4,1\n');
    expect(dataOfRun(numbered, spec).warnings[0]).toMatch(/no data contract/u);
    expect(caught(() => dataOfRun(numbered, spec, {})).code).toBe('mapping_invalid');
  });
});
