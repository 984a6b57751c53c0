/**
 * @module Compiles the framework and Floe's package to `move/build/*.json`, which is what the devnet loads and what
 * `floe publish` sends. Run it after a change under `move/`; a test compares the result with the committed files.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  buildDevnetContracts,
  buildFloe,
  buildFramework,
  compilePackage,
  readPackage,
} from '../devnet/move/compile.ts';

const out = join(import.meta.dirname, '../move/build');
await mkdir(out, { recursive: true });
const framework = await buildFramework();
await writeFile(join(out, 'framework.json'), `${JSON.stringify(framework, undefined, 1)}\n`);
const floe = await buildFloe();
await writeFile(join(out, 'floe.json'), `${JSON.stringify(floe, undefined, 1)}\n`);
const contracts = await buildDevnetContracts();
await writeFile(join(out, 'devnet.json'), `${JSON.stringify(contracts, undefined, 1)}\n`);
const example = join(import.meta.dirname, '../examples/devnet/allowlist');
const allowlist = await compilePackage(await readPackage(example));
await writeFile(join(example, 'compiled.json'), `${JSON.stringify(allowlist, undefined, 1)}\n`);
console.log(
  `std ${framework.std.length}, sui ${framework.sui.length}, floe ${floe.modules.length} modules`,
);
