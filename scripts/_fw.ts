import { buildFramework } from '/work/wt/movevm/sim/devnet/move/compile.ts';
console.time('fw');
const f = await buildFramework(); console.timeEnd('fw');
console.log(f.std.length, f.sui.length);
