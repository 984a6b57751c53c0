/** @module The table of layers by engine says what a run gives, for two of its rows. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { ALL_MODELS } from '../../bench/gpu-models.ts';
import { listBackends } from '../../client/tfjs/backends.ts';
import { COLUMNS, rowOf } from '../../scripts/layers.ts';

it('the table has a row for each model, and two of them are as a run gives them', async () => {
  const here = new Set((await listBackends()).flatMap((r) => (r.available ? [r.name] : [])));
  const text = await readFile(new URL('../../docs/layers.md', import.meta.url), 'utf8');
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  for (const { name } of ALL_MODELS) expect(rows.map(([first]) => first)).toContain(name);
  const columns = COLUMNS.filter(({ backend }) => here.has(backend.prefer as never));
  const titles = rows[0] ?? [];
  for (const small of ALL_MODELS.filter(({ name }) => /depthwise|layer norm$/u.test(name))) {
    const written = rows.find(([first]) => first === small.name) ?? [];
    const [, ...cells] = await rowOf(small, columns);
    const expected = columns.map(({ title }) => written[titles.indexOf(title)]);
    expect(cells).toEqual(expected);
  }
});
