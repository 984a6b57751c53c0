import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../coordinator/limits.ts';
import { ERRORS } from '../../protocol/error-catalogue.ts';
import { errorsPage, limitsPage, protocolPage } from '../../scripts/docs.ts';
import { llmsText } from '../../scripts/llms.ts';

const page = (name: string): Promise<string> =>
  readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

it('docs/errors.md is what `npm run docs` writes, with every code', async () => {
  const text = await page('errors.md');
  expect(text).toBe(errorsPage());
  for (const code of Object.keys(ERRORS)) expect(text).toContain(`\`${code}\``);
});

it('docs/protocol.md is what `npm run docs` writes, with a word on every frame and record', async () => {
  const text = await page('protocol.md');
  expect(text).toBe(await protocolPage());
  for (const [heading, body] of text.matchAll(/^### `\w+`\n\n(.*)\n/gm))
    expect(body, heading).toMatch(/\w{3}/);
});

it('docs/limits.md is what `npm run docs` writes, with every limit', async () => {
  const text = await page('limits.md');
  expect(text).toBe(await limitsPage());
  for (const name of Object.keys(DEFAULT_LIMITS)) expect(text).toContain(`\`${name}\``);
});

it('llms.txt is what `npm run docs` writes, with every page, command and face of the package', async () => {
  expect(await page('../llms.txt')).toBe(await llmsText());
});
