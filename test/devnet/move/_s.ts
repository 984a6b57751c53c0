import { readPackage, testPackage } from '../../../sim/devnet/move/compile.ts';
import {
  compiledFloe,
  createVmWithFramework,
  moduleBytes,
} from '../../../sim/devnet/move/index.ts';
import { runSequence, sequenceChecks, TEST_ACCESS } from './support/floe-sequences.ts';
const n = Number(process.argv[2] ?? 10);
const vm = createVmWithFramework();
const floe = moduleBytes(compiledFloe().modules);
console.time('run');
const runs = Array.from({ length: n }, (_, i) => runSequence(vm, floe, i + 1, 20));
console.timeEnd('run');
console.log(
  runs.reduce((s, r) => s + r.transactions, 0),
  runs.filter((r) => r.aborted).length,
);
const files: Record<string, string> = { ...(await readPackage('move/floe')) };
for (const [p, t] of Object.entries(TEST_ACCESS)) files[p] += t;
files['sources/checks.move'] = sequenceChecks(runs);
(await import('node:fs')).writeFileSync('/tmp/checks.move', files['sources/checks.move']);
console.time('test');
const r = await testPackage(files);
console.timeEnd('test');
console.log(
  r.passed,
  r.output
    .split('\n')
    .filter((l) => !l.includes('PASS'))
    .join('\n')
    .slice(0, 6000),
);
