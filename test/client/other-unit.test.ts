/** @module Numbers in another unit than the contract's: columns, pixels, arrays; and sim --map. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyContract } from '../../client/data/contract/apply.ts';
import { applyDatasetInputs } from '../../client/data/contract/arrays.ts';
import { isOtherUnit, otherUnitText } from '../../client/data/contract/other-unit.ts';
import { createDataset } from '../../client/data/dataset.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { loadScenarioData } from '../../sim/data.ts';

type Column = Parameters<typeof isOtherUnit>[0];
/** Weights of adults in kilograms, as a contract has them, by a factor. */
const weights = (factor: number, changes: Partial<Column> = {}): Column => ({
  name: 'weight',
  from: 'weight',
  mean: 72 * factor,
  deviation: 12 * factor,
  least: 45 * factor,
  largest: 110 * factor,
  present: 40,
  outside: factor === 1 ? 0 : 40,
  expected: { mean: 75, scale: 14 },
  range: [40, 140],
  ...changes,
});

describe('a column', () => {
  it.each([
    [1000, /1000 times .* divide it by 1000/u],
    [1 / 1000, /1\/1000 times .* multiply it by 1000/u],
    [1 / 100, /1\/100 times .* multiply it by 100/u],
  ])('of %s times the numbers is refused with the factor', (factor, words) => {
    expect(isOtherUnit(weights(factor))).toBe(true);
    expect(otherUnitText(weights(factor))).toMatch(words);
  });

  it('of glucose in mg/dl where the contract has mmol/l gets the factor of the two', () => {
    const glucose = weights(1, { mean: 124.55, deviation: 32.1, outside: 40, range: [3.9, 9.8] });
    const column = { ...glucose, expected: { mean: 6.97, scale: 1.68 } };
    expect(isOtherUnit(column)).toBe(true);
    expect(otherUnitText(column)).toMatch(/divide it by 18\.016/u);
  });

  it('that is smaller by a factor is refused within a range from 0, too', () => {
    const wide = { range: [0, 140] as const, outside: 0 };
    expect(isOtherUnit(weights(1 / 1000, wide))).toBe(true);
    // One value, or values without a spread, say nothing of the unit.
    expect(isOtherUnit(weights(1 / 1000, { ...wide, present: 1 }))).toBe(false);
    expect(isOtherUnit(weights(1 / 1000, { ...wide, deviation: 0 }))).toBe(false);
  });

  it('all of whose values are outside is refused five scales from the mean', () => {
    const elders = { outside: 40, mean: 75 + 4 * 14, deviation: 5 };
    expect(isOtherUnit(weights(1, elders))).toBe(false);
    expect(isOtherUnit(weights(1, { ...elders, mean: 75 + 6 * 14 }))).toBe(true);
    expect(isOtherUnit(weights(1, { ...elders, mean: 75 + 6 * 14, outside: 39 }))).toBe(false);
  });

  it('of another population, or of mostly zeros, is not', () => {
    expect(isOtherUnit(weights(1))).toBe(false);
    expect(isOtherUnit(weights(1.6, { outside: 9 }))).toBe(false);
    const gains = { mean: 2, deviation: 14, least: 0, largest: 100, outside: 0 };
    const expected = { mean: 1000, scale: 7000 };
    expect(isOtherUnit(weights(1, { ...gains, expected, range: [0, 99_999] }))).toBe(false);
  });

  it('of no known factor has the ratio of the means', () => {
    expect(otherUnitText(weights(3e5))).toMatch(/the means are 288000 to 1/u);
  });
});

const IMAGES: Contract = {
  version: 1,
  input: { type: 'image', shape: [2, 2, 1] },
  target: { type: 'classes', name: 'class', classes: ['0', '1'] },
};
const imagesOf = (...pixels: readonly number[]) =>
  createDataset({
    features: Float32Array.from(pixels),
    labels: new Int32Array(pixels.length / 4),
    featureShape: [2, 2, 1],
    classes: 2,
  });

describe('pixels', () => {
  it.each([
    ['of 0 to 255', [0, 255, 3, 128], /from 0 to 255, .* \(255 times\): divide them by 255/u],
    ['of 0 to 65535', [0, 65_535, 3, 128], /divide them by 65535/u],
    ['of -1 to 1', [-1, -1, 1, -0.5], /from -1 to 1.*: write \(x \+ 1\) \/ 2/u],
    ['with mean 0 and deviation 1', [-0.4, -0.4, 2.8, -0.3], /undo the normalisation/u],
    ['that were divided twice', [0, 1 / 255, 0, 0], /\(1\/255 times\): .* multiply them by 255/u],
  ])('%s are refused with the remedy, and can be accepted', (_, pixels, words) => {
    const data = imagesOf(...pixels);
    expect(() => applyContract(data, IMAGES)).toThrow(
      expect.objectContaining({
        code: 'data_unfit',
        message: expect.stringMatching(words) as string,
        details: expect.objectContaining({ column: 'pixels' }) as object,
      }),
    );
    expect(() => applyContract(data, IMAGES)).toThrow(/--accept-drift pixels$/u);
    const { report } = applyContract(data, IMAGES, {}, { acceptDrift: ['pixels'] });
    expect(report.warnings[0]).toMatch(words);
    const said: string[] = [];
    applyDatasetInputs(data, IMAGES, (line) => said.push(line));
    expect(said[0]).toMatch(words);
  });

  it('a few of which are beyond 0 to 1, by little, are warned of; black images are taken', () => {
    const { report } = applyContract(imagesOf(0, 0.5, 1.2, 1), IMAGES);
    expect(report.warnings[0]).toBe('1 pixels are outside of 0 to 1');
    expect(applyContract(imagesOf(0, 0, 0, 0), IMAGES).report.warnings).not.toContain(
      expect.stringMatching(/pixels/u),
    );
  });
});

it('arrays far from the normalisation of the contract are refused as values', () => {
  const normalise = { mean: 10, scale: 2 };
  const contract: Contract = { ...IMAGES, input: { type: 'array', shape: [2, 2, 1], normalise } };
  expect(applyContract(imagesOf(9, 10, 11, 12), contract).data.size).toBe(1);
  expect(() => applyContract(imagesOf(9000, 10_000, 11_000, 12_000), contract)).toThrow(
    /column values: .*divide it by 1000[\s\S]*--accept-drift values$/u,
  );
});

it('a simulation maps columns and classes as join does', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-sim-map-'));
  try {
    const path = join(folder, 'patienten.csv');
    const rows = Array.from(
      { length: 12 },
      (_, i) => `${20 + i};${i % 2 === 0 ? 'krank' : 'wohl'}`,
    );
    await writeFile(path, `Alter;Befund\n${rows.join('\n')}\n`);
    const contract: Contract = {
      version: 1,
      input: { type: 'table', features: [{ type: 'number', name: 'age' }] },
      target: { type: 'classes', name: 'outcome', classes: ['ill', 'well'] },
    };
    const mapping = {
      columns: { Alter: 'age', Befund: 'outcome' },
      values: { Befund: { krank: 'ill', wohl: 'well' } },
    };
    const seed = new Uint8Array(32);
    const { train, test } = await loadScenarioData(path, seed, { contract, mapping });
    expect([train.size + test.size, train.featureNames, train.classNames]).toEqual([
      12,
      ['age'],
      ['ill', 'well'],
    ]);
    await expect(loadScenarioData(path, seed, { mapping })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/--map: expected --contract/u) as string,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
