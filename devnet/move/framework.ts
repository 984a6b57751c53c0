/**
 * @module The compiled framework (0x1, 0x2) and the contracts of Walrus and Seal, as
 * `contracts/build` holds them, and a machine that has the framework.
 */
import contracts from '../contracts/build/contracts.json' with { type: 'json' };
import framework from '../contracts/build/framework.json' with { type: 'json' };
import { DevnetError } from '../errors.ts';
import type { CompiledFramework, CompiledPackage } from './compile.ts';
import type { Address, MoveVm } from './types.ts';
import { createVm } from './vm.ts';

export const STD_ID: Address = `0x${'1'.padStart(64, '0')}`;
export const SUI_ID: Address = `0x${'2'.padStart(64, '0')}`;

/** The framework's bytecode. */
export const compiledFramework = (): CompiledFramework => framework;

/** The contracts of Walrus and Seal, compiled at 0x0. */
export const compiledContracts = (): Readonly<Record<'walrus' | 'seal', CompiledPackage>> =>
  contracts;

/** Bytes of base64 modules. */
export const moduleBytes = (modules: readonly string[]): Uint8Array[] =>
  modules.map((base64) => Uint8Array.from(Buffer.from(base64, 'base64')));

/**
 * Publishes the framework into `vm`. @throws DevnetError `internal` when it does not pass its
 * checks.
 */
export const publishFramework = (vm: MoveVm, compiled: CompiledFramework = framework): void => {
  const parts: readonly [Address, readonly string[], Address[]][] = [
    [STD_ID, compiled.std, []],
    [SUI_ID, compiled.sui, [STD_ID]],
  ];
  for (const [storageId, modules, dependencies] of parts) {
    const request = { storageId, modules: moduleBytes(modules), dependencies };
    const result = vm.publish(request);
    if (result.status === 'failure')
      throw new DevnetError('internal', `the framework at ${storageId}: ${result.failure.message}`);
  }
};

/** A machine that has 0x1 and 0x2. */
export const createVmWithFramework = (): MoveVm => {
  const vm = createVm();
  publishFramework(vm);
  return vm;
};
