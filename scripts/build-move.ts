/**
 * @module Compiles every Move package of this repository: the framework and the contracts that the
 * devnet runs (`devnet/contracts/build`), Floe's own package (`move/build`), which `floe publish`
 * sends, and the example's. Run it after a change of Move sources; tests compare the result with
 * the committed files.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  buildDevnetContracts,
  buildFramework,
  compilePackage,
  readPackage,
} from 'floe-devnet/compile';

const root = join(import.meta.dirname, '..');
const write = async (path: string, compiled: unknown): Promise<void> => {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(compiled, undefined, 1)}\n`);
};
const compile = async (path: string) => compilePackage(await readPackage(join(root, path)));

const framework = await buildFramework();
await write('devnet/contracts/build/framework.json', framework);
await write('devnet/contracts/build/contracts.json', await buildDevnetContracts());
const floe = await compile('move/floe');
await write('move/build/floe.json', floe);
const example = 'examples/devnet/allowlist';
await write(`${example}/compiled.json`, await compile(example));
console.log(
  `std ${framework.std.length}, sui ${framework.sui.length}, floe ${floe.modules.length} modules`,
);
