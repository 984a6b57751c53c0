/**
 * @module Files of tables as people have them: each is read with the right values, or refused with
 * the row, the column and what to do.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../../client/data/load-node.ts';
import { REFUSED } from './refused-cases.ts';
import { type Content, READ, type Read, type Refused } from './text-cases.ts';
import { valuesOf } from './values-of.ts';

const readCase = ([kind, name, content, values, note, options = {}]: Read) => ({
  kind,
  name,
  content,
  values,
  note,
  options,
});
const refusedCase = ([kind, name, content, message, options = {}]: Refused) => ({
  kind,
  name,
  content,
  message,
  options,
});

describe('tables as text', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'floe-matrix-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const fileOf = async (name: string, content: Content): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };

  it.each(READ.map(readCase))('reads $kind', async ({ name, content, values, note, options }) => {
    const table = await readTable(await fileOf(name, content), options);
    expect(valuesOf(table)).toEqual(values);
    if (note !== undefined) expect(table.notes?.join('\n')).toMatch(note);
  });

  it.each(REFUSED.map(refusedCase))(
    'refuses $kind',
    async ({ name, content, message, options }) => {
      const path = await fileOf(name, content);
      await expect(readTable(path, options)).rejects.toMatchObject({
        code: 'data_malformed',
        message: expect.stringMatching(message) as string,
        details: { file: path },
      });
    },
  );

  it.each([
    [{ delimiter: '::' }, /--delimiter: expected one character/u],
    [{ encoding: 'klingon' }, /--encoding: expected a name/u],
  ])('refuses the option %j', async (options, message) => {
    const path = await fileOf('t.csv', 'a,b\n1,2\n');
    await expect(readTable(path, options)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(message) as string,
    });
  });

  it('gives row and column of what it refuses', async () => {
    const path = await fileOf('t.csv', 'a;b\n1,234;2\n5,678;4\n');
    await expect(readTable(path)).rejects.toMatchObject({ details: { row: 1, column: 'a' } });
  });

  it('says nothing of a plain table', async () => {
    expect((await readTable(await fileOf('t.csv', 'a,b\n1,2.5\n3,4\n'))).notes).toEqual([]);
  });

  it('refuses a path that is not there, and a folder', async () => {
    await expect(readTable(join(folder, 'none'))).rejects.toMatchObject({ code: 'file_not_found' });
    await expect(readTable(folder)).rejects.toMatchObject({ code: 'data_malformed' });
  });
});
