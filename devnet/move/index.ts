/**
 * @module The devnet's Move interpreter: what the chain builds on. Compiling is apart, in
 * `compile.ts`, for it needs a development dependency.
 */
export * from './types.ts';
export {
  SUI_ID,
  STD_ID,
  compiledContracts,
  compiledFramework,
  createVmWithFramework,
  moduleBytes,
  publishFramework,
} from './framework.ts';
export { normaliseAddress } from './typing.ts';
export { derivedId } from './objects.ts';
export { addressToBytes, bytesToAddress } from './bcs.ts';
export { createVm } from './vm.ts';
