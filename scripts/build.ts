/**
 * @module `npm run build [folder]`: emits JavaScript, types and source maps, by default into `dist/`. There are no other files
 * to ship: kernels and styles are in the modules, what belongs to dependencies is found where they are installed.
 */
import { execFileSync } from 'node:child_process';
import { chmod, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? `${root}/dist`);

await rm(out, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [`${root}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json', '--outDir', out],
  { cwd: root, stdio: 'inherit' },
);
await chmod(`${out}/cli/main.js`, 0o755);
