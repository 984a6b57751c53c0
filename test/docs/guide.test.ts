/**
 * @module The pages of docs/guide, executed as their reader would: every command runs, prints what
 * the page says, and ends as it says. TypeScript on a page is a file of examples/guide, which the
 * compiler checks. Tables of fields are compared with the schema.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { takePart } from '../../examples/guide/page.ts';
import { manifest } from '../../examples/guide/trainer.ts';
import { networkConfigSchema } from '../../protocol/net/config.ts';
import { freePort } from '../e2e/processes.ts';
import { guideSteps, patternOf, wordsOf } from '../support/guide-page.ts';
import { startGuideSession } from '../support/guide-session.ts';
import { testSpec } from '../support/run.ts';
import { serveRun } from '../support/served-run.ts';

const FOLDER = 'docs/guide';
const PAGES = [
  'consortium.md',
  'own-model.md',
  'own-trainer.md',
  'walrus-and-seal.md',
  'research.md',
];
const read = (page: string): Promise<string> => readFile(join(FOLDER, page), 'utf8');

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-guide-'));
  ending.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const walk = async (page: string): Promise<void> => {
  const session = startGuideSession({ folder: await newFolder(), port: await freePort() });
  ending.push(() => session.stop());
  for (const step of guideSteps(page)) await session.step(step);
};

/** A field of a schema, by its path. */
interface SchemaView {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaView>>;
  readonly item?: SchemaView;
  readonly wrapped?: SchemaView;
}
const fieldsOf = (view: SchemaView, prefix = ''): readonly string[] =>
  Object.entries(view.entries ?? {}).flatMap(([name, field]) => {
    const bare = field.wrapped ?? field;
    const row = `${prefix}${name} ${field.type === 'optional' ? 'no' : 'yes'}`;
    return bare.item === undefined
      ? [row, ...fieldsOf(bare, `${prefix}${name}.`)]
      : [row, ...fieldsOf(bare.item, `${prefix}${name}[].`)];
  });

describe('docs/guide', () => {
  it.each(PAGES)(
    '%s does what it says',
    async (page) => {
      await walk(await read(page));
    },
    // Several commands wait for each other while the rest of the suite runs.
    600_000,
  );

  it.each(PAGES)('%s shows the files of examples/guide, and links to files', async (page) => {
    const text = await read(page);
    for (const step of guideSteps(text)) {
      if (step.type === 'not-run') expect(step.reason, page).not.toBe('');
      if (step.type !== 'file' || !step.name.endsWith('.ts')) continue;
      const source = await readFile(join('examples/guide', step.name), 'utf8');
      const published = source.replaceAll(
        /'\.\.\/\.\.\/(client|coordinator|protocol|sim)\/index\.ts'/gu,
        "'floe/$1'",
      );
      expect(step.text, step.name).toBe(published);
    }
    for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/gu))
      expect((await stat(join(FOLDER, link))).isFile(), link).toBe(true);
  });

  it('has these pages, of a length that can be read, and an index of them', async () => {
    const names = (await readdir(FOLDER)).filter((name) => name !== 'README.md');
    expect(names.toSorted()).toEqual(PAGES.toSorted());
    const index = await read('README.md');
    for (const page of PAGES) {
      expect(index).toContain(`](${page})`);
      const prose = (await read(page)).replaceAll(/^```ts [\s\S]*?^```\n/gmu, '').split('\n');
      expect(prose.length, page).toBeGreaterThan(80);
      expect(prose.length, page).toBeLessThanOrEqual(200);
    }
  });

  it('needs fewer than ten commands for the main way of a consortium', async () => {
    const [main = ''] = (await read('consortium.md')).split('\n## A survey');
    const calls = guideSteps(main).flatMap((step) =>
      step.type === 'run' || step.type === 'terminal' ? step.commands : [],
    );
    const words = calls
      .filter((call) => call.includes('floe '))
      .map((call) =>
        wordsOf(call)
          .words.slice(1, 3)
          .join(' ')
          .replace(/ .*[:.-].*/u, ''),
      );
    expect(words).toContain('join');
    expect(new Set(words).size).toBeLessThan(10);
  });

  it('runs a federation with a model of your own in at most ten lines', async () => {
    const code = await readFile('examples/guide/three-sites.ts', 'utf8');
    const lines = code.split('\n').filter((line) => line !== '' && !line.startsWith('import '));
    expect(lines.length).toBeLessThanOrEqual(10);
  });

  it('shows code for a page in a browser, which takes part', async () => {
    const spec = await testSpec({
      model: {
        architecture: 'custom',
        tensors: manifest.tensors.map((of) => ({ ...of, shape: [...of.shape] })),
      },
      training: { epochs: 2, batchSize: 5, learningRate: 0.5 },
    });
    const run = await serveRun(spec);
    ending.push(() => run.stop());
    const inputs = Array.from({ length: 10 }, (_, i) => [i % 2, 1, 0, i / 10, 0.5]);
    const labels = inputs.map(([first = 0]) => first);
    const { signal } = new AbortController();
    const [told, ...quiet] = (['log', 'info', 'warn'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => undefined),
    );
    ending.push(async () => [told, ...quiet].forEach((spy) => spy?.mockRestore()));
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, () => takePart(run.url, inputs, labels, signal)),
    );
    for (const outcome of outcomes) expect(outcome.type).toBe('finished');
    expect(told?.mock.calls.flat()).toEqual(expect.arrayContaining(['joined', 'committed']));
  });

  it('defines a function floe for a clone that works in every folder', async () => {
    const [, setting = ''] = /^(floe\(\) .*)$/mu.exec(await read('README.md')) ?? [];
    const script = `FLOE=${process.cwd()}\n${setting}\ncd ${await newFolder()} && floe --version`;
    const { stdout } = await promisify(execFile)('bash', ['-c', script]);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+$/mu);
  });

  it('lists every field of the network file', async () => {
    const page = await read('walrus-and-seal.md');
    const rows = [...page.matchAll(/^\| `([\w.[\]]+)` +\| (yes|no) +\|/gmu)];
    expect(rows.map(([, name, required]) => `${name} ${required}`)).toEqual(
      fieldsOf(networkConfigSchema as unknown as SchemaView),
    );
  });
});

describe('the walk of a page', () => {
  it('fails where a command prints another line, or ends otherwise', async () => {
    const page = (says: string, info = 'sh') =>
      `\`\`\`${info}\nfloe strategies\n\`\`\`\n\n\`\`\`text\n${says}\n\`\`\`\n`;
    await expect(walk(page('no such line'))).rejects.toThrow(/no line "no such line"/u);
    await expect(walk(page('...', 'sh exit=2'))).rejects.toThrow(/ended with 0/u);
    expect(() => guideSteps('```sh quickly\nfloe\n```\n')).toThrow(/unknown kind/u);
    expect(() => guideSteps('```ts\nx\n```\n')).toThrow(/not tested/u);
  });

  it('matches numbers, gaps and values to remember, and nothing else', () => {
    const known = new Map([['RUN', 'ab']]);
    expect(patternOf('accuracy 0.9400', known).test('accuracy 1.2e-7')).toBe(true);
    expect(patternOf('accuracy 0.9400', known).test('accuracy none')).toBe(false);
    expect(patternOf('run RUN ...', known).test('run ab is over')).toBe(true);
    expect(patternOf('run RUN ...', known).test('run cd is over')).toBe(false);
    expect(patternOf('offer OFFER, 3', known).exec('offer 0x1, 3')?.groups).toEqual({
      OFFER: '0x1',
    });
  });
});
