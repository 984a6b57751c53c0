/** Comments and README.md keep to their columns; a wider line is shown to be noticed. */
import { expect, it } from 'vitest';
import { readTexts, wideLines } from '../../scripts/check-widths.ts';

const ROOT = new URL('../..', import.meta.url).pathname.replace(/\/$/u, '');
const wide = (file: string, text: string): number[] =>
  wideLines(file, text).map(({ line }) => line);
const words = 'word '.repeat(30);

it('the sources and README.md have no wider line', () => {
  const texts = readTexts(ROOT);
  expect(texts.size).toBeGreaterThan(500);
  expect([...texts].flatMap(([file, text]) => wideLines(file, text))).toEqual([]);
});

it('a wider comment is noticed: of a line, in a block, behind code, in a shell script', () => {
  expect(wide('a.ts', `// ${words}`)).toEqual([1]);
  expect(wide('a.ts', `/**\n * ${words}\n */\n/** ${words} */\n`)).toEqual([2, 4]);
  expect(wide('a.ts', `const a = 1; // ${words}`)).toEqual([1]);
  expect(wide('a.move', `    /// ${words}`)).toEqual([1]);
  expect(wide('a.sh', `# ${words}`)).toEqual([1]);
});

it('a comment of 100 columns is not, whatever its bytes, nor code, which the formatter wraps', () => {
  expect(wide('a.ts', `// ${'é'.repeat(97)}`)).toEqual([]);
  expect(wide('a.ts', `// ${'é'.repeat(98)}`)).toEqual([1]);
  expect(wide('a.ts', `const url = 'https://${'a'.repeat(100)}';`)).toEqual([]);
});

it('a line of README.md may have 160 columns', () => {
  expect(wide('README.md', `${'a'.repeat(160)}\n${'a'.repeat(161)}`)).toEqual([2]);
});
