/**
 * @module The compiled framework (0x1, 0x2) and Floe's own package as shipped in `move/build`, and a machine that has the framework.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import type { CompiledFramework, CompiledPackage } from './compile.ts';
import type { Address, MoveVm } from './types.ts';
import { createVm } from './vm.ts';

export const STD_ID: Address = `0x${'1'.padStart(64, '0')}`;
export const SUI_ID: Address = `0x${'2'.padStart(64, '0')}`;

const MODULES = v.array(v.pipe(v.string(), v.base64()));
const FRAMEWORK = v.object({ std: MODULES, sui: MODULES });
const PACKAGE = v.object({
  modules: MODULES,
  dependencies: v.array(v.string()),
  digest: v.string(),
});

/** `move/build` lies beside the sources and beside the emitted code alike, a few folders up. */
const readBuild = <T>(name: string, schema: v.GenericSchema<unknown, T>): T => {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, 'move/build', name);
    if (existsSync(path)) return v.parse(schema, JSON.parse(readFileSync(path, 'utf8')));
    if (dirname(folder) === folder)
      throw new FloeError('file_not_found', `move/build/${name} is missing; run build-move`);
  }
};

/** The framework's bytecode. */
export const compiledFramework = (): CompiledFramework => readBuild('framework.json', FRAMEWORK);

/** Floe's package, compiled at 0x0. */
export const compiledFloe = (): CompiledPackage => readBuild('floe.json', PACKAGE);

/** The contracts of Walrus and Seal, compiled at 0x0. */
export const compiledContracts = (): Readonly<Record<'walrus' | 'seal', CompiledPackage>> =>
  readBuild('devnet.json', v.object({ walrus: PACKAGE, seal: PACKAGE }));

/** Bytes of base64 modules. */
export const moduleBytes = (modules: readonly string[]): Uint8Array[] =>
  modules.map((base64) => Uint8Array.from(Buffer.from(base64, 'base64')));

/** Publishes the framework into `vm`. @throws FloeError `internal` when it does not pass its checks. */
export const publishFramework = (
  vm: MoveVm,
  framework: CompiledFramework = compiledFramework(),
): void => {
  const parts: readonly [Address, readonly string[], Address[]][] = [
    [STD_ID, framework.std, []],
    [SUI_ID, framework.sui, [STD_ID]],
  ];
  for (const [storageId, modules, dependencies] of parts) {
    const request = { storageId, modules: moduleBytes(modules), dependencies };
    const result = vm.publish(request);
    if (result.status === 'failure')
      throw new FloeError('internal', `the framework at ${storageId}: ${result.failure.message}`);
  }
};

/** A machine that has 0x1 and 0x2. */
export const createVmWithFramework = (): MoveVm => {
  const vm = createVm();
  publishFramework(vm);
  return vm;
};
