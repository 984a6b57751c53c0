/**
 * @module The pages of docs/guide, executed as their reader would: every command runs, prints what
 * the page says, and ends as it says. TypeScript on a page is a file of examples/guide, which the
 * compiler checks.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../e2e/processes.ts';
import { guideSteps } from '../support/guide-page.ts';
import { startGuideSession } from '../support/guide-session.ts';

const PAGES = ['consortium.md', 'own-model.md', 'own-trainer.md'];
const read = (page: string): Promise<string> => readFile(join('docs/guide', page), 'utf8');

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

const walk = async (page: string): Promise<string> => {
  const steps = guideSteps(await read(page));
  const folder = await mkdtemp(join(tmpdir(), 'floe-guide-'));
  ending.push(() => rm(folder, { recursive: true, force: true }));
  const session = startGuideSession({ folder, port: await freePort() });
  ending.push(() => session.stop());
  for (const step of steps) await session.step(step);
  return session.transcript();
};

describe('docs/guide', () => {
  it.each(PAGES)('%s does what it says', async (page) => {
    await walk(page);
  });

  it.each(PAGES)('%s shows the files of examples/guide', async (page) => {
    for (const step of guideSteps(await read(page))) {
      if (step.type !== 'file' || !step.name.endsWith('.ts')) continue;
      const source = await readFile(join('examples/guide', step.name), 'utf8');
      const published = source.replaceAll(
        /'\.\.\/\.\.\/(client|coordinator|protocol|sim)\/index\.ts'/gu,
        "'floe/$1'",
      );
      expect(step.text, step.name).toBe(published);
    }
  });
});
