/**
 * @module Compiles the Move sources of this folder into `compiled.json`, which the devnet publishes at genesis: the compiler is a
 * development dependency, the bytecode is ours. Run `node sim/devnet/contracts/build.ts`; a test holds the file against the
 * sources.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compilePackage, readPackage, type CompiledPackage } from '../move/compile.ts';

/** The packages of Walrus and Seal, compiled now. */
export const buildContracts = async (): Promise<Readonly<Record<string, CompiledPackage>>> => ({
  walrus: await compilePackage(await readPackage(join(import.meta.dirname, 'walrus'))),
  seal: await compilePackage(await readPackage(join(import.meta.dirname, 'seal'))),
});

if (import.meta.main)
  await writeFile(
    join(import.meta.dirname, 'compiled.json'),
    `${JSON.stringify(await buildContracts(), undefined, 1)}\n`,
  );
