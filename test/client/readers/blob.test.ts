/**
 * Tables out of a Blob, as a page has them: the same table as the same bytes in a file in Node, and
 * the same refusals.
 */
import { describe, expect, it } from 'vitest';
import { readTableOfBlob } from '../../../client/data/readers/blob.ts';
import { readCsv } from '../../../client/data/readers/csv.ts';
import { datasetOfTable } from '../../../client/data/table-dataset.ts';

describe('a table out of a Blob', () => {
  it('is what the same bytes give in a file: separator, decimal sign and encoding recognised', async () => {
    const bytes = Buffer.from('größe;art\n1,5;0\n2,25;1\n', 'latin1');
    const table = await readTableOfBlob(new File([bytes], 'own.csv'));
    expect(table).toEqual(await readCsv(() => [bytes], 'own.csv'));
    const { features, labels } = datasetOfTable(table);
    expect([[...features], [...labels]]).toEqual([
      [1.5, 2.25],
      [0, 1],
    ]);
  });

  it('is read as JSON by the name of the file', async () => {
    const { columns } = await readTableOfBlob(new File(['{"age":41}\n{"age":7}\n'], 'a.jsonl'));
    expect(columns).toMatchObject([{ name: 'age', type: 'number' }]);
  });

  it.each([
    ['a damaged file', new File(['a,b\n1,2,3\n'], 'own.csv'), 'own.csv'],
    ['a Blob without a name', new Blob(['a,b\n1,2,3\n']), 'table.csv'],
    ['another format', new File(['PAR1....PAR1'], 'own.parquet'), 'own.parquet'],
  ])('%s is refused by its name', async (_, blob, file) => {
    await expect(readTableOfBlob(blob)).rejects.toMatchObject({
      code: 'data_malformed',
      details: { file },
    });
  });
});
