/**
 * @module `npm run build`: emits `dist/` (JavaScript, types, source maps) and copies the assets the code reads at run time.
 */
import { execFileSync } from 'node:child_process';
import { chmod, cp, glob, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const ROOMS = ['protocol', 'coordinator', 'client', 'sim', 'cli'];

await rm(`${root}/dist`, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [`${root}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json'],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
for await (const file of glob(
  ROOMS.map((room) => `${room}/**/*.{wasm,css,json}`),
  { cwd: root },
))
  await cp(`${root}/${file}`, `${root}/dist/${file}`);
await chmod(`${root}/dist/cli/main.js`, 0o755);
