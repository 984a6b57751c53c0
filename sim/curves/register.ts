/**
 * @module Gives the Seal SDK of a thread the curve of `bls12-381.ts`.
 */
import { registerHooks } from 'node:module';

const CURVE = '@noble/curves/bls12-381.js';
const SDK = '/node_modules/@mysten/seal/';

const own = new URL(`./bls12-381.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
  .href;

let isShared = false;

/**
 * To be called before the SDK is loaded, which a run without a network never does. Once in a
 * thread: where the SDK is loaded already it keeps the curve that it has.
 */
export const shareCurve = (): void => {
  if (isShared) return;
  isShared = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === CURVE && context.parentURL?.includes(SDK) === true
        ? next(own, context)
        : next(specifier, context),
  });
};
