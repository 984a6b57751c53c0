/**
 * @module `npm run build [folder]`: emits JavaScript, types and source maps of both packages, by
 * default into `dist/`. `floe` is packed from the root. `floe-devnet` is packed from the folder
 * `devnet` of the output, which also receives all other files of that package.
 */
import { execFileSync } from 'node:child_process';
import { chmod, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stagedManifest } from './staged-manifest.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? `${root}/dist`);

await rm(out, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [`${root}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json', '--outDir', out],
  { cwd: root, stdio: 'inherit' },
);
await chmod(`${out}/cli/start.js`, 0o755);

const staged = join(out, 'devnet');
await chmod(join(staged, 'main.js'), 0o755);
const manifest = JSON.parse(await readFile(join(root, 'devnet/package.json'), 'utf8')) as object;
const text = `${JSON.stringify(stagedManifest(manifest), undefined, 2)}\n`;
await writeFile(join(staged, 'package.json'), text);
await cp(join(root, 'LICENSE'), join(staged, 'LICENSE'));
await cp(join(root, 'devnet/README.md'), join(staged, 'README.md'));
// The compiler reads the framework's text.
await cp(join(root, 'devnet/contracts'), join(staged, 'contracts'), { recursive: true });
