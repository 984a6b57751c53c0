/**
 * @module The devnet's Move interpreter, as the chain uses it. The compiler is separate, in
 * `compile.ts`, because it needs a development dependency.
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
