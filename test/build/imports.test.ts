/** The rules of imports hold for the sources; each is shown to be noticed where it is broken. */
import { describe, expect, it } from 'vitest';
import {
  EXCEPTIONS,
  importsOf,
  isException,
  readSources,
  violationsOf,
  type Violation,
} from '../../scripts/check-imports.ts';

const ROOT = new URL('../..', import.meta.url).pathname.replace(/\/$/u, '');

/** The rules that made-up files break. */
const broken = (files: Readonly<Record<string, string>>): Violation['rule'][] =>
  violationsOf(new Map(Object.entries(files))).map(({ rule }) => rule);

it('the sources keep every rule, without an exception', () => {
  const sources = readSources(ROOT);
  expect(sources.size).toBeGreaterThan(300);
  expect(violationsOf(sources).filter((violation) => !isException(violation))).toEqual([]);
  expect(EXCEPTIONS).toEqual([]);
});

describe('is noticed', () => {
  it.each([
    ['client/a.ts', '../coordinator/b.ts'],
    ['coordinator/machine/a.ts', '../../client/b.ts'],
    ['protocol/a.ts', '../client/b.ts'],
    ['sim/a.ts', '../cli/b.ts'],
    ['devnet/a.ts', '../protocol/b.ts'],
    ['client/a.ts', 'floe-devnet'],
  ])('an import against the arrows: %s of %s', (file, target) => {
    expect(broken({ [file]: `import { x } from '${target}';` })).toEqual(['arrow']);
    expect(broken({ [file]: `import type { X } from '${target}';` })).toEqual(['arrow']);
    expect(broken({ [file]: `const x = await import('${target}');` })).toEqual(['arrow']);
    expect(broken({ [file]: `export * from '${target}';` })).toEqual(['arrow']);
  });

  it('a vendor SDK outside of protocol/net/ and devnet/', () => {
    const source = "import { SealClient } from '@mysten/seal';";
    expect(broken({ 'cli/doctor.ts': source })).toEqual(['sdk']);
    expect(broken({ 'protocol/ports/a.ts': source })).toEqual(['sdk']);
    expect(broken({ 'protocol/net/seal/a.ts': source, 'devnet/a.ts': source })).toEqual([]);
  });

  it('a production command that loads the simulator', () => {
    const source = "const { runScenario } = await import('../sim/run.ts');";
    expect(broken({ 'cli/verify.ts': source })).toEqual(['simulator']);
    expect(broken({ 'cli/sim.ts': source, 'cli/sim-output.ts': source })).toEqual([]);
  });

  it('a cycle, of two, of three, over a type', () => {
    const to = (target: string): string => `import type { X } from './${target}.ts';`;
    expect(broken({ 'sim/a.ts': to('b'), 'sim/b.ts': to('a') })).toEqual(['cycle']);
    expect(broken({ 'sim/a.ts': to('b'), 'sim/b.ts': to('c'), 'sim/c.ts': to('a') })).toEqual([
      'cycle',
    ]);
    expect(broken({ 'sim/a.ts': to('b'), 'sim/b.ts': to('c'), 'sim/c.ts': '' })).toEqual([]);
  });
});

it('an import over several lines is read, and one in a comment is not', () => {
  expect(importsOf("import {\n  a,\n  type B,\n} from './a.ts';\nimport './b.ts';\n")).toEqual([
    './a.ts',
    './b.ts',
  ]);
  expect(
    importsOf("/**\n * import { x } from './c.ts';\n * await import('./d.ts')\n */\n"),
  ).toEqual([]);
});
