/**
 * @module TensorFlow's addon for Node, built on this machine: `floe setup native` and its undoing.
 * Node only.
 */
export { alteredFiles, findBuilt, nativeFolder, type Built, type Found } from './built.ts';
export { misfitOf, RECIPE, thisHost, type Host, type Recipe } from './recipe.ts';
export {
  describePlan,
  describeResult,
  describeSetup,
  setupNative,
  undoNative,
  type SetupEvent,
  type SetupOptions,
  type SetupPlan,
  type SetupResult,
} from './setup.ts';
export { runProgram, type Run, type RunOptions } from './tools.ts';
