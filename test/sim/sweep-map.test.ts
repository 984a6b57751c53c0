/** `floe sweep --map`: medians against a hand count, the runs that have no number, the page. */
import { describe, expect, it } from 'vitest';
import { linesOfMap, mapOf, shades } from '../../sim/sweep/map.ts';
import { renderMap } from '../../sim/sweep/map-page.ts';
import type { Row } from '../../sim/sweep/table.ts';

const row = (
  values: Row['values'],
  found: { readonly testAccuracy: number; readonly roundsToTarget?: number } | undefined,
): Row => ({
  values,
  reached: found && {
    status: 'complete',
    testLoss: undefined,
    baselineAccuracy: undefined,
    rounds: 5,
    roundsToTarget: undefined,
    virtualToTarget: undefined,
    modelHash: '00',
    ...found,
  },
  error: found === undefined ? { code: 'data_unfit', message: 'too few' } : undefined,
});

const at = (rate: string, epochs: string, found: Parameters<typeof row>[1][]): Row[] =>
  found.map((one, i) => row({ 'learning-rate': rate, seed: String(i), epochs }, one));

const TABLE = {
  axes: ['learning-rate', 'seed', 'epochs'],
  rows: [
    // The mean would be 0.6.
    ...at('0.1', '1', [
      { testAccuracy: 0.9, roundsToTarget: 3 },
      { testAccuracy: 0, roundsToTarget: 9 },
      { testAccuracy: 0.9 },
    ]),
    ...at('0.1', '5', [{ testAccuracy: 0.7 }, { testAccuracy: 0.8, roundsToTarget: 2 }]),
    ...at('<b>', '1', [{ testAccuracy: 0.5, roundsToTarget: 4 }, undefined]),
    ...at('<b>', '5', [undefined, undefined]),
  ],
};

describe('the map of a sweep', () => {
  it('has the median over the seeds in each cell', () => {
    const { rows, columns, measures } = mapOf(TABLE);
    expect(rows).toEqual({ axis: 'learning-rate', values: ['0.1', '<b>'] });
    expect(columns).toEqual({ axis: 'epochs', values: ['1', '5'] });
    const cells = Object.fromEntries(measures.map((one) => [one.name, one.cells]));
    expect(Object.keys(cells)).toEqual(['testAccuracy', 'roundsToTarget']);
    expect(cells['testAccuracy']).toEqual([
      [
        { value: 0.9, finished: 3, runs: 3 },
        { value: 0.75, finished: 2, runs: 2 },
      ],
      [
        { value: 0.5, finished: 1, runs: 2 },
        { value: undefined, finished: 0, runs: 2 },
      ],
    ]);
    // 3, 9, never: 9. 2, never: half did not reach it.
    expect(cells['roundsToTarget']?.map((line) => line.map(({ value }) => value))).toEqual([
      [9, undefined],
      [4, undefined],
    ]);
  });

  it('is printed as aligned tables', () => {
    expect(linesOfMap(mapOf(TABLE))).toEqual([
      'Test accuracy, median over seeds; learning-rate down, epochs across',
      '     1                 5',
      '0.1  90.00 %           75.00 %',
      '<b>  50.00 % (1 of 2)  – (0 of 2)',
      '',
      'Rounds to the target, median over seeds; learning-rate down, epochs across',
      '     1           5',
      '0.1  9           –',
      '<b>  4 (1 of 2)  – (0 of 2)',
    ]);
  });

  it('shades the better darker, and escapes what it is given', () => {
    const [accuracy, rounds] = mapOf(TABLE).measures;
    expect(shades(accuracy!)).toEqual([
      [1, expect.closeTo(0.625, 12)],
      [0, undefined],
    ]);
    expect(shades(rounds!)).toEqual([
      [0, undefined],
      [1, undefined],
    ]);
    const page = renderMap(mapOf(TABLE));
    expect(page).toContain('<td style="--s:0.625">75.00 %</td>');
    expect(page).toContain('&lt;b&gt;');
    expect(page).not.toContain('<b>');
    expect(page).not.toContain('<script');
  });

  it('needs two axes beside the seed', () => {
    for (const axes of [['seed'], ['seed', 'a'], ['a', 'b', 'c'], []])
      expect(() => mapOf({ axes, rows: [] }), axes.join()).toThrow(/two axes besides seed/u);
  });
});
