/**
 * A pulled model on files of data: scores and predictions are those of a computation by hand, in
 * the contract's classes and units, whatever the order of the columns; and what does not fit is
 * named.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  evaluateModel,
  openModelToUse,
  predict,
  predictionsAsCsv,
  describeEvaluation,
} from '../../../client/evaluate/index.ts';
import { bareExamples } from '../../../client/evaluate/examples.ts';
import { grey } from '../readers/make-files.ts';
import { decodeSafetensors, MODEL_FILE_LIMITS } from '../../../protocol/model/index.ts';
import { toHex } from '../../../protocol/bytes.ts';
import type { Contract } from '../../../protocol/spec/contract.ts';
import { hashRunSpec } from '../../../protocol/spec/run-spec.ts';
import { floeIn } from '../../support/floe.ts';
import { resultOf } from '../../support/json-lines.ts';
import {
  exportModel,
  forward,
  PROGRESSION,
  ROWS,
  TUMOUR,
  tableOf,
  writeTable,
  type Exported,
} from './exported.ts';

let folder: string;
let classes: Exported;
let values: Exported;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-use-'));
  classes = await exportModel(join(folder, 'classes'), TUMOUR, { tfjs: true });
  values = await exportModel(join(folder, 'values'), PROGRESSION);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const NAMES = ['benign', 'malignant', 'unclear'];
const argMax = (row: readonly number[]): number => row.indexOf(Math.max(...row));

describe('an exported model', () => {
  it('says what it is, in safetensors and tfjs', async () => {
    const file = await readFile(join(classes.folder, 'model.safetensors'));
    const { metadata } = decodeSafetensors(file, MODEL_FILE_LIMITS);
    expect(metadata).toMatchObject({
      'floe.run': toHex(hashRunSpec(classes.spec)),
      'floe.round': '3',
      'floe.class_names': JSON.stringify(NAMES),
      'floe.task': '{"type":"multi-class"}',
    });
    expect(JSON.parse(metadata['floe.contract'] ?? '')).toEqual(TUMOUR);
    const model = JSON.parse(await readFile(join(classes.folder, 'tfjs/model.json'), 'utf8'));
    expect(model.userDefinedMetadata).toEqual(metadata);
  });

  it('is refused where it holds other weights than it says, or says nothing', async () => {
    const bytes = await readFile(join(classes.folder, 'model.safetensors'));
    bytes[bytes.length - 1]! ^= 1;
    const changed = join(folder, 'changed.safetensors');
    await writeFile(changed, bytes);
    await expect(openModelToUse(changed)).rejects.toMatchObject({ code: 'verification_failed' });
    const bare = join(folder, 'bare.safetensors');
    await writeFile(bare, `\u{2}${'\0'.repeat(7)}{}`);
    await expect(openModelToUse(bare)).rejects.toMatchObject({ code: 'tensor_malformed' });
    await expect(openModelToUse(join(folder, 'none'))).rejects.toMatchObject({
      code: 'file_not_found',
    });
  });
});

describe('a model of classes', () => {
  it('predicts what the weights say, with the classes of the contract', async () => {
    const path = await writeTable(folder, 'new.csv', ['site', 'age', 'id', 'radius']);
    const found = await predict(await openModelToUse(classes.folder), path);
    const expected = forward(classes.weights, 3);
    expect(found.names).toEqual(NAMES);
    for (const [i, row] of expected.entries())
      for (const [k, p] of row.entries()) expect(found.values[i * 3 + k]).toBeCloseTo(p, 5);
    expect(found.classes).toEqual(expected.map((row) => NAMES[argMax(row)]));
    const [head, first] = predictionsAsCsv(found).split('\r\n');
    expect(head).toBe('row,diagnosis,probability benign,probability malignant,probability unclear');
    expect(first).toMatch(/^1,(?:benign|malignant|unclear),0\.\d+,/u);
  });

  it('is scored on labelled data, in any order of columns', async () => {
    const path = await writeTable(folder, 'test.csv', ['diagnosis', 'site', 'radius', 'age']);
    const found = await evaluateModel(await openModelToUse(classes.folder), path);
    const expected = forward(classes.weights, 3);
    const truth = ROWS.map(({ diagnosis }) => NAMES.indexOf(diagnosis));
    const right = truth.filter((label, i) => argMax(expected[i] ?? []) === label).length;
    const loss = -truth.reduce((sum, label, i) => sum + Math.log(expected[i]?.[label] ?? 1), 0) / 4;
    expect(found.scores['accuracy']).toBe(right / 4);
    expect(found.scores['loss']).toBeCloseTo(loss, 5);
    expect(found.confusion?.flat().reduce((a, b) => a + b, 0)).toBe(4);
    const text = describeEvaluation(found).map(([, line]) => line);
    expect(text).toContainEqual(expect.stringMatching(/^ +benign +malignant +unclear$/u));
  });

  it('predicts and is scored on a column in another unit, with a warning', async () => {
    const path = join(folder, 'micrometres.csv');
    await writeFile(
      path,
      'radius,age,site,diagnosis\n14000,50,left,benign\n16000,40,right,unclear\n',
    );
    const model = await openModelToUse(classes.folder);
    const said: string[] = [];
    await predict(model, path, { warn: (line) => said.push(line) });
    await evaluateModel(model, path, { warn: (line) => said.push(line) });
    expect(said).toHaveLength(2);
    for (const line of said) expect(line).toMatch(/radius: .* 1000 times the contract's/u);
  });

  it('takes own names by a mapping, and refuses what has no place', async () => {
    const path = join(folder, 'german.csv');
    await writeFile(path, 'Alter;Seite;Radius\n61;rechts;11,5\n50;links;20,25\n');
    const model = await openModelToUse(classes.folder);
    const mapping = {
      columns: { Alter: 'age', Seite: 'site', Radius: 'radius', Befund: 'diagnosis' },
      values: { Seite: { rechts: 'right', links: 'left' }, Befund: { gut: 'benign' } },
    };
    const found = await predict(model, path, { mapping });
    const [first, second] = forward(classes.weights, 3);
    expect(found.values[0]).toBeCloseTo(first?.[0] ?? 0, 5);
    expect(found.values[3]).toBeCloseTo(second?.[0] ?? 0, 5);
    await expect(predict(model, path)).rejects.toMatchObject({ code: 'data_unmapped' });
    await expect(evaluateModel(model, path, { mapping })).rejects.toThrow(/diagnosis|Befund/u);
  });
});

it('a model of values predicts and is scored in the units of the contract', async () => {
  const columns = ['progression', 'age', 'radius', 'site'] as const;
  const path = await writeTable(folder, 'values.csv', columns);
  const model = await openModelToUse(values.folder);
  const expected = forward(values.weights, 1).map(([value = 0]) => value * 75 + 150);
  const found = await predict(model, path);
  expect(found.names).toEqual(['progression']);
  for (const [i, value] of expected.entries()) expect(found.values[i]).toBeCloseTo(value, 3);
  const { scores } = await evaluateModel(model, path);
  const errors = ROWS.map(({ progression }, i) => (expected[i] ?? 0) - Number(progression));
  const mse = errors.reduce((sum, error) => sum + error ** 2, 0) / 4;
  expect(scores['mse']).toBeCloseTo(mse, 1);
  expect(scores['rmse']).toBeCloseTo(Math.sqrt(mse), 3);
  expect(scores['mae']).toBeCloseTo(errors.reduce((sum, e) => sum + Math.abs(e), 0) / 4, 3);
  const mean = ROWS.reduce((sum, { progression }) => sum + Number(progression), 0) / 4;
  const spread = ROWS.reduce((sum, { progression }) => sum + (Number(progression) - mean) ** 2, 0);
  expect(scores['r2']).toBeCloseTo(1 - (4 * mse) / spread, 4);
});

it('images without classes are inputs of a contract of images', async () => {
  const images = join(folder, 'images');
  await mkdir(images);
  await writeFile(join(images, '1.png'), grey(2, 1, 0));
  await writeFile(join(images, '2.png'), grey(2, 1, 255));
  const contract: Contract = { ...TUMOUR, input: { type: 'image', shape: [1, 2, 1] } };
  const found = await bareExamples(images, contract, {}, [1, 2, 1]);
  expect([...found.features]).toEqual([0, 0, 1, 1]);
  const one = await bareExamples(join(images, '2.png'), contract, {}, [1, 2, 1]);
  expect([...one.features]).toEqual([1, 1]);
});

it('the commands print scores and write predictions', async () => {
  const floe = floeIn(() => folder);
  await writeTable(folder, 'test.csv', ['diagnosis', 'site', 'radius', 'age']);
  const scored = await floe(['evaluate', 'classes', 'test.csv', '--json']);
  expect(resultOf(scored.stdout)).toMatchObject({
    round: 3,
    task: 'multi-class',
    examples: 4,
    names: NAMES,
    scores: { accuracy: expect.any(Number), calibrationError: expect.any(Number) },
  });
  const flags = ['--out', 'predictions.csv'];
  const written = await floe(['predict', 'classes/model.safetensors', 'test.csv', ...flags]);
  expect(written.stdout).toContain('predictions.csv: 4 predictions');
  expect(await readFile(join(folder, 'predictions.csv'), 'utf8')).toMatch(/^row,diagnosis,/u);
  const again = await floe(['predict', 'classes', 'test.csv', ...flags]);
  expect(again.stderr).toContain('file_exists');
});

it('the commands read a file with options, and of a folder with parts its test part', async () => {
  const floe = floeIn(() => folder);
  await mkdir(join(folder, 'parts'));
  const text = tableOf(['age', 'diagnosis', 'site', 'radius', 'id']);
  const odd = text.replaceAll(',', '|').replace('\n61|', '\nnone|').replaceAll('.', ',');
  // Classes need more rows than a few.
  const rows = odd.slice(odd.indexOf('\n'));
  await writeFile(join(folder, 'parts/train.csv'), odd + rows.repeat(3));
  // The test part has one row fewer than the table.
  await writeFile(join(folder, 'parts/test.csv'), odd.slice(0, odd.lastIndexOf('\n')));
  const reading = ['--delimiter', '|', '--decimal', ',', '--missing', 'none'];
  const options = [...reading, '--drop-column', 'id', '--json'];
  const scored = await floe(['evaluate', 'classes', 'parts', ...options]);
  expect(resultOf(scored.stdout)).toMatchObject({ examples: 3 });
  const out = ['--out', 'parts.csv'];
  const predicted = await floe(['predict', 'classes', 'parts', ...options, ...out]);
  expect(resultOf(predicted.stdout)).toMatchObject({ examples: 3 });
  const drafted = await floe(['contract', 'infer', 'parts', '--target', 'diagnosis', ...options]);
  const { contract, notes } = resultOf(drafted.stdout) as { contract: Contract; notes: string[] };
  expect(contract.input).toMatchObject({
    features: [{ name: 'age', missing: expect.any(Number) }, { name: 'site' }, { name: 'radius' }],
  });
  expect(notes[0]).toContain('the train part of parts');
  await writeFile(join(folder, 'drafted.json'), JSON.stringify(contract));
  const checked = await floe(['contract', 'check', 'drafted.json', 'parts', ...options]);
  expect(resultOf(checked.stdout)).toMatchObject({ examples: 16, unused: [] });
  // Without the options, the file is refused or read as what it is not.
  expect((await floe(['evaluate', 'classes', 'parts'])).code).toBe(2);
});
