import { compilePackage } from '../../../sim/devnet/move/compile.ts';
import { randomPrograms } from './support/programs.ts';
const files = randomPrograms(1, 100);
const all = files['sources/programs.move']!.split('\n    #[allow(');
const head = all[0]!;
const progs = all.slice(1).map((p) => '\n    #[allow(' + p.replace(/\n}\n$/, '\n'));
const bad = async (ps: string[]) => {
  try {
    await compilePackage({ ...files, 'sources/programs.move': head + ps.join('') + '\n}\n' });
    return false;
  } catch (e) {
    if (!String(e).includes('unreachable')) console.log(String(e).slice(0, 400));
    return true;
  }
};
let set = progs;
while (set.length > 1) {
  const h = set.slice(0, set.length >> 1);
  if (await bad(h)) set = h;
  else set = set.slice(set.length >> 1);
}
console.log(set[0]);
