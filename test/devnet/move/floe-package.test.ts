/**
 * Floe's Move package: its unit tests in the Move VM, and the committed bytecode against a fresh build.
 */
import { expect, test } from 'vitest';
import {
  buildFloe,
  buildFramework,
  readPackage,
  testPackage,
} from '../../../devnet/move/compile.ts';
import { compiledFloe, compiledFramework } from '../../../devnet/move/index.ts';

const failures = (output: string): string =>
  output
    .split('\n')
    .filter((line) => !line.includes('PASS'))
    .join('\n')
    .slice(0, 4000);

test('unit tests pass in the Move VM', async () => {
  const report = await testPackage(await readPackage('move/floe'));
  expect({ passed: report.passed, output: failures(report.output) }).toMatchObject({
    passed: true,
  });
  expect(report.output).toMatch(/Total tests: (\d+); passed: \1; failed: 0/);
});

test('move/build holds what the sources compile to', async () => {
  expect(await buildFramework()).toEqual(compiledFramework());
  expect(await buildFloe()).toEqual(compiledFloe());
});
