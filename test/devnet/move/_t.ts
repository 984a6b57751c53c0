import { compilePackage, testPackage } from '../../../sim/devnet/move/compile.ts';
import { createVmWithFramework, moduleBytes } from '../../../sim/devnet/move/index.ts';
import { randomPrograms } from './support/programs.ts';
import { runPrograms, programChecks } from './support/programs-run.ts';
const n = Number(process.argv[2] ?? 20);
for (const seed of (process.argv[3] ?? '1').split(',').map(Number)) {
  const files = randomPrograms(seed, n);
  console.time('compile');
  const c = await compilePackage(files);
  console.timeEnd('compile');
  const vm = createVmWithFramework();
  console.time('run');
  const out = runPrograms(vm, moduleBytes(c.modules), n);
  console.timeEnd('run');
  const counts: Record<string, number> = {};
  for (const o of out) {
    const k =
      o.type === 'failed'
        ? o.attribute.replace(/abort_code = \d+/, 'abort')
        : o.type === 'broken'
          ? o.message
          : o.type;
    counts[k] = (counts[k] ?? 0) + 1;
  }
  console.log(counts);
  console.time('test');
  const r = await testPackage({ ...files, 'sources/checks.move': programChecks(out) });
  console.timeEnd('test');
  console.log(r.passed, r.output.split('\n').slice(-60).join('\n').slice(-3000));
}
