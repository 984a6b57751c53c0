/**
 * Floe's Move package: its unit tests in the Move VM, the committed bytecode against a fresh build,
 * and that bytecode in the devnet's interpreter.
 */
import { compilePackage, readPackage, testPackage } from 'floe-devnet/compile';
import { createVmWithFramework, moduleBytes, STD_ID, SUI_ID } from 'floe-devnet/move';
import { expect, test } from 'vitest';
import { compiledFloe } from '../../move/compiled.ts';

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
  expect(await compilePackage(await readPackage('move/floe'))).toEqual(compiledFloe());
});

test('the interpreter publishes it as compiled', () => {
  const vm = createVmWithFramework();
  const storageId = `0x${'f10e'.padStart(64, '0')}`;
  const modules = moduleBytes(compiledFloe().modules);
  const result = vm.publish({ storageId, modules, dependencies: [STD_ID, SUI_ID] });
  expect(result.status === 'success' && result.package.modules.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['run', 'model', 'access', 'policy', 'identity']),
  );
  const approve = vm.getFunction(storageId, 'policy', 'seal_approve_cohort');
  expect(approve).toMatchObject({ visibility: 'private', isEntry: true, txContext: 'immutable' });
});
